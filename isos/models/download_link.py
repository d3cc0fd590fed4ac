"""DownloadLink: an address at which one ISO can be downloaded without signing in, for a while."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class DownloadLink(models.Model):
    """Whoever has its token may download the ISO until it expires or is revoked.

    Only the token's hash is kept: a copy of the database opens nothing, and a link is shown once.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    iso = models.ForeignKey("isos.Iso", on_delete=models.CASCADE, related_name="download_links")
    created_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256, hexadecimal.")
    token_end = models.CharField(
        max_length=4, editable=False, help_text="The token's last characters, to tell links apart."
    )
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0, help_text="Downloads begun.")

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"link to {self.iso}, …{self.token_end}"

    @property
    def is_open(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

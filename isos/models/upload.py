"""Upload: a tus session."""

from __future__ import annotations

import uuid

from django.db import models
from django.urls import reverse

from isos.states import UploadState


class Upload(models.Model):
    """Bytes coming from a user's machine: declared length, durable offset, expiry.

    `lock_token` and `lock_expires` say which request is writing now (see operations.lease).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    replica = models.OneToOneField("isos.Replica", on_delete=models.CASCADE, related_name="upload")
    # Without its user an upload can't go on; it expires like any that is abandoned.
    user = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="uploads")
    state = models.CharField(
        max_length=10, choices=[(s, s.title()) for s in UploadState], default=UploadState.RECEIVING
    )
    length = models.PositiveBigIntegerField(help_text="Bytes declared.")
    offset = models.PositiveBigIntegerField(default=0, help_text="Bytes known durable.")
    filename = models.CharField(max_length=255, blank=True)
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of a sample of the file, to know it again when resuming."
    )
    expires_at = models.DateTimeField(db_index=True)
    lock_token = models.UUIDField(null=True, blank=True)
    lock_expires = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.filename} {self.offset}/{self.length}"

    def get_absolute_url(self) -> str:
        return reverse("tus:upload", args=[self.public_id])

    @property
    def is_receiving(self) -> bool:
        return self.state == UploadState.RECEIVING

"""UrlImport: where a replica's bytes are fetched from, and what is needed to go on after a break."""

from __future__ import annotations

from typing import Any

from django.db import models
from encrypted_fields.fields import EncryptedTextField


class UrlImport(models.Model):
    """A URL import of one replica.

    Addresses may carry signatures, which are credentials: they are encrypted, and emptied once
    the replica is Ready; pages show the redacted ones. `size` and `validator` belong to the
    bytes that are staged: If-Range is asked with them, so they are written before the first of
    these bytes.
    """

    class ChecksumOrigin(models.TextChoices):
        NONE = "", "None"
        DIGEST = "digest", "Given by the user"
        FILE = "file", "From the checksum file that the user named"
        FOUND = "found", "Found beside the image"

    READ_ORIGINS = (ChecksumOrigin.FILE, ChecksumOrigin.FOUND)  # may be read again where the image changed

    replica = models.OneToOneField("isos.Replica", on_delete=models.CASCADE, related_name="url_import")
    user = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    url = EncryptedTextField(default="", blank=True, null=True)  # the field stores "" as NULL
    shown_url = models.TextField("address", help_text="Redacted.")
    size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes, as the server declared.")
    validator = models.CharField(max_length=255, blank=True, help_text="Strong ETag or Last-Modified.")
    restarts = models.PositiveSmallIntegerField(default=0, help_text="Times what had come was of no use.")
    checksum = models.CharField(max_length=140, blank=True, help_text="algorithm:digest to compare with.")
    checksum_origin = models.CharField(max_length=8, choices=ChecksumOrigin.choices, blank=True)
    checksum_url = EncryptedTextField(default="", blank=True, null=True)
    shown_checksum_url = models.TextField("address of the checksum file", blank=True, help_text="Redacted.")
    checksum_sought = models.BooleanField(default=False, help_text="Whether one was looked for beside the image.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "URL import"

    def __str__(self) -> str:
        return self.shown_url

    def provenance(self) -> dict[str, Any]:
        """What the Iso keeps of this import when it is Ready: nothing secret, and true for good.

        `url` and `checksum_url` are redacted; `checksum` is algorithm:digest, empty where nothing
        was there to compare with; `checksum_origin` is one of ChecksumOrigin.
        """
        return {
            "url": self.shown_url,
            "checksum": self.checksum,
            "checksum_origin": self.checksum_origin,
            "checksum_url": self.shown_checksum_url,
            "restarts": self.restarts,
        }

"""Event: who did what to which ISO, when and from where. Append-only."""

from __future__ import annotations

from typing import Any

from django.db import models


class Event(models.Model):
    """One line of the audit trail. Outlives the ISO it speaks of."""

    class Verb(models.TextChoices):
        UPLOAD_STARTED = "upload_started", "Upload started"
        UPLOAD_RECEIVED = "upload_received", "Upload received"
        UPLOAD_EXPIRED = "upload_expired", "Upload expired"
        IMPORT_STARTED = "import_started", "Import started"
        IMPORT_EXPIRED = "import_expired", "Import expired"
        COPY_STARTED = "copy_started", "Copy started"
        COPY_EXPIRED = "copy_expired", "Copy expired"
        READY = "ready", "Ready"
        DAMAGED = "damaged", "Found damaged"
        FAILED = "failed", "Failed"
        RETRIED = "retried", "Retried"
        CANCELLED = "cancelled", "Cancelled"
        RENAMED = "renamed", "Renamed"
        EDITED = "edited", "Edited"
        DELETE_STARTED = "delete_started", "Delete started"
        DELETED = "deleted", "Deleted"
        DOWNLOADED = "downloaded", "Downloaded"
        LINK_MADE = "link_made", "Download link made"
        LINK_REVOKED = "link_revoked", "Download link revoked"
        REFUSED = "refused", "Refused"

    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, help_text="Empty for the portal itself.")
    iso = models.ForeignKey("isos.Iso", on_delete=models.SET_NULL, null=True, related_name="events")
    iso_ref = models.UUIDField(db_index=True)
    iso_name = models.CharField(max_length=120)
    zone_name = models.CharField(max_length=80, blank=True)
    verb = models.CharField(max_length=20, choices=Verb.choices)
    data = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["account", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.verb} {self.iso_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever inserts."""
        if not self._state.adding:
            raise TypeError("Events are append-only.")
        super().save(*args, **kwargs)

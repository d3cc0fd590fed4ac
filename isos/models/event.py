"""Event: who did what to which ISO, when and from where. Append-only."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone


class Trail(models.QuerySet["Event"]):
    """Reads and inserts alone. A trigger of the database stands behind it (migration 0012)."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Events are append-only.")

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Events are append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("Events are append-only.")


class Event(models.Model):
    """One line of the audit trail. Outlives the ISO it speaks of.

    What concerns no ISO (a quota, a zone) has no `iso_ref`; what concerns no account either is for administrators.
    """

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
        SET = "set", "Settings changed"
        DOWNLOADED = "downloaded", "Downloaded"
        LINK_MADE = "link_made", "Download link made"
        LINK_REVOKED = "link_revoked", "Download link revoked"
        REFUSED = "refused", "Refused"

    account = models.ForeignKey(
        "accounts.Account", on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    actor = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True, help_text="Empty for the portal itself.")
    by_staff = models.BooleanField(
        "administrator",
        default=False,
        db_default=False,
        help_text="By an administrator or operator, whose address is no affair of users.",
    )
    iso = models.ForeignKey("isos.Iso", on_delete=models.SET_NULL, null=True, related_name="events")
    iso_ref = models.UUIDField(null=True, blank=True, db_index=True)
    iso_name = models.CharField(max_length=120, blank=True)
    zone_name = models.CharField(max_length=80, blank=True)
    verb = models.CharField(max_length=20, choices=Verb.choices)
    data = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    # Of what ended: who had asked for it, and when.
    asked_by = models.ForeignKey("accounts.User", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = Trail.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["account", "-created_at"]), models.Index(fields=["-created_at", "-id"])]

    def __str__(self) -> str:
        return f"{self.verb} {self.iso_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only ever inserts."""
        if not self._state.adding:
            raise TypeError("Events are append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Events are append-only.")

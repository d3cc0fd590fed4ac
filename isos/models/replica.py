"""Replica: an Iso in one Zone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

from isos.states import ReplicaState

if TYPE_CHECKING:
    from isos.models.operation import Operation
    from isos.models.upload import Upload


class Replica(models.Model):
    """The bytes of an Iso in one Zone: their state, key and last failure."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    iso = models.ForeignKey("isos.Iso", on_delete=models.CASCADE, related_name="replicas")
    zone = models.ForeignKey("zones.Zone", on_delete=models.PROTECT, related_name="replicas")
    state = models.CharField(max_length=10, choices=[(s, s.title()) for s in ReplicaState], default=ReplicaState.QUEUED)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["zone__position", "zone__name"]
        constraints = [models.UniqueConstraint(fields=["iso", "zone"], name="replica_once_per_zone")]
        indexes = [models.Index(fields=["zone", "state"])]

    def __str__(self) -> str:
        return f"{self.iso} in {self.zone}"

    @property
    def key(self) -> str:
        """Where the bytes are in the zone's store. Nothing that a user types is in it."""
        return f"isos/{self.iso.public_id}/{self.public_id}.iso"

    @property
    def staging_token(self) -> str:
        """The staged object's name while the bytes travel."""
        return str(self.public_id)

    @property
    def active_operation(self) -> Operation | None:
        """The one running or queued Operation; lists prefetch it as `active_operations`."""
        active = getattr(self, "active_operations", None)
        if active is None:
            active = [op for op in self.operations.all() if op.is_active]
        return active[0] if active else None

    @property
    def receives(self) -> bool:
        """Whether this is where the ISO's bytes come, or came, from outside; others are copied from it."""
        return hasattr(self, "upload") or hasattr(self, "url_import")

    @property
    def arrival(self) -> str:
        """What others wait for, as in `Waits for the upload to Zone A`."""
        return f"import into {self.zone}" if hasattr(self, "url_import") else f"upload to {self.zone}"

    @property
    def is_import(self) -> bool:
        """Whether its bytes come, or came, from a web address. Once the ISO is Ready, others come from another zone."""
        return hasattr(self, "url_import") and (self.state == ReplicaState.READY or self.iso.ready_at is None)

    @property
    def open_upload(self) -> Upload | None:
        """The Upload whose bytes are still on their way from a browser."""
        upload = getattr(self, "upload", None)
        return upload if upload is not None and upload.is_receiving else None

    @property
    def bytes_of_progress(self) -> tuple[int, int | None]:
        """How far what goes on now is, and of how much; None while nobody knows that."""
        if upload := self.open_upload:
            return upload.offset, upload.length
        operation = self.active_operation
        return (operation.bytes_done, operation.bytes_total) if operation else (0, None)

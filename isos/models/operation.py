"""Operation: one long-running job on one Replica."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from isos.states import ACTIVE_OPERATION, OperationState


class Operation(models.Model):
    """A job that survives whatever runs it.

    The row is the truth and the broker's message only a wake-up call. A worker owns the job
    as long as its `lease_token` stands here and `lease_expires` has not passed.
    """

    class Kind(models.TextChoices):
        INGEST = "ingest", "Verify upload"
        FETCH = "fetch", "Import from URL"
        COPY = "copy", "Copy"
        DELETE = "delete", "Delete"

    class Phase(models.TextChoices):
        WAITING = "waiting", "Queued"
        RECEIVING = "receiving", "Receiving"
        VERIFYING = "verifying", "Verifying"
        COPYING = "copying", "Copying"
        DELETING = "deleting", "Deleting"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Outlives its replica, so that operators see how a delete ended.
    replica = models.ForeignKey("isos.Replica", on_delete=models.SET_NULL, null=True, related_name="operations")
    account = models.ForeignKey("accounts.Account", on_delete=models.PROTECT, related_name="operations")
    zone = models.ForeignKey("zones.Zone", on_delete=models.PROTECT, related_name="operations")
    # Of a copy that runs: where it reads now.
    source = models.ForeignKey("zones.Zone", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    iso_name = models.CharField(max_length=120)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    state = models.CharField(
        max_length=10, choices=[(s, s.title()) for s in OperationState], default=OperationState.QUEUED
    )
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.WAITING)
    bytes_done = models.PositiveBigIntegerField(default=0)
    bytes_total = models.PositiveBigIntegerField(null=True, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0, help_text="Times a worker has begun it since it was queued.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Backoff: no worker takes it earlier.")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the broker was last told.")
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    is_doomed = models.BooleanField(default=False, help_text="Failed for good; only clean-up is left to do.")
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["replica"],
                condition=Q(state__in=[str(s) for s in ACTIVE_OPERATION]),
                name="operation_one_active_per_replica",
            )
        ]
        indexes = [models.Index(fields=["state", "lease_expires"]), models.Index(fields=["state", "not_before"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.iso_name} ({self.state})"

    @property
    def is_light(self) -> bool:
        """Whether it only removes: quick, whatever the ISO's size, and never waiting for what moves bytes."""
        return self.kind == self.Kind.DELETE or self.is_doomed

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_OPERATION

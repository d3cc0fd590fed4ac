"""Rows that nothing will ever move again, and operations that have nothing to work on.

Every move of a replica and the begin or end of its operation share a transaction, so each statement here sees both
or neither: what it finds is not merely under way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from isos.models import Iso, Operation, Replica, Upload
from isos.operations import waiting
from isos.operations.moves import move_replica, move_upload
from isos.operations.queue import enqueue
from isos.operations.reconcile.batches import by_key
from isos.operations.reconcile.findings import NOTHING_LEFT, Finding, Kind, Outcome
from isos.states import (
    ACTIVE_OPERATION,
    IllegalTransition,
    OperationState,
    ReplicaState,
    UploadState,
)
from portal.kernel.errors import PortalError
from zones.models import Zone

_KIND = Operation.Kind
_MOVING = (ReplicaState.QUEUED, ReplicaState.RECEIVING, ReplicaState.VERIFYING, ReplicaState.DELETING)


class LostTrack(PortalError):
    """Rows that no run of the portal writes, found by an operator's command."""

    code = "lost_track"
    default_message = "The portal lost track of this file, and what had come is gone. Choose Retry to start anew."


def findings(zones: list[Zone] | None) -> Iterator[Finding]:
    """Operations, replicas and uploads of `zones` that are stuck; None stands for all zones."""
    yield from _operations(zones)
    yield from _replicas(zones)
    yield from _uploads(zones)


def _active() -> Exists:
    return Exists(Operation.objects.filter(replica=OuterRef("pk"), state__in=ACTIVE_OPERATION))


# --- operations -----------------------------------------------------------------------


def _adrift() -> QuerySet[Operation]:
    """Active, but its replica is gone, Ready, or in no state for it. One that a worker holds is the worker's."""
    aimless = (
        Q(replica=None)
        | Q(replica__state=ReplicaState.READY)
        | Q(replica__state=ReplicaState.FAILED, is_doomed=False)
        | (Q(kind=_KIND.DELETE) & ~Q(replica__state=ReplicaState.DELETING))
    )
    owned = Q(state=OperationState.RUNNING, lease_expires__gt=timezone.now())
    return Operation.objects.filter(aimless, state__in=ACTIVE_OPERATION).exclude(owned)


def _operations(zones: list[Zone] | None) -> Iterator[Finding]:
    rows = _adrift() if zones is None else _adrift().filter(zone__in=zones)
    for row in by_key(rows.select_related("zone", "replica")):
        there = f"the replica is {row.replica.state}" if row.replica else "its replica is gone"
        detail = f"“{row.iso_name}”: {row.kind} is {row.state}, but {there}"
        fix = partial(_end, row.pk)
        yield Finding(Kind.OPERATION_ADRIFT, row.zone.slug, str(row.public_id), detail, fix)


def _end(pk: int) -> Outcome:
    with transaction.atomic():
        # Locked first, and looked at behind the lock. Whoever begins or deletes something here wants it as well.
        Operation.objects.select_for_update(no_key=True).filter(pk=pk).first()
        if not _adrift().filter(pk=pk).exists():
            return NOTHING_LEFT
        Operation.objects.filter(pk=pk).update(
            state=OperationState.CANCELLED, lease_token=None, lease_expires=None, finished_at=timezone.now()
        )
    return Outcome("ended")


# --- replicas -------------------------------------------------------------------------


def _stuck() -> QuerySet[Replica]:
    """Something should go on, but there is no operation, and no upload that can."""
    moving = Replica.objects.filter(~_active(), state__in=_MOVING)
    return moving.exclude(state=ReplicaState.RECEIVING, upload__state=UploadState.RECEIVING)


def _replicas(zones: list[Zone] | None) -> Iterator[Finding]:
    rows = _stuck() if zones is None else _stuck().filter(zone__in=zones)
    for row in by_key(rows.select_related("iso", "zone")):
        detail = f"“{row.iso.name}”: {row.state}, and nothing goes on with it"
        yield Finding(Kind.STUCK, row.zone.slug, str(row.public_id), detail, partial(_set_going, row.pk))
    stranded = waiting.stranded() if zones is None else waiting.stranded().filter(zone__in=zones)
    for row in by_key(stranded):
        detail = f"“{row.iso.name}”: it waits for nothing any more; the next sweep takes it up"
        yield Finding(Kind.STUCK, row.zone.slug, str(row.public_id), detail, partial(_take_up, row.pk))


def _take_up(pk: int) -> Outcome:
    if not waiting.stranded().filter(pk=pk).exists():
        return NOTHING_LEFT
    waiting.sweep()
    return Outcome("taken up", is_left=waiting.stranded().filter(pk=pk).exists())


def _set_going(pk: int) -> Outcome:
    with suppress(IntegrityError, IllegalTransition), transaction.atomic():
        _lock(Replica.objects.filter(pk=pk))
        replica = _stuck().select_related("iso", "zone", "upload", "url_import").filter(pk=pk).first()
        if replica is not None:
            kind = _way_on(replica)
            if kind is not None:
                enqueue(replica, kind)
                return Outcome(f"{kind} goes on")
            enqueue(replica, _KIND.FETCH if replica.is_import else _KIND.INGEST, doom=LostTrack())
            return Outcome("it can't go on: marked as failed, bytes and quota are given back")
    return NOTHING_LEFT


def _way_on(replica: Replica) -> Operation.Kind | None:
    """The kind of operation that can take it up from its rows; None where none can."""
    if replica.state == ReplicaState.DELETING:
        return _KIND.DELETE
    if replica.iso.ready_at is not None:
        return _KIND.COPY
    if replica.is_import:
        return _KIND.FETCH if replica.url_import.url else None
    upload: Upload | None = getattr(replica, "upload", None)
    if upload is None or upload.state != UploadState.RECEIVED:
        return None
    if replica.state == ReplicaState.RECEIVING:
        move_replica(replica, ReplicaState.VERIFYING)
    return _KIND.INGEST


def _lock(replicas: QuerySet[Replica]) -> None:
    """The ISO, then the replica: the lock order."""
    Iso.objects.select_for_update(no_key=True).filter(pk__in=replicas.values("iso")).first()
    replicas.select_for_update(no_key=True).first()


# --- uploads --------------------------------------------------------------------------


def _open() -> QuerySet[Upload]:
    """Not finished, but its replica is settled: what expires then would take the replica's bytes along."""
    settled = Q(replica__state=ReplicaState.READY) | Q(replica__state=ReplicaState.FAILED, state=UploadState.RECEIVING)
    active = Exists(Operation.objects.filter(replica=OuterRef("replica"), state__in=ACTIVE_OPERATION))
    return Upload.objects.filter(settled, ~active).exclude(state=UploadState.FINISHED)


def _uploads(zones: list[Zone] | None) -> Iterator[Finding]:
    rows = _open() if zones is None else _open().filter(replica__zone__in=zones)
    for row in by_key(rows.select_related("replica__iso", "replica__zone")):
        replica = row.replica
        detail = f"“{replica.iso.name}”: {row.state}, but the replica is {replica.state}"
        fix = partial(_close, row.pk, replica.pk)
        yield Finding(Kind.UPLOAD_ADRIFT, replica.zone.slug, str(replica.public_id), detail, fix)


def _close(pk: int, replica_pk: int) -> Outcome:
    with suppress(IntegrityError, IllegalTransition), transaction.atomic():
        _lock(Replica.objects.filter(pk=replica_pk))
        Upload.objects.select_for_update(no_key=True).filter(pk=pk).first()
        upload = _open().select_related("replica__iso", "replica__zone").filter(pk=pk).first()
        if upload is not None:
            move_upload(upload, UploadState.FINISHED)
            replica = upload.replica
            if replica.state == ReplicaState.READY:
                return Outcome("closed")
            enqueue(replica, _KIND.INGEST, doom=PortalError(replica.error_message, code=replica.error_code))
            return Outcome("closed; its bytes and quota are given back")
    return NOTHING_LEFT

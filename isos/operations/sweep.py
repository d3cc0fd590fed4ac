"""The periodic sweep: what makes a lost message or a killed worker a delay and not a loss."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from isos import audit
from isos.models import Event, Operation, Replica, Upload
from isos.operations import slots, waiting
from isos.operations.lease import claimable
from isos.operations.moves import move_upload
from isos.operations.queue import enqueue, send
from isos.operations.receive import durable_offset
from isos.states import ACTIVE_OPERATION, IllegalTransition, OperationState, ReplicaState, UploadState
from portal.kernel.errors import PortalError
from quotas.models import Reservation

logger = logging.getLogger(__name__)

RESEND_SECONDS = 30
BATCH = 500


class UploadExpired(PortalError):
    """Nobody went on with the upload in time."""

    code = "upload_expired"
    default_message = (
        "The upload was not finished in time, and what was received is gone. Choose Retry to upload it again."
    )


class CopyExpired(PortalError):
    """Nobody chose Retry in time."""

    code = "copy_expired"
    default_message = (
        "The copy failed and was not tried again in time, so what had come is gone. Choose Retry to start it anew."
    )


class ImportExpired(PortalError):
    """Nobody chose Retry in time."""

    code = "import_expired"
    default_message = (
        "The import failed and was not tried again in time, so what had come is gone. Choose Retry to start it anew."
    )


def sweep() -> dict[str, int]:
    """Send again what waits unheard, expire what was abandoned, take up what waits for nothing. Returns counts."""
    waited = waiting.sweep()
    return {"sent": _resend(), "expired": _expire_uploads() + _expire_kept(), "waited": waited}


def _resend() -> int:
    """Operations that could run now, a slot included, and whose last message must be called lost."""
    now = timezone.now()
    # A silent owner has eaten its message; one that merely waits may still be in a long queue.
    orphaned = Q(state=OperationState.RUNNING, sent_at__lt=now - timedelta(seconds=settings.OPERATION_LEASE_SECONDS))
    unheard = Q(sent_at=None) | Q(sent_at__lt=now - timedelta(seconds=RESEND_SECONDS))
    turn = ~slots.NEEDS_SLOT | Q(pk__in=slots.startable())
    lost = Operation.objects.filter(claimable(now), turn).filter(orphaned | unheard).select_related("zone")
    count = 0
    for operation in lost.order_by("created_at")[:BATCH]:
        send(operation)
        count += 1
    if count:
        logger.info("sweep: %s operations sent again", count)
    return count


def _expire_uploads() -> int:
    """End abandoned uploads: a doomed ingest gives their staging bytes and quota back."""
    now = timezone.now()
    silent = Q(lock_expires=None) | Q(lock_expires__lt=now)
    abandoned = (
        Upload.objects.filter(silent, expires_at__lt=now)
        .filter(Q(state=UploadState.RECEIVING) | Q(state=UploadState.RECEIVED, replica__state=ReplicaState.FAILED))
        .exclude(replica__state=ReplicaState.DELETING)
        .exclude(replica__operations__state__in=[str(state) for state in ACTIVE_OPERATION])
        .select_related("replica__iso", "replica__zone")
    )
    count = 0
    for upload in abandoned[:BATCH]:
        count += _expire(upload)
    return count


def _expire_kept() -> int:
    """Failed imports and copies whose bytes were kept for a retry that nobody chose: bytes and quota come back.

    What once was Ready counts as used, not as held, and waits for its owner's decision.
    """
    held = Reservation.objects.filter(replica_ref=OuterRef("public_id"), state=Reservation.State.HELD)
    rested = timezone.now() - timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS)
    abandoned = (
        Replica.objects.filter(Exists(held), state=ReplicaState.FAILED, changed_at__lt=rested)
        .filter(Q(url_import__isnull=False) | Q(iso__ready_at__isnull=False))
        .exclude(operations__state__in=[str(state) for state in ACTIVE_OPERATION])
        .select_related("iso", "zone")
    )
    count = 0
    for replica in abandoned[:BATCH]:
        with suppress(IntegrityError), transaction.atomic():  # else it was tried again meanwhile
            if replica.iso.ready_at is not None:  # only ever comes by copy then: actions.retry
                enqueue(replica, Operation.Kind.COPY, doom=CopyExpired())
                audit.record(Event.Verb.COPY_EXPIRED, replica.iso, zone=replica.zone)
            else:
                enqueue(replica, Operation.Kind.FETCH, doom=ImportExpired())
                audit.record(Event.Verb.IMPORT_EXPIRED, replica.iso, zone=replica.zone)
            count += 1
    return count


def _expire(upload: Upload) -> bool:
    with suppress(PortalError):  # a store that is away says nothing about the bytes
        durable_offset(upload)
    if upload.state == UploadState.RECEIVED and upload.replica.state == ReplicaState.VERIFYING:
        return False  # everything had come, only the last step was lost
    try:
        with transaction.atomic():
            move_upload(upload, UploadState.FINISHED)  # no request may write to it from here on
            enqueue(upload.replica, Operation.Kind.INGEST, doom=UploadExpired())
            audit.record(Event.Verb.UPLOAD_EXPIRED, upload.replica.iso, zone=upload.replica.zone)
    except (IntegrityError, IllegalTransition):  # it moved meanwhile: not abandoned after all
        return False
    return True

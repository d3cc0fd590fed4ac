"""How a replica's bytes are given back and how its failure is written. Shared by runners."""

from __future__ import annotations

import logging
from contextlib import suppress

from isos import audit
from isos.models import Event, Replica
from isos.operations import waiting
from isos.operations.engine import Job
from isos.operations.leftovers import discard_bytes
from isos.operations.moves import move_replica, move_upload
from isos.states import UNFINISHED_REPLICA, IllegalTransition, ReplicaState, UploadState
from portal.kernel.errors import PortalError
from quotas import reservations
from zones.stores import open_store

logger = logging.getLogger(__name__)


def discard(job: Job) -> None:
    """`discard_bytes` of the job's replica, with the lease kept while a slow store takes its time."""
    open_store(job.replica.zone)  # marks a new zone's root, which is a matter of rows and of this thread
    job.waiting(lambda report: discard_bytes(job.replica))


def fail_replica(replica: Replica, error: PortalError, *, kept: bool) -> None:
    """Write the failure. Quota is given back with the bytes, or held while they are `kept`."""
    with suppress(IllegalTransition):  # being deleted meanwhile, or failed before and now expired
        move_replica(
            replica,
            ReplicaState.FAILED,
            only_from=UNFINISHED_REPLICA,
            error_code=error.code,
            error_message=error.message,
        )
        audit.record(Event.Verb.FAILED, replica.iso, audit.PORTAL, zone=replica.zone, reason=error.message)
        waiting.fail(replica)
    if kept:
        return
    with suppress(IllegalTransition):
        if upload := getattr(replica, "upload", None):
            move_upload(upload, UploadState.FINISHED)
    Replica.objects.filter(pk=replica.pk, state=ReplicaState.FAILED).update(
        error_code=error.code, error_message=error.message
    )
    reservations.release(replica.public_id)

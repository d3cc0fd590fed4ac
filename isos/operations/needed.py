"""A delete of the last verified bytes waits for the copies under way that read them.

So "copy there, then delete here" moves an ISO, in whatever order the workers get to it.
"""

from __future__ import annotations

from django.db import transaction

from isos.models import Iso, Operation, Replica
from isos.operations.queue import send
from isos.states import ACTIVE_OPERATION, OperationState, ReplicaState
from portal.kernel.errors import PortalError


class StillNeeded(PortalError):
    """Copies under way read here, and nothing else holds the ISO."""

    code = "still_needed"
    retryable = True
    default_message = "The ISO is being copied from here. It is deleted as soon as the copies are done."


def require_not_needed(replica: Replica) -> None:
    """Raises StillNeeded where these are the last verified bytes and copies of them are under way.

    No copy can begin behind this look: that takes a Ready replica and the ISO's lock.
    """
    if replica.verified_at is None:
        return
    with transaction.atomic():
        iso = Iso.objects.select_for_update(no_key=True).get(pk=replica.iso_id)
        if iso.replicas.filter(state=ReplicaState.READY).exists():
            return
        copies = Operation.objects.filter(
            replica__iso=iso, kind=Operation.Kind.COPY, state__in=ACTIVE_OPERATION, is_doomed=False
        )
        if copies.exclude(replica__state=ReplicaState.DELETING).exists():
            raise StillNeeded


def wake_deletes(after: Operation) -> None:
    """Where `after` was a copy, or the delete of one, and has ended: deletes that waited for it look again at once."""
    if after.replica is None or after.kind not in (Operation.Kind.COPY, Operation.Kind.DELETE):
        return
    if not Operation.objects.filter(pk=after.pk, finished_at__isnull=False).exists():
        return
    waiting = Operation.objects.filter(
        replica__iso=after.replica.iso_id,
        kind=Operation.Kind.DELETE,
        state=OperationState.QUEUED,
        error_code=StillNeeded.code,
    )
    for operation in waiting.select_related("zone"):
        Operation.objects.filter(pk=operation.pk, state=OperationState.QUEUED).update(not_before=None)
        send(operation)

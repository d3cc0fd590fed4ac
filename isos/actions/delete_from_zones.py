"""Delete an ISO from zones, whatever it is doing there; cancelling is the same for what is unfinished."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from isos import audit
from isos.actions.permissions import require_change
from isos.models import Event, Iso, Operation, Replica
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.states import ACTIVE_OPERATION, UNFINISHED_REPLICA, OperationState, ReplicaState
from portal.kernel.errors import InvalidInput

CONFIRMATION = "confirm"


def delete_from_zones(actor: audit.Actor, iso: Iso, replicas: Iterable[Replica], *, confirmation: str) -> None:
    """Start one delete per replica. Raises NotAllowed, or InvalidInput without the typed word."""
    require_change(actor.person, iso)
    chosen = [replica for replica in replicas if replica.state != ReplicaState.DELETING]
    if not chosen:
        raise InvalidInput("Select at least one zone.", field="zones")
    if confirmation.strip() != CONFIRMATION:
        raise InvalidInput(f"Type the word {CONFIRMATION} to delete.", field="confirmation")
    with transaction.atomic():
        for replica in chosen:
            _begin(replica)
            audit.record(Event.Verb.DELETE_STARTED, iso, actor, zone=replica.zone)


def cancel(actor: audit.Actor, iso: Iso) -> int:
    """Stop everything unfinished of `iso` and remove what it left. Returns how many replicas.

    Raises NotAllowed. What became Ready meanwhile stays.
    """
    require_change(actor.person, iso)
    with transaction.atomic():
        unfinished = iso.replicas.select_related("iso", "zone").filter(state__in=UNFINISHED_REPLICA)
        for replica in unfinished:
            _begin(replica)
            audit.record(Event.Verb.CANCELLED, iso, actor, zone=replica.zone)
        return len(unfinished)


def _begin(replica: Replica) -> None:
    """Mark the replica and let its delete follow whatever runs on it now.

    The upload's writer and a running operation see the mark at their next checkpoint; the
    delete of a running operation is enqueued by the engine when that has stopped.
    """
    # Operation before replica: the order in which the engine locks them too.
    active = Operation.objects.select_for_update().filter(replica=replica, state__in=ACTIVE_OPERATION).first()
    move_replica(replica, ReplicaState.DELETING)
    if active is not None and active.state == OperationState.RUNNING:
        Operation.objects.filter(pk=active.pk).update(cancel_requested=True)
        return
    if active is not None:
        Operation.objects.filter(pk=active.pk).update(state=OperationState.CANCELLED, finished_at=timezone.now())
    enqueue(replica, Operation.Kind.DELETE)

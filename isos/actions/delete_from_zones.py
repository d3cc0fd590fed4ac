"""Delete an ISO from zones, whatever it is doing there; cancelling is the same for what is unfinished."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import IntegrityError, transaction
from django.utils import timezone

from isos import audit
from isos.actions.permissions import require
from isos.models import Event, Iso, Operation, Replica
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.operations.waiting import receiver_of
from isos.states import ACTIVE_OPERATION, UNFINISHED_REPLICA, IllegalTransition, OperationState, ReplicaState
from portal.accounts.roles import Right
from portal.kernel.errors import InvalidInput
from zones.models import Zone

CONFIRMATION = "confirm"
ATTEMPTS = 3


def delete_from_zones(actor: audit.Actor, iso: Iso, replicas: Iterable[Replica], *, confirmation: str) -> list[Replica]:
    """Start one delete per replica. Returns those that go: with an ISO's arrival also all that wait for it.

    Raises NotAllowed, or InvalidInput without the typed word.
    """
    require(actor, Right.DELETE, iso)
    chosen = [replica for replica in replicas if replica.state != ReplicaState.DELETING]
    if not chosen:
        raise InvalidInput("Select at least one zone.", field="zones")
    if confirmation.strip() != CONFIRMATION:
        raise InvalidInput(f"Type the word {CONFIRMATION} to delete.", field="confirmation")
    return _begin_all(actor, iso, chosen, Event.Verb.DELETE_STARTED, tuple(ReplicaState))


def cancel(actor: audit.Actor, iso: Iso, zones: Iterable[Zone] | None = None) -> int:
    """Stop what is unfinished of `iso`, in `zones` or everywhere, and remove what it left. Returns how many replicas.

    With an ISO's arrival all that wait for it go. Raises NotAllowed. What became Ready or failed meanwhile stays.
    """
    require(actor, Right.CANCEL, iso)
    unfinished = list(iso.replicas.select_related("iso", "zone").filter(state__in=UNFINISHED_REPLICA))
    if zones is not None:
        chosen = {zone.pk for zone in zones}
        unfinished = [replica for replica in unfinished if replica.zone_id in chosen]
    return len(_begin_all(actor, iso, unfinished, Event.Verb.CANCELLED, UNFINISHED_REPLICA))


def _begin_all(
    actor: audit.Actor, iso: Iso, replicas: list[Replica], verb: Event.Verb, only_from: Collection[ReplicaState]
) -> list[Replica]:
    """Begin the delete of each replica that still is in one of the states, and of those that waited for it."""
    for attempt in range(ATTEMPTS):
        try:
            with transaction.atomic():
                never_ready = _locked_before_ready(iso)
                begun = [replica for replica in replicas if _begin(replica, only_from)]
                if never_ready and receiver_of(iso) in begun:
                    rest = iso.replicas.exclude(pk__in=[replica.pk for replica in begun]).select_related("iso", "zone")
                    begun += [replica for replica in rest.order_by("pk") if _begin(replica, tuple(ReplicaState))]
                for replica in begun:
                    audit.record(verb, iso, actor, zone=replica.zone)
            return begun
        except IntegrityError:  # an operation was enqueued between our look and our mark: look again
            if attempt == ATTEMPTS - 1:
                raise
    return []


def _locked_before_ready(iso: Iso) -> bool:
    """Whether the ISO never was Ready, which then stays true: its bytes arrive in one zone, and others wait for it.

    Locks in the order in which the engine does: operations, then the ISO. Those of all zones: what waits
    elsewhere may turn out to be meant too.
    """
    active = Operation.objects.filter(replica__iso=iso, state__in=ACTIVE_OPERATION)
    list(active.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    return Iso.objects.select_for_update(no_key=True).filter(pk=iso.pk, ready_at=None).exists()


def _begin(replica: Replica, only_from: Collection[ReplicaState]) -> bool:
    """Mark the replica and let its delete follow whatever runs on it now. False where it has moved on.

    The upload's writer and a running operation see the mark at their next checkpoint; the
    delete of a running operation is enqueued by the engine when that has stopped.
    """
    # Operation before replica: the order in which the engine locks them too.
    active = Operation.objects.select_for_update().filter(replica=replica, state__in=ACTIVE_OPERATION).first()
    try:
        move_replica(replica, ReplicaState.DELETING, only_from=only_from)
    except IllegalTransition:
        return False
    if active is not None and active.state == OperationState.RUNNING:
        Operation.objects.filter(pk=active.pk).update(cancel_requested=True)
        return True
    if active is not None:
        Operation.objects.filter(pk=active.pk).update(state=OperationState.CANCELLED, finished_at=timezone.now())
    enqueue(replica, Operation.Kind.DELETE)
    return True

"""A Ready replica whose stored bytes are lost or damaged: written down, and copied again from a good one."""

from __future__ import annotations

from contextlib import suppress

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet

from isos import audit
from isos.models import Event, Iso, Operation, Replica
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.operations.sources import ReplicaDamaged, ReplicaMissing, require_source
from isos.states import ACTIVE_OPERATION, IllegalTransition, ReplicaState
from portal.kernel.errors import Conflict
from quotas import reservations, usage_spans
from quotas.models import Reservation
from zones.models import Zone

LOSS_CODES = (ReplicaMissing.code, ReplicaDamaged.code)


def unchanged(replica: Replica) -> QuerySet[Replica]:
    """The row, while it is Ready and was neither verified nor replaced since `replica` was read."""
    return Replica.objects.filter(
        pk=replica.pk, public_id=replica.public_id, state=ReplicaState.READY, verified_at=replica.verified_at
    )


def write_down(replica: Replica, error: ReplicaMissing | ReplicaDamaged) -> bool:
    """The Ready replica turns Failed. False, with nothing written, where it is not what `replica` was read as.

    What is left of its bytes stays: it may be all there is.
    """
    with transaction.atomic():
        # The lock order: the ISO first. The event refers to it.
        iso = Iso.objects.select_for_update(no_key=True).filter(pk=replica.iso_id).first()
        if iso is None or unchanged(replica).select_for_update(no_key=True).first() is None:
            return False
        move_replica(
            replica,
            ReplicaState.FAILED,
            only_from=[ReplicaState.READY],
            verified_at=None,
            error_code=error.code,
            error_message=error.message,
        )
        usage_spans.end(replica.public_id)  # nobody pays for what is not there; its quota stays for the repair
        audit.record(Event.Verb.DAMAGED, iso, zone=replica.zone, reason=error.message)
    return True


def heal(replica: Replica) -> bool:
    """Copy a failed replica here again from another zone, as the portal itself; its quota is held still.

    The copy throws away what is left here unless it turns out to be good: call this when a good source is known.
    False where it can't be: nothing is Ready elsewhere, the zone is closed, or somebody was quicker.
    """
    open_zones = Zone.objects.filter(pk=replica.zone_id, state=Zone.State.ACTIVE)
    with suppress(Conflict, IllegalTransition, IntegrityError), transaction.atomic():
        iso = Iso.objects.select_for_update(no_key=True).filter(pk=replica.iso_id).first()
        if iso is None or not open_zones.exists() or not reservations.is_held(replica.public_id):
            return False
        require_source(iso)
        move_replica(replica, ReplicaState.QUEUED, only_from=[ReplicaState.FAILED], error_code="", error_message="")
        audit.record(Event.Verb.RETRIED, iso, zone=replica.zone)
        enqueue(replica, Operation.Kind.COPY)
        return True
    return False


def healable() -> QuerySet[Replica]:
    """Lost and damaged replicas that `heal` may take up: another one is Ready, and nothing works on them."""
    ready = Replica.objects.filter(iso=OuterRef("iso"), state=ReplicaState.READY)
    held = Reservation.objects.filter(replica_ref=OuterRef("public_id"))
    lost = Replica.objects.filter(
        Exists(ready), Exists(held), state=ReplicaState.FAILED, error_code__in=LOSS_CODES, zone__state=Zone.State.ACTIVE
    )
    active = Operation.objects.filter(replica=OuterRef("pk"), state__in=ACTIVE_OPERATION)
    return lost.exclude(Exists(active)).select_related("iso", "zone")

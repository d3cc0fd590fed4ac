"""Where a copy reads from: a verified replica of the same ISO, chosen anew at every attempt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress

from django.db import transaction
from django.db.models import F, Q, QuerySet

from isos import audit
from isos.models import Event, Iso, Operation, Replica
from isos.operations.engine import Job
from isos.operations.moves import move_replica
from isos.states import IllegalTransition, OperationState, ReplicaState
from portal.kernel.errors import Conflict, PortalError
from zones.models import Zone
from zones.stores.base import ObjectMissing, StoreError


class NoGoodCopy(PortalError):
    """Nothing verified is left that could be copied. Final."""

    code = "no_good_copy"
    status = 409
    default_message = "No zone holds a good copy of this ISO any more. Delete it, then upload or import it again."


class SourceUnreadable(StoreError):
    """The zones that hold the ISO can't be read now; they may be later."""

    code = "source_unreadable"
    status = 503

    @classmethod
    def of(cls, replicas: Collection[Replica]) -> SourceUnreadable:
        names = " and ".join(sorted(replica.zone.name for replica in replicas))
        return cls(f"The ISO can't be read from {names} right now, so it can't be copied. Try again later.")


class ReplicaMissing(PortalError):
    """A Ready replica's bytes are gone."""

    code = "replica_missing"

    @classmethod
    def of(cls, replica: Replica) -> ReplicaMissing:
        return cls(
            f"The file is no longer in the storage of {replica.zone}. Choose Retry to copy it here again from "
            "another zone, or delete it here."
        )


class ReplicaDamaged(PortalError):
    """A Ready replica's bytes are not those that were verified."""

    code = "replica_damaged"

    @classmethod
    def of(cls, replica: Replica) -> ReplicaDamaged:
        return cls(
            f"The file was damaged in the storage of {replica.zone}: it is not what was verified there. Choose Retry "
            "to copy it here again from another zone, or delete it here."
        )


class SourceFailed(Exception):
    """Raised inside a copy: this source won't do, another one may. Never shown."""

    def __init__(self, trouble: StoreError | ReplicaDamaged) -> None:
        super().__init__(trouble.code)
        self.trouble = trouble


def require_source(iso: Iso) -> None:
    """Raises Conflict where no zone holds the ISO ready to be copied. Call with the ISO's row locked."""
    if not iso.replicas.filter(state=ReplicaState.READY).exists():
        raise Conflict("No zone holds this ISO ready to be copied. Wait until it is Ready in one.")


def candidates(iso: Iso) -> QuerySet[Replica]:
    """Replicas that were verified. One that is being deleted counts: its delete waits (see runners.delete)."""
    usable = Q(state=ReplicaState.READY) | Q(state=ReplicaState.DELETING, verified_at__isnull=False)
    return Replica.objects.filter(usable, iso=iso).select_related("iso", "zone")


def choose(target: Replica, besides: Collection[int]) -> Replica | None:
    """The best source for `target`, None where there is none. `besides` are primary keys of those that failed.

    Those that stay come first, then zones that are active, then the same kind of storage, between
    which bytes travel fastest, then the zone with the least to do.
    """
    found = [replica for replica in candidates(target.iso).exclude(pk=target.pk) if replica.pk not in besides]
    busy = _busy()

    def rank(replica: Replica) -> tuple[object, ...]:
        zone = replica.zone
        return (
            replica.state != ReplicaState.READY,
            zone.state == Zone.State.DISABLED,
            not zone.is_active,
            zone.backend != target.zone.backend,
            busy[zone.pk],
            zone.position,
            replica.pk,
        )

    return min(found, key=rank, default=None)


def _busy() -> Counter[int]:
    """How many running operations read or write in each zone."""
    running = Operation.objects.filter(state=OperationState.RUNNING)
    counts: Counter[int] = Counter(running.values_list("zone_id", flat=True))
    counts.update(zone for zone in running.exclude(source=None).values_list(F("source_id"), flat=True) if zone)
    return counts


def mark_bad(job: Job, source: Replica, trouble: PortalError) -> None:
    """A Ready replica that is not good any more turns Failed. What is left of its bytes stays until it is deleted."""
    error = ReplicaMissing.of(source) if isinstance(trouble, ObjectMissing) else ReplicaDamaged.of(source)
    with suppress(IllegalTransition), transaction.atomic():  # else it is being deleted: no harm done
        job.beat()
        move_replica(
            source,
            ReplicaState.FAILED,
            only_from=[ReplicaState.READY],
            verified_at=None,
            error_code=error.code,
            error_message=error.message,
        )
        audit.record(Event.Verb.DAMAGED, source.iso, audit.PORTAL, zone=source.zone, reason=error.message)

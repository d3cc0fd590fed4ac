"""Copy a Ready ISO into further zones: rows and quota for all of them first, then one operation each."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from isos import audit
from isos.actions.permissions import require, require_active
from isos.models import Event, Iso, Operation, Replica
from isos.operations.queue import enqueue
from isos.operations.sources import require_source
from isos.states import ACTIVE_OPERATION, ReplicaState
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict, InvalidInput
from quotas import reservations
from zones.models import Zone


class CopyRefused(InvalidInput):
    """Some of the chosen zones can't take a copy; nothing was started. `problems`: a sentence for each zone's slug."""

    code = "copy_refused"

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(" ".join(problems.values()), field="zones")
        self.problems = problems


def copy_to_zones(actor: audit.Actor, iso: Iso, zones: Iterable[Zone]) -> list[Operation]:
    """Start one copy per zone, all of them or none. Returns their operations in the order of `zones`.

    A zone that is being copied to already contributes the operation it has: a second click
    changes nothing. Raises NotAllowed, InvalidInput without a zone, CopyRefused, OverQuota, or
    Conflict where the ISO is Ready nowhere.
    """
    require(actor, Right.COPY, iso)
    chosen = list({zone.pk: zone for zone in zones}.values())
    if not chosen:
        raise InvalidInput("Select at least one zone.", field="zones")
    with transaction.atomic():
        reservations.lock_accounts([iso.account])  # the lock order: accounts come first, then the ISO
        current = Iso.objects.select_for_update(no_key=True).filter(pk=iso.pk).first()
        if current is None:
            raise Conflict("This ISO was deleted meanwhile. Reload the page.")
        require_source(current)
        running = _running(current, chosen)
        _begin(actor, current, [zone for zone in chosen if zone.pk not in running], running)
    return [running[zone.pk] for zone in chosen]


def _running(iso: Iso, zones: list[Zone]) -> dict[int, Operation]:
    """Copies under way, by zone. Raises CopyRefused where a zone can take none."""
    active = Operation.objects.filter(replica__iso=iso, state__in=ACTIVE_OPERATION, kind=Operation.Kind.COPY)
    running = {operation.zone_id: operation for operation in active.filter(is_doomed=False)}
    there = {replica.zone_id: replica for replica in iso.replicas.filter(zone__in=zones)}
    problems = {}
    for zone in zones:
        replica = there.get(zone.pk)
        if replica is not None and (zone.pk not in running or replica.state == ReplicaState.DELETING):
            problems[zone.slug] = _why_not(zone, ReplicaState(replica.state))
        elif replica is None and (problem := _closed(zone)):
            problems[zone.slug] = problem
    if problems:
        raise CopyRefused(problems)
    return running


def _why_not(zone: Zone, state: ReplicaState) -> str:
    if state == ReplicaState.READY:
        return f"{zone} holds this ISO already. Choose another zone."
    if state == ReplicaState.FAILED:
        return f"The last try in {zone} failed. Choose Retry there, or delete it there first."
    if state == ReplicaState.DELETING:
        return f"The ISO is still being deleted from {zone}. Try again when that is done."
    return f"{zone} is receiving this ISO already. Choose another zone."


def _closed(zone: Zone) -> str:
    try:
        require_active(zone)
    except InvalidInput as error:
        return error.message
    return ""


def _begin(actor: audit.Actor, iso: Iso, zones: list[Zone], running: dict[int, Operation]) -> None:
    """Quota, rows, operation and event for each of `zones`; adds the operations to `running`."""
    if not zones:
        return
    replicas = [Replica(iso=iso, zone=zone) for zone in zones]
    references = [replica.public_id for replica in replicas]
    reservations.reserve_copies(iso.account, iso_ref=iso.public_id, replica_refs=references, size=iso.size or 0)
    for replica in replicas:
        replica.save()
        running[replica.zone_id] = enqueue(replica, Operation.Kind.COPY)
        audit.record(Event.Verb.COPY_STARTED, iso, actor, zone=replica.zone)

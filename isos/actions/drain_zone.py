"""Empty a zone: see that every ISO in it is Ready elsewhere, then take it away here.

Each step looks at the rows as they are, so a drain may be broken off, run again, and run twice at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.db.models import QuerySet, Sum

from isos import audit
from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import CONFIRMATION, delete_from_zones
from isos.actions.retry import retry
from isos.models import Event, Iso, Operation, Replica
from isos.operations.queue import enqueue
from isos.operations.sources import require_source
from isos.states import ACTIVE_OPERATION, UNFINISHED_REPLICA, ReplicaState
from portal.kernel.errors import Conflict, PortalError
from quotas import reservations
from quotas.errors import OverQuota
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import StoreError
from zones.stores.probing import in_words

BATCH = 200


class Standing(StrEnum):
    """How far a replica of the zone is."""

    SAFE = "safe elsewhere"
    COPYING = "being copied"
    REFUSED = "can't be copied"
    ARRIVING = "still arriving"
    FAILED = "failed here, Ready nowhere"
    LEAVING = "being deleted"


@dataclass(frozen=True)
class Step:
    """Where one replica stands; `sentence` says why it can't be copied."""

    replica: Replica
    standing: Standing
    sentence: str = ""


class Drain:
    """Emptying `zone` into `targets`.

    An ISO is safe once it is Ready in one of `safe_in`. With `beyond_quota` an ISO is copied also where the quota of
    its account is used up: the account is above its limit then until the replica here is deleted. Copies that fail
    are tried once in each target.
    """

    def __init__(
        self, zone: Zone, targets: Sequence[Zone], *, safe_in: Collection[Zone], beyond_quota: bool = False
    ) -> None:
        self.zone = zone
        self._targets = targets
        self._safe_in = {each.pk for each in safe_in}
        self._beyond_quota = beyond_quota
        self._tried: set[tuple[int, int]] = set()
        self._refused: dict[int, str] = {}
        self._load = _stored_bytes(targets)

    def steps(self) -> Iterator[Step]:
        """Every replica of the zone, after what can be done for it was started."""
        last = 0
        while batch := list(self._replicas().filter(pk__gt=last).order_by("pk")[:BATCH]):
            for replica in batch:
                yield self._step(replica)
            last = batch[-1].pk

    def _replicas(self) -> QuerySet[Replica]:
        here = Replica.objects.filter(zone=self.zone).select_related("iso__account", "zone")
        return here.prefetch_related("iso__replicas__zone")

    def _step(self, replica: Replica) -> Step:
        states = {other.state for other in self._elsewhere(replica)}
        if replica.state == ReplicaState.DELETING:
            return Step(replica, Standing.LEAVING)
        if replica.state in UNFINISHED_REPLICA:
            return Step(replica, Standing.ARRIVING)
        if ReplicaState.READY in states:
            return Step(replica, Standing.SAFE)
        if states & set(UNFINISHED_REPLICA):
            return Step(replica, Standing.COPYING)
        if replica.state == ReplicaState.FAILED:
            return Step(replica, Standing.FAILED, replica.error_message)
        return self._begin(replica)

    def _elsewhere(self, replica: Replica) -> list[Replica]:
        return [other for other in replica.iso.replicas.all() if other.zone_id in self._safe_in]

    # --- copying ----------------------------------------------------------------------

    def _begin(self, replica: Replica) -> Step:
        """Start a copy into the target with the fewest bytes that has not failed yet."""
        iso = replica.iso
        if iso.pk in self._refused:
            return Step(replica, Standing.REFUSED, self._refused[iso.pk])
        there = {other.zone_id: other for other in iso.replicas.all()}
        sentence = "No other zone can take it."
        # Zones without a trace of it first; what failed in one before this drain may be tried again.
        for target in sorted(self._targets, key=lambda zone: (zone.pk in there, self._load[zone.pk], zone.position)):
            old = there.get(target.pk)
            if (iso.pk, target.pk) in self._tried:
                sentence = old.error_message if old and old.error_message else sentence
                continue
            self._tried.add((iso.pk, target.pk))
            try:
                self._copy(iso, target, old)
            except OverQuota as error:
                sentence = f"Account {iso.account}: {error.message}"
                break
            except PortalError as error:  # this zone can't take it, another one may
                sentence = error.message
            else:
                self._load[target.pk] += iso.size or 0
                return Step(replica, Standing.COPYING)
        self._refused[iso.pk] = sentence
        return Step(replica, Standing.REFUSED, sentence)

    def _copy(self, iso: Iso, target: Zone, old: Replica | None) -> None:
        actor = audit.Actor(operates_for=iso.account)
        if old is not None and old.state == ReplicaState.FAILED:
            retry(actor, old)
            return
        try:
            copy_to_zones(actor, iso, [target])
        except OverQuota:
            if not self._beyond_quota:
                raise
            _copy_beyond_quota(actor, iso, target)

    # --- deleting ---------------------------------------------------------------------

    def remove(self, replica: Replica) -> str:
        """Start the delete of a replica that is safe elsewhere. "", or the sentence why it stays.

        Rows alone are not believed: the other file must be there, in its full size.
        """
        sentence = "It is not Ready elsewhere any more."
        for keeper in self._elsewhere(replica):
            if keeper.state == ReplicaState.READY:
                sentence = _trouble_with(keeper, replica.iso)
                if not sentence and _delete(replica, keeper):
                    return ""
        return sentence


def _copy_beyond_quota(actor: audit.Actor, iso: Iso, target: Zone) -> None:
    """What copy_to_zones does, for an account without room: the operator's word stands above its limits."""
    with transaction.atomic():
        reservations.lock_accounts([iso.account])
        current = Iso.objects.select_for_update(no_key=True).filter(pk=iso.pk).first()
        if current is None or current.replicas.filter(zone=target).exists():
            raise Conflict("This ISO changed meanwhile. Run this again.")
        require_source(current)
        replica = Replica(iso=current, zone=target)
        reservations.reserve_copies(
            iso.account,
            iso_ref=iso.public_id,
            replica_refs=[replica.public_id],
            size=current.size or 0,
            beyond_limits=True,
        )
        replica.save()
        enqueue(replica, Operation.Kind.COPY)
        audit.record(Event.Verb.COPY_STARTED, current, actor, zone=target)


def _trouble_with(keeper: Replica, iso: Iso) -> str:
    """Why the other replica can't be relied on now, or ""."""
    try:
        found = open_store(keeper.zone).size(keeper.key)
    except StoreError as error:
        return f"It is not deleted here, because its copy in {keeper.zone} could not be looked at. {in_words(error)}"
    if found != iso.size:
        return f"It is not deleted here, because its copy in {keeper.zone} is damaged. Run manage.py reconcile --fix."
    return ""


def _delete(replica: Replica, keeper: Replica) -> bool:
    """Delete the replica while the keeper is Ready, which the locks keep true until the delete is written down."""
    with transaction.atomic():
        list(Operation.objects.select_for_update().filter(replica=replica, state__in=ACTIVE_OPERATION))
        iso = Iso.objects.select_for_update(no_key=True).filter(pk=replica.iso_id).first()
        locked = Replica.objects.select_for_update(no_key=True).filter(pk__in=[replica.pk, keeper.pk]).order_by("pk")
        states = dict(locked.values_list("pk", "state"))
        mine = states.get(replica.pk)
        if iso is None or states.get(keeper.pk) != ReplicaState.READY:
            return False
        if mine in (ReplicaState.READY, ReplicaState.FAILED):
            actor = audit.Actor(operates_for=replica.iso.account)
            delete_from_zones(actor, iso, [replica], confirmation=CONFIRMATION)
        return True


def _stored_bytes(zones: Sequence[Zone]) -> Counter[int]:
    """Bytes of the ISOs in each zone, also of those on their way: to fill zones evenly."""
    rows = (
        Replica.objects.filter(zone__in=zones).order_by().values("zone_id").annotate(size=Sum("iso__size", default=0))
    )
    return Counter({row["zone_id"]: row["size"] for row in rows})

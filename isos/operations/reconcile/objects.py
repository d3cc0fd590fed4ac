"""One zone's store against its rows.

Rows are read after the objects that they are compared with: a replica's row is there before its first byte and goes
after its last one, so an object without a row is nobody's. What looks wrong is looked at again at once, because an
object may go between the listing and the reading of its row. Memory stays small however much is stored: the store is
listed as a stream, rows are read in batches, and which replicas were seen is one bit each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from django.utils import timezone

from isos.models import Replica
from isos.operations.reconcile import repairs
from isos.operations.reconcile.batches import batched, by_key
from isos.operations.reconcile.findings import Finding, Kind
from isos.operations.reconcile.ownership import is_probe, owned_tokens, replica_id, replicas_by_key, token_id
from isos.states import ReplicaState
from portal.kernel.text import human_bytes
from zones.models import Zone
from zones.stores.base import ObjectInfo, ObjectMissing, Store
from zones.stores.leftovers import is_staged

PROBE_AGE = timedelta(minutes=10)  # a test of a zone takes seconds, and has no row that tells whether it goes on


class Comparison:
    """Compares one zone. `objects`, `ready` and `staged` count what there was, once `findings` has ended."""

    def __init__(self, zone: Zone, store: Store, min_age: timedelta) -> None:
        self.objects = self.ready = self.staged = 0
        self._zone = zone
        self._store = store
        self._min_age = min_age
        self._now = timezone.now()
        self._seen = bytearray()

    def findings(self) -> Iterator[Finding]:
        """Every disagreement. Raises a StoreError where the storage is away; what came before that holds."""
        yield from self._listed()
        yield from self._unseen()
        yield from self._staged()

    def _is_young(self, info: ObjectInfo, least: timedelta = timedelta(0)) -> bool:
        """Whether hands are kept off. An age of 0 asks no clock: that of a storage may differ from ours."""
        age = max(self._min_age, least)
        return bool(age) and info.modified > self._now - age

    def _finding(self, kind: Kind, about: str, detail: str) -> Finding:
        return Finding(kind, self._zone.slug, about, detail)

    # --- committed objects ------------------------------------------------------------

    def _listed(self) -> Iterator[Finding]:
        for batch in batched(chain(self._store.list("isos/"), self._store.list("probe/"))):
            self.objects += len(batch)
            replicas = replicas_by_key(self._zone, [info.key for info in batch])
            for info in batch:
                replica = replicas.get(info.key)
                if replica is None:
                    yield from self._nobodys(info)
                    continue
                self._see(replica.pk)
                if replica.state == ReplicaState.READY and info.size != replica.iso.size:
                    yield from self._lost(replica)

    def _nobodys(self, info: ObjectInfo) -> Iterator[Finding]:
        probe = is_probe(info.key)
        if self._is_young(info, PROBE_AGE if probe else timedelta(0)):
            return
        if not probe and replica_id(info.key) is None:
            words = f"no name that the portal makes; {_age(info)}. Look at it yourself"
            yield self._finding(Kind.FOREIGN, info.key, words)
            return
        try:
            self._store.size(info.key)
        except ObjectMissing:
            return  # its delete ended between the two looks
        owner = "left by a test of the storage" if probe else "no replica names it"
        finding = self._finding(Kind.ORPHANED, info.key, f"{owner}; {_age(info)}")
        finding.fix = partial(repairs.delete_orphan, self._zone, self._store, info.key)
        yield finding

    def _unseen(self) -> Iterator[Finding]:
        """Ready replicas that were not listed: perhaps lost, perhaps only newer than the list."""
        rows = Replica.objects.filter(zone=self._zone, state=ReplicaState.READY).select_related("iso", "zone")
        for replica in by_key(rows):
            self.ready += 1
            if not self._was_seen(replica.pk):
                yield from self._lost(replica)

    def _lost(self, replica: Replica) -> Iterator[Finding]:
        """Missing or of a wrong size, if the second look says so too."""
        if loss := repairs.look(self._store, replica):
            kind, detail = loss
            finding = self._finding(kind, replica.key, f"“{replica.iso.name}”: {detail}")
            finding.fix = partial(repairs.repair, self._store, replica.pk, replica.verified_at)
            yield finding

    def _see(self, pk: int) -> None:
        if pk // 8 >= len(self._seen):
            self._seen.extend(bytes(pk // 8 + 1 - len(self._seen)))
        self._seen[pk // 8] |= 1 << pk % 8

    def _was_seen(self, pk: int) -> bool:
        return pk // 8 < len(self._seen) and bool(self._seen[pk // 8] >> pk % 8 & 1)

    # --- staged objects ---------------------------------------------------------------

    def _staged(self) -> Iterator[Finding]:
        for batch in batched(self._store.list_staged()):
            self.staged += len(batch)
            owned = owned_tokens(self._zone, [info.key for info in batch])
            for info in batch:
                if info.key not in owned:
                    yield from self._stale(info)

    def _stale(self, info: ObjectInfo) -> Iterator[Finding]:
        probe = is_probe(info.key)
        if self._is_young(info, PROBE_AGE if probe else timedelta(0)):
            return
        if not probe and token_id(info.key) is None:
            words = f"staged under no name that the portal makes; {_age(info)}. Look at it yourself"
            yield self._finding(Kind.FOREIGN, info.key, words)
        elif is_staged(self._store, info.key):  # else it was committed or given back between the two looks
            finding = self._finding(Kind.STALE, info.key, f"nothing goes on with it; {_age(info)}")
            finding.fix = partial(repairs.discard_stale, self._zone, self._store, info.key)
            yield finding


def _age(info: ObjectInfo) -> str:
    return f"{human_bytes(info.size)}, last written {_utc(info.modified)}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

"""What is done about objects that disagree with their rows. Each looks again before it touches anything.

No look at a store is made while rows are locked: a storage that hangs would hold up everybody who wants them. What
is written names the state that the row had before the look, so that whoever changed it meanwhile wins.
"""

from __future__ import annotations

from datetime import datetime

from isos.models import Replica
from isos.operations.damage import unchanged, write_down
from isos.operations.reconcile.findings import NOTHING_LEFT, Kind, Outcome
from isos.operations.reconcile.ownership import owned_tokens, replicas_by_key
from isos.operations.rehash import Checked, Pace, Verdict, mend
from isos.operations.sources import ReplicaDamaged, ReplicaMissing
from isos.states import ReplicaState
from zones.models import Zone
from zones.stores.base import ObjectMissing, Store
from zones.stores.leftovers import discard_staged


def look(store: Store, replica: Replica) -> tuple[Kind, str] | None:
    """How the bytes of a replica that was read as Ready disagree with its row; None where they do not.

    The row is looked at after the object: what is deleted or copied here anew meanwhile is not lost.
    """
    try:
        size = store.size(replica.key)
    except ObjectMissing:
        loss = Kind.MISSING, "the storage has no such file"
    else:
        if size == replica.iso.size:
            return None
        loss = Kind.WRONG_SIZE, f"the file has {size} bytes instead of {replica.iso.size}"
    return loss if unchanged(replica).exists() else None


def repair(store: Store, pk: int, verified_at: datetime | None) -> Outcome:
    """A lost replica turns Failed, and is copied here again where another one proves good when it is read."""
    rows = Replica.objects.filter(pk=pk, state=ReplicaState.READY, verified_at=verified_at)
    replica = rows.select_related("iso", "zone").first()
    loss = look(store, replica) if replica else None
    if replica is None or loss is None:
        return NOTHING_LEFT
    error = ReplicaMissing.of(replica) if loss[0] == Kind.MISSING else ReplicaDamaged.of(replica)
    if not write_down(replica, error):
        return NOTHING_LEFT
    lost, *_ = mend([Checked(replica, Verdict.LOST)], Pace(), _ignore)
    if lost.healing:
        return Outcome("marked as failed; it is being copied again from a good copy")
    return Outcome(
        "marked as failed; not copied again: no good copy could be read elsewhere, or the zone is closed", True
    )


def delete_orphan(zone: Zone, store: Store, key: str) -> Outcome:
    """Ids are made anew each time, so a key that once was nobody's is nobody's for good."""
    if replicas_by_key(zone, [key]):
        return NOTHING_LEFT
    store.delete(key)
    return Outcome("deleted")


def discard_stale(zone: Zone, store: Store, token: str) -> Outcome:
    """Give back what is staged, looking at the rows while nobody else can write to it."""

    def is_unowned() -> bool:
        return not owned_tokens(zone, [token])

    # Looked at before as well: opening it may take it from its writer on another machine.
    if is_unowned() and discard_staged(store, token, is_unowned):
        return Outcome("given back")
    return NOTHING_LEFT


def _ignore(replica: Replica, done: int) -> None:
    """Nobody watches the reading."""

"""Replicas against their reservations. What is wrong is put right through quotas.reservations, their sole writer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery

from isos.models import Iso, Operation, Replica, UrlImport
from isos.operations.damage import LOSS_CODES
from isos.operations.reconcile.batches import by_key
from isos.operations.reconcile.findings import NOTHING_LEFT, Finding, Kind, Outcome
from isos.operations.verifying import begin_usage
from isos.states import ACTIVE_OPERATION, ReplicaState, UploadState
from portal.accounts.models import Account
from portal.kernel.text import human_bytes
from quotas import reservations
from quotas.models import Reservation
from zones.models import Zone

_HELD, _USED = Reservation.State.HELD, Reservation.State.USED
_COUNTED = ("bytes", "state", "account", "iso_ref")


@dataclass(frozen=True)
class Due:
    """What must be reserved for a replica. None in `size` (bytes) and in `state` means whatever was written."""

    source: Reservation.Source
    size: int | None = None
    state: Reservation.State | None = None


def findings(zones: list[Zone] | None) -> Iterator[Finding]:
    """Disagreements of the replicas in `zones`; None stands for all, and for reservations of no replica too."""
    rows = _rows() if zones is None else _rows().filter(zone__in=zones)
    for replica in by_key(rows.exclude(state=ReplicaState.DELETING)):
        if wrong := _wrong(replica):
            kind, detail = wrong
            about, fix = str(replica.public_id), partial(_put_right, replica.pk)
            yield Finding(kind, replica.zone.slug, about, f"“{replica.iso.name}”: {detail}", fix)
    if zones is None:
        yield from _unused()


# --- replicas -------------------------------------------------------------------------


def _rows() -> QuerySet[Replica]:
    """Replicas with all that tells what they may count, read in one statement, so at one moment."""
    held = Reservation.objects.filter(replica_ref=OuterRef("public_id"))
    counted: dict[str, Any] = {f"counted_{name}": Subquery(held.values(name)[:1]) for name in _COUNTED}
    return Replica.objects.select_related("iso__account", "zone").annotate(
        **counted,
        is_fetched=Exists(UrlImport.objects.filter(replica=OuterRef("pk"))),
        is_worked_on=Exists(Operation.objects.filter(replica=OuterRef("pk"), state__in=ACTIVE_OPERATION)),
        upload_state=F("upload__state"),
        upload_length=F("upload__length"),
    )


def _due(replica: Any) -> Due | None:
    """What must be reserved; None where nothing has to be.

    Until it is Ready a fetched file counts what was found out about it, and so do those that wait for it.
    """
    iso, state = replica.iso, replica.state
    copied = Due(Reservation.Source.COPY, iso.size or 0)
    if state == ReplicaState.READY or (state == ReplicaState.FAILED and replica.error_code in LOSS_CODES):
        source = copied.source if replica.upload_state is None else Reservation.Source.UPLOAD
        return Due(Reservation.Source.FETCH if replica.is_fetched else source, iso.size or 0, _USED)
    if state == ReplicaState.FAILED and replica.upload_state != UploadState.RECEIVED:
        return None
    if state == ReplicaState.WAITING:
        return Due(Reservation.Source.COPY, state=_HELD)
    if iso.ready_at is not None:  # held, or used still from before it was lost here
        return copied if state != ReplicaState.FAILED else None
    if replica.is_fetched:
        return Due(Reservation.Source.FETCH, state=_HELD)
    return Due(Reservation.Source.UPLOAD, replica.upload_length, _HELD)


def _wrong(replica: Any) -> tuple[Kind, str] | None:
    due = _due(replica)
    if replica.counted_bytes is None:
        return (Kind.RESERVATION_MISSING, f"nothing counts for it, which is {replica.state}") if due else None
    if replica.counted_account != replica.iso.account_id or replica.counted_iso_ref != replica.iso.public_id:
        return Kind.RESERVATION_WRONG, "it counts for another account or another ISO"
    if due is None:
        words = "it failed and kept nothing, but counts still"
        return (Kind.RESERVATION_WRONG, words) if _counts_for_nothing(replica) else None
    if due.size is not None and replica.counted_bytes != due.size:
        words = f"{human_bytes(replica.counted_bytes)} count for it instead of {human_bytes(due.size)}"
        return Kind.RESERVATION_WRONG, f"{words} ({replica.counted_bytes} and {due.size} bytes)"
    if due.state is not None and replica.counted_state != due.state:
        return Kind.RESERVATION_WRONG, f"it counts as {replica.counted_state} instead of {due.state}"
    return None


def _counts_for_nothing(replica: Any) -> bool:
    """A failed upload whose bytes are gone. Imports and copies that failed may keep theirs until they expire."""
    expires = replica.is_fetched or replica.iso.ready_at is not None or replica.upload_state == UploadState.RECEIVING
    return not expires and not replica.is_worked_on


def _put_right(pk: int) -> Outcome:
    with transaction.atomic():
        replica = _locked(pk)
        if replica is None or not _wrong(replica):
            return NOTHING_LEFT
        due = _due(replica)
        if due is None and not _counts_for_nothing(replica):
            due = Due(Reservation.Source.COPY if replica.iso.ready_at else Reservation.Source.UPLOAD)
        if due is None or _is_beyond_correction(replica, due):
            reservations.release(replica.public_id)
        if due is None:
            return Outcome("released")
        size = due.size if due.size is not None else (replica.counted_bytes or replica.iso.size or 0)
        reservations.correct(
            replica.iso.account,
            iso_ref=replica.iso.public_id,
            replica_ref=replica.public_id,
            size=size,
            source=due.source,
            is_used=due.state == _USED,
        )
        if replica.state == ReplicaState.READY:
            begin_usage(replica, size)
    return Outcome("put right")


def _is_beyond_correction(replica: Any, due: Due) -> bool:
    """Whether it must be made anew: `correct` writes bytes, and turns held into used only."""
    mine = replica.counted_account == replica.iso.account_id and replica.counted_iso_ref == replica.iso.public_id
    return not mine or (due.state == _HELD and replica.counted_state == _USED)


def _locked(pk: int) -> Any:
    """The row of `_rows` as it is now, with its locks in the lock order; None where it is gone or being deleted."""
    before = _rows().filter(pk=pk).first()
    if before is None:
        return None
    counted: int | None = before.counted_account  # type: ignore[attr-defined]
    owners = {before.iso.account_id, counted or before.iso.account_id}
    reservations.lock_accounts(Account.objects.filter(pk__in=owners))
    Iso.objects.select_for_update(no_key=True).filter(pk=before.iso_id).first()
    Replica.objects.select_for_update(no_key=True).filter(pk=pk).first()
    return _rows().filter(pk=pk).exclude(state=ReplicaState.DELETING).first()


# --- reservations of no replica -------------------------------------------------------


def _unused() -> Iterator[Finding]:
    replica = Replica.objects.filter(public_id=OuterRef("replica_ref"))
    for row in by_key(Reservation.objects.exclude(Exists(replica)).select_related("account")):
        detail = f"{human_bytes(row.bytes)} {row.state} for {row.account}"
        fix = partial(_release, row.replica_ref)
        yield Finding(Kind.RESERVATION_UNUSED, "", str(row.replica_ref), detail, fix)


def _release(replica_ref: UUID) -> Outcome:
    """Both rows are made in one transaction and ids are never used again, so no replica can turn up behind this."""
    with transaction.atomic():
        if Replica.objects.filter(public_id=replica_ref).exists() or not reservations.is_held(replica_ref):
            return NOTHING_LEFT
        reservations.release(replica_ref)
    return Outcome("released")

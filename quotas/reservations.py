"""The sole writer of reservations: what makes a quota hold while many act at once.

Which lock protects what:

- The **Account row** protects its sums from growing past a limit. `reserve` and `resize` lock
  it before they count and keep it until the transaction ends, so that between counting and
  committing nobody else adds. The lock is FOR NO KEY UPDATE, not FOR UPDATE: whoever commits a
  row that merely refers to the Account (an Event, an Iso) takes FOR KEY SHARE on it. If that
  waited, it could wait for one who in turn wants a Replica that it holds itself.
- `settle` and `release` take no such lock, because the sums only shrink by them: a reserve
  beside them counts the row or does not, and either way stays within the limit. Their single
  statement locks the **Reservation row** alone, so they may come last in a transaction that
  already holds rows of the library.
- SQLite has one writer at a time. With transaction_mode IMMEDIATE (checked by quotas.E002) the
  transaction is that writer from BEGIN on, which is the same protection for everything.

Lock order: Accounts first and sorted (`lock_accounts`), then rows of the library, then
reservations. So `reserve` and `resize` come before any conditional UPDATE of an Iso, Replica
or Operation that others may want too. The counts are read after the lock is granted and must
see what was committed before: READ COMMITTED, Django's default (quotas.E002 again).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import connection
from django.db.transaction import TransactionManagementError

from portal.accounts.models import Account
from quotas import usage_spans
from quotas.errors import IsoTooLarge, NotReserved, OverQuota, OverStorage, TooManyIsos, TooManyUploads
from quotas.models import Reservation
from quotas.usage import Limits, QuotaOverview, Usage, limits_of, overview, usage_of

__all__ = [
    "IsoTooLarge",
    "Limits",
    "NotReserved",
    "OverQuota",
    "OverStorage",
    "QuotaOverview",
    "TooManyIsos",
    "TooManyUploads",
    "Usage",
    "check",
    "correct",
    "held_bytes",
    "is_held",
    "limits_of",
    "lock_accounts",
    "overview",
    "release",
    "reserve",
    "reserve_copies",
    "resize",
    "settle",
    "usage_of",
]


def reserve(
    account: Account,
    *,
    iso_ref: UUID,
    replica_ref: UUID,
    size: int,
    source: Reservation.Source,
    copies: Collection[UUID] = (),
) -> Reservation:
    """Hold `size` bytes for a new replica, 0 where its size is not known yet; else raise OverQuota.

    `copies` are further replicas of the ISO that are to be copied from it: as many bytes for each of them, or nothing
    for any. A further replica counts its bytes, but no further ISO. A replica that has a reservation already can't
    get another one: IntegrityError, a fault of the caller.
    """
    lock_accounts([account])
    check(account, size=size, source=source, iso_ref=iso_ref, zones=1 + len(copies))
    first = Reservation.objects.create(
        account=account, iso_ref=iso_ref, replica_ref=replica_ref, bytes=size, source=source
    )
    _hold_copies(account, iso_ref, copies, size)
    return first


def reserve_copies(
    account: Account, *, iso_ref: UUID, replica_refs: Iterable[UUID], size: int, beyond_limits: bool = False
) -> None:
    """Hold `size` bytes for each of the new replicas of one ISO, or for none: then raises OverQuota.

    `beyond_limits` is an operator's word: it counts, but nothing stops it.
    """
    refs = list(replica_refs)
    lock_accounts([account])
    if not beyond_limits:
        limits = limits_of(account)
        _check_size(limits, size)
        _check_storage(limits, usage_of(account), size, 0, copies=len(refs))
    _hold_copies(account, iso_ref, refs, size)


def _hold_copies(account: Account, iso_ref: UUID, replica_refs: Iterable[UUID], size: int) -> None:
    Reservation.objects.bulk_create(
        Reservation(account=account, iso_ref=iso_ref, replica_ref=ref, bytes=size, source=Reservation.Source.COPY)
        for ref in replica_refs
    )


def resize(replica_ref: UUID, size: int) -> None:
    """The true size of a replica turned out to be `size` bytes.

    Growing is checked against the limits and raises OverQuota; shrinking is always allowed.
    Raises NotReserved when the reservation has been released meanwhile.
    """
    _require_size(size)
    _require_transaction()
    account = Account.objects.filter(reservations__replica_ref=replica_ref).first()
    if account is None:
        raise NotReserved
    lock_accounts([account])
    reserved = held_bytes(replica_ref)
    if reserved is None:
        raise NotReserved
    if size > reserved:
        limits = limits_of(account)
        _check_size(limits, size)
        _check_storage(limits, usage_of(account), size, reserved)
    if not Reservation.objects.filter(replica_ref=replica_ref).update(bytes=size):
        raise NotReserved  # released between the two statements, which needs no Account lock


def settle(replica_ref: UUID) -> None:
    """The replica is Ready: what was held is now used. Idempotent."""
    _require_transaction()
    held = Reservation.objects.filter(replica_ref=replica_ref, state=Reservation.State.HELD)
    held.update(state=Reservation.State.USED)


def correct(
    account: Account, *, iso_ref: UUID, replica_ref: UUID, size: int, source: Reservation.Source, is_used: bool
) -> None:
    """Make the reservation say what is there, whatever was written before and whatever the limits are. Idempotent.

    For the care of operators, where rows disagree: bytes that are stored count. `source` matters only where there is
    no reservation yet, and what is used stays used.
    """
    _require_size(size)
    lock_accounts([account])
    state = {"state": Reservation.State.USED} if is_used else {}
    if not Reservation.objects.filter(replica_ref=replica_ref).update(bytes=size, **state):
        Reservation.objects.create(
            account=account, iso_ref=iso_ref, replica_ref=replica_ref, bytes=size, source=source, **state
        )


def release(replica_ref: UUID) -> None:
    """The replica is gone, and its quota is free again; its usage ends. Idempotent."""
    _require_transaction()
    Reservation.objects.filter(replica_ref=replica_ref).delete()
    usage_spans.end(replica_ref)


def is_held(replica_ref: UUID) -> bool:
    """Whether anything is reserved for the replica."""
    return Reservation.objects.filter(replica_ref=replica_ref).exists()


def held_bytes(replica_ref: UUID) -> int | None:
    """How many bytes are reserved for the replica; None where nothing is."""
    return Reservation.objects.filter(replica_ref=replica_ref).values_list("bytes", flat=True).first()


def check(
    account: Account, *, size: int, source: Reservation.Source, iso_ref: UUID | None = None, zones: int = 1
) -> None:
    """Raise what `reserve` would raise now, without writing: for forms and pre-flight checks.

    Nothing is held by it; only `reserve` decides. `iso_ref` names an ISO that may exist already, `zones` is in how
    many zones the new one is to be.
    """
    _require_size(size)
    limits = limits_of(account)
    usage = usage_of(account)
    _check_size(limits, size)
    if source == Reservation.Source.UPLOAD and usage.uploads >= limits.max_uploads:
        raise TooManyUploads.of(usage.uploads, limits.max_uploads)
    if usage.isos >= limits.max_isos and not _counted_already(account, iso_ref):
        raise TooManyIsos.of(usage.isos, limits.max_isos)
    _check_storage(limits, usage, size, 0)
    if zones > 1 and usage.bytes + size * zones > limits.max_bytes:
        raise OverStorage.of_zones(size, zones, usage.bytes, limits.max_bytes)


def lock_accounts(accounts: Iterable[Account]) -> None:
    """Lock Accounts until the transaction ends, always in the same order, so that none waits in a circle.

    `reserve` and `resize` lock theirs by themselves. A transaction that calls them for several
    Accounts calls this first, with all of them.
    """
    _require_transaction()
    ids = {account.pk for account in accounts}
    rows = Account.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    if len(rows.values_list("pk", flat=True)) != len(ids):
        raise Account.DoesNotExist("The account was deleted.")


def _check_size(limits: Limits, size: int) -> None:
    if size > limits.max_iso_bytes:
        raise IsoTooLarge.of(size, limits.max_iso_bytes)


def _check_storage(limits: Limits, usage: Usage, size: int, reserved: int, *, copies: int = 1) -> None:
    """Whether a replica that counts `reserved` bytes may have `size`, or so many new ones each.

    An unknown size needs room for one byte at least: with none left it could only fail later.
    """
    others = usage.bytes - reserved
    if others + max(size, 1) * copies > limits.max_bytes:
        raise OverStorage.of(size * copies, others, limits.max_bytes, copies=copies)


def _counted_already(account: Account, iso_ref: UUID | None) -> bool:
    return iso_ref is not None and Reservation.objects.filter(account_id=account.pk, iso_ref=iso_ref).exists()


def _require_size(size: int) -> None:
    if size < 0:
        raise ValueError("A size can't be negative.")


def _require_transaction() -> None:
    """Quota and the rows it is held for change together, and a lock lives as long as its transaction."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("Reservations are written inside transaction.atomic() only.")

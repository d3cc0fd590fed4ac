"""Replicas that wait for their ISO to become Ready where its bytes arrive, to be copied from there.

A new ISO for several zones is received in one of them, by its upload or its import. Its replicas elsewhere are
`waiting` meanwhile: quota is held for them, but no operation works on them and no byte is theirs. They start with the
transaction that makes the ISO Ready, fail with the one that makes its arrival fail, and come back with its Retry.

Locks: the receiving replica's row comes before those that wait for it.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from isos import audit
from isos.models import Event, Iso, Operation, Replica
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.states import UNFINISHED_REPLICA, IllegalTransition, ReplicaState
from portal.kernel.errors import PortalError
from quotas import reservations
from quotas.errors import NotReserved, OverQuota

logger = logging.getLogger(__name__)

BATCH = 500
_RECEIVES = Q(upload__isnull=False) | Q(url_import__isnull=False)


class NotCopied(PortalError):
    """What this replica waited for has failed."""

    code = "not_copied"

    @classmethod
    def of(cls, receiver: Replica | None) -> NotCopied:
        if receiver is None:
            return cls("Not copied: there is nothing any more that it could be copied from. Delete it here.")
        return cls(f"Not copied: the {receiver.arrival} failed. Choose Retry there, and it is copied here afterwards.")


def receiver_of(iso: Iso) -> Replica | None:
    """The replica in which the bytes of an ISO arrive that never was Ready; None where it is gone."""
    found: Replica | None = iso.replicas.filter(_RECEIVES).select_related("zone", "upload", "url_import").first()
    return found


def waiting_of(iso: Iso) -> QuerySet[Replica]:
    """Those that wait for `iso`, each with its rows as they are now."""
    return iso.replicas.filter(state=ReplicaState.WAITING).select_related("iso", "zone").order_by("pk")


def stranded() -> QuerySet[Replica]:
    """Waiting replicas for which nothing will come by itself: only the sweep helps them, and reconcile may say so.

    All other waiting replicas are well, although they have neither an operation nor an upload.
    """
    arriving = Replica.objects.filter(_RECEIVES, iso=OuterRef("iso"), state__in=UNFINISHED_REPLICA)
    arrived = Q(iso__ready_at__isnull=False)
    return Replica.objects.filter(arrived | ~Exists(arriving), state=ReplicaState.WAITING).select_related("iso", "zone")


# --- while the bytes arrive ----------------------------------------------------------------


def resize(iso: Iso, size: int) -> None:
    """The ISO turned out to have `size` bytes. Where the quota has no room for a copy, that zone fails and says so.

    Inside a transaction that holds no lock but the account's.
    """
    for replica in waiting_of(iso):
        try:
            with transaction.atomic():
                reservations.resize(replica.public_id, size)
        except OverQuota as error:
            _fail(replica, error)
        except NotReserved:
            continue  # cancelled meanwhile


def start(iso: Iso, size: int) -> None:
    """The ISO has become Ready with `size` bytes: copy it to where it is waited for.

    Inside the transaction that makes it Ready. A replica whose quota is not held for this size is left to the sweep,
    which may lock the account.
    """
    for replica in waiting_of(iso):
        if reservations.held_bytes(replica.public_id) == size:
            _start(replica)


def fail(receiver: Replica) -> None:
    """The bytes will not arrive: those that wait for them fail too, and give back their quota.

    Inside the transaction that writes the failure of `receiver`. Nothing where the ISO was Ready once.
    """
    iso = Iso.objects.get(pk=receiver.iso_id)
    if iso.ready_at is None and receiver_of(iso) == receiver:
        for replica in waiting_of(iso):
            _fail(replica, NotCopied.of(receiver))


# --- what was left behind ----------------------------------------------------------------------


def sweep() -> int:
    """Take up what waits for nothing any more. Returns how many replicas."""
    count = 0
    for replica in stranded()[:BATCH]:
        with transaction.atomic():
            reservations.lock_accounts([replica.iso.account])  # the lock order: accounts come first
            iso = Iso.objects.select_for_update(no_key=True).filter(pk=replica.iso_id).first()
            if iso is None or not stranded().filter(pk=replica.pk).exists():
                continue
            logger.warning("replica %s waited for nothing", replica.public_id)
            if iso.ready_at is None:
                _fail(replica, NotCopied.of(receiver_of(iso)))
            else:
                _start_in_size(replica, iso.size or 0)
            count += 1
    return count


def _start_in_size(replica: Replica, size: int) -> None:
    try:
        with transaction.atomic():
            reservations.resize(replica.public_id, size)
    except PortalError as error:
        _fail(replica, error)
    else:
        _start(replica)


def _start(replica: Replica) -> None:
    with suppress(IllegalTransition):  # cancelled meanwhile
        move_replica(replica, ReplicaState.QUEUED, only_from=[ReplicaState.WAITING])
        enqueue(replica, Operation.Kind.COPY)
        audit.record(Event.Verb.COPY_STARTED, replica.iso, zone=replica.zone)


def _fail(replica: Replica, error: PortalError) -> None:
    with suppress(IllegalTransition):
        move_replica(
            replica,
            ReplicaState.FAILED,
            only_from=[ReplicaState.WAITING],
            error_code=error.code,
            error_message=error.message,
        )
        audit.record(Event.Verb.FAILED, replica.iso, zone=replica.zone, reason=error.message)
        reservations.release(replica.public_id)

"""The sole writer of usage spans: when a replica began and ceased to take up storage.

Called in the very transactions that make replicas Ready and let them go, so that usage is what happened and not
what somebody looked at now and then. `reservations.release` ends the span by itself: whatever goes, goes through it.

What counts: from Ready until the bytes are gone, the time of a delete included, in which they are still there. A
replica that is found damaged or lost ceases to count at that moment, and begins anew when it is healed.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from portal.accounts.models import Account
from quotas.models import UsageSpan
from zones.models import Zone


def begin(
    account: Account,
    zone: Zone,
    *,
    iso_ref: UUID,
    iso_name: str,
    replica_ref: UUID,
    size: int,
    at: datetime | None = None,
) -> None:
    """The replica is Ready with `size` bytes, from `at` on, now by default. Idempotent; what was said else before ends.

    Whoever calls holds the replica's row, so that two of these never run beside each other.
    """
    _require_transaction()
    began = at or timezone.now()
    going_on = UsageSpan.objects.filter(replica_ref=replica_ref, ended_at=None)
    if going_on.filter(account=account, zone=zone, bytes=size).exists():
        return
    end(replica_ref, at=began)
    UsageSpan.objects.create(
        account=account, zone=zone, iso_ref=iso_ref, iso_name=iso_name, replica_ref=replica_ref, bytes=size,
        began_at=began,
    )  # fmt: skip


def end(replica_ref: UUID, *, at: datetime | None = None) -> None:
    """The replica is gone or found damaged. Idempotent, and nothing for one that never was Ready."""
    _require_transaction()
    # A clock that was set back meanwhile must not make a span of less than nothing.
    moment = Greatest(F("began_at"), at or timezone.now())
    UsageSpan.objects.filter(replica_ref=replica_ref, ended_at=None).update(ended_at=moment)


def renamed(iso_ref: UUID, name: str) -> None:
    """Let usage, also of the past, show the ISO by the name that its owner knows."""
    UsageSpan.objects.filter(iso_ref=iso_ref).update(iso_name=name)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise TransactionManagementError("Usage is written inside transaction.atomic() only.")

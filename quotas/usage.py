"""What an Account may use and what it uses. Reads only; see reservations.py for the writer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum

from portal.accounts.models import Account
from portal.kernel.text import percent
from quotas.models import QuotaLimit, Reservation

LIMIT_NAMES = ("max_isos", "max_bytes", "max_iso_bytes", "max_uploads")


@dataclass(frozen=True)
class Limits:
    """What holds for one Account. Sizes in bytes; `own` names the limits that are not the portal's defaults."""

    max_isos: int
    max_bytes: int
    max_iso_bytes: int
    max_uploads: int
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Usage:
    """What counts against the limits: everything reserved, whether Ready or still on its way.

    `isos` counts distinct ISOs, `bytes` every replica, `held_bytes` the part of `bytes` that
    is not Ready yet, `uploads` the uploads under way.
    """

    isos: int = 0
    bytes: int = 0
    held_bytes: int = 0
    uploads: int = 0


@dataclass(frozen=True)
class QuotaOverview:
    """Limits and usage side by side, for pages and commands. What remains is never negative."""

    limits: Limits
    usage: Usage

    @property
    def remaining_isos(self) -> int:
        return max(0, self.limits.max_isos - self.usage.isos)

    @property
    def remaining_bytes(self) -> int:
        return max(0, self.limits.max_bytes - self.usage.bytes)

    @property
    def remaining_uploads(self) -> int:
        return max(0, self.limits.max_uploads - self.usage.uploads)

    @property
    def largest_possible(self) -> int:
        """The largest ISO, in bytes, that would be taken now."""
        return min(self.limits.max_iso_bytes, self.remaining_bytes)

    @property
    def isos_percent(self) -> int:
        return percent(self.usage.isos, self.limits.max_isos)

    @property
    def bytes_percent(self) -> int:
        return percent(self.usage.bytes, self.limits.max_bytes)

    @property
    def is_full(self) -> bool:
        """Whether no further ISO would be taken, however small."""
        return not (self.remaining_isos and self.largest_possible)


def limits_of(account: Account) -> Limits:
    """The Account's own limits, the portal's defaults where it has none. One query, never cached."""
    return _limits(QuotaLimit.objects.filter(account_id=account.pk).first())


def usage_of(account: Account) -> Usage:
    """What the Account uses now. One query, served by the index `reservation_usage` alone."""
    return _usage(Reservation.objects.filter(account_id=account.pk).aggregate(**_SUMS))


def overview(account: Account) -> QuotaOverview:
    """Limits and usage in two queries."""
    return QuotaOverview(limits_of(account), usage_of(account))


def overviews(accounts: Iterable[Account]) -> list[tuple[Account, QuotaOverview]]:
    """The overview of each of `accounts`, in their order; two queries however many they are."""
    rows = list(accounts)
    limits = {limit.account_id: limit for limit in QuotaLimit.objects.filter(account__in=rows)}
    usages = _usages(rows)
    return [
        (account, QuotaOverview(_limits(limits.get(account.pk)), usages.get(account.pk, Usage()))) for account in rows
    ]


_HELD = Q(state=Reservation.State.HELD)
# Named so that none is a column's name, which grouping and later aggregates would take it for.
_SUMS: dict[str, Any] = {
    "sum_isos": Count("iso_ref", distinct=True),
    "sum_bytes": Sum("bytes", default=0),
    "sum_held_bytes": Sum("bytes", filter=_HELD, default=0),
    "sum_uploads": Count("state", filter=_HELD & Q(source=Reservation.Source.UPLOAD)),
}


def _usage(row: Mapping[str, Any]) -> Usage:
    return Usage(row["sum_isos"], row["sum_bytes"], row["sum_held_bytes"], row["sum_uploads"])


def _usages(accounts: Iterable[Account]) -> dict[int, Usage]:
    grouped = Reservation.objects.filter(account__in=accounts).values("account_id").annotate(**_SUMS)
    return {row["account_id"]: _usage(row) for row in grouped}


def _limits(own: QuotaLimit | None) -> Limits:
    values = {name: getattr(own, name, None) for name in LIMIT_NAMES}
    set_here = {name: value for name, value in values.items() if value is not None}
    return Limits(**(settings.QUOTA_DEFAULTS | set_here), own=frozenset(set_here))

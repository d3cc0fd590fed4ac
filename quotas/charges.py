"""Usage of a period and what it costs: from spans and the prices of their time, exactly.

GB-hours are bytes × time, with a GB of a billion bytes as everywhere in the portal. A GB-month is one GB kept for a
whole calendar month (UTC): whoever keeps it for a part of the month pays that part of the price, in February as in
March. Bytes and microseconds are whole numbers and everything else is a Fraction. Each line's cost is rounded
once, to six decimals, and a total is the sum of its lines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone
from moneyed import Money

from portal.accounts.models import Account
from quotas.models import UsageSpan, ZonePrice
from quotas.money import MixedCurrencies, rounded, total
from zones.models import Zone

GB_HOUR = 1_000_000_000 * 3_600_000_000  # in byte-microseconds
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    """One replica's usage within a period. `byte_time` in byte-microseconds; `ended` is None while it goes on.

    `cost` is None where nothing is charged.
    """

    account: Account
    zone: Zone
    iso_ref: UUID
    iso_name: str
    replica_ref: UUID
    bytes: int
    began: datetime
    ended: datetime | None
    byte_time: int
    cost: Money | None

    @property
    def gb_hours(self) -> Fraction:
        return Fraction(self.byte_time, GB_HOUR)


@dataclass(frozen=True)
class Report:
    """The usage between two moments; what has not happened yet is not in it."""

    start: datetime
    end: datetime
    lines: list[Line]
    by_day: dict[date, int] = field(default_factory=dict)  # byte-microseconds

    @cached_property
    def gb_hours(self) -> Fraction:
        return Fraction(sum(line.byte_time for line in self.lines), GB_HOUR)

    @cached_property
    def cost(self) -> Money | None:
        """The sum of the lines; None where nothing is charged. Raises MixedCurrencies."""
        return total(line.cost for line in self.lines if line.cost is not None)

    def gb_hours_of(self, day: date) -> Fraction:
        return Fraction(self.by_day.get(day, 0), GB_HOUR)


def report(start: datetime, end: datetime, account: Account | None = None) -> Report:
    """The usage of one account or of all from `start` until before `end`. Two queries however much it is.

    Lines go by account, ISO and zone. Raises MixedCurrencies where one replica was priced in several.
    """
    until = min(end, timezone.now())
    prices = _Prices.until(until)
    of_replica: dict[tuple[int, UUID], list[_Piece]] = defaultdict(list)
    by_day: dict[date, int] = defaultdict(int)
    for span in _spans(start, until, account):
        piece = _Piece(span, max(span.began_at, start), min(span.ended_at or until, until))
        if piece.start < piece.end:
            of_replica[span.account_id, span.replica_ref].append(piece)
            _add_days(by_day, piece)
    lines = [_line(pieces, prices) for pieces in of_replica.values()]
    lines.sort(key=lambda line: (line.account.name, line.iso_name.casefold(), str(line.iso_ref), line.zone.name))
    return Report(start, end, lines, dict(by_day))


def month_of(moment: datetime) -> datetime:
    """The first moment of its calendar month, UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(start: datetime) -> datetime:
    """The first moment of the month after the one that begins at `start`."""
    return month_of(start + timedelta(days=31))


@dataclass(frozen=True)
class _Piece:
    """The part of a span that lies in the period."""

    span: UsageSpan
    start: datetime
    end: datetime

    @property
    def byte_time(self) -> int:
        return self.span.bytes * ((self.end - self.start) // _MICROSECOND)


@dataclass(frozen=True)
class _Prices:
    """All prices that ever began, by zone: when each began, in order, beside what it is."""

    of_zone: dict[int, tuple[list[datetime], list[Money]]]

    @classmethod
    def until(cls, moment: datetime) -> _Prices:
        of_zone: dict[int, tuple[list[datetime], list[Money]]] = defaultdict(lambda: ([], []))
        for price in ZonePrice.objects.filter(valid_from__lt=moment).order_by("valid_from", "id"):
            starts, amounts = of_zone[price.zone_id]
            starts.append(price.valid_from)
            amounts.append(price.amount)
        return cls(dict(of_zone))

    def at(self, zone_id: int, moment: datetime) -> Money | None:
        starts, amounts = self.of_zone.get(zone_id, ([], []))
        place = bisect_right(starts, moment)  # of several that begin together the last one
        return amounts[place - 1] if place else None

    def changes(self, zone_id: int, start: datetime, end: datetime) -> Iterator[datetime]:
        return (moment for moment in self.of_zone.get(zone_id, ([], []))[0] if start < moment < end)


def _spans(start: datetime, end: datetime, account: Account | None) -> QuerySet[UsageSpan]:
    spans = UsageSpan.objects.filter(Q(ended_at=None) | Q(ended_at__gt=start), began_at__lt=end)
    if account is not None:
        spans = spans.filter(account=account)
    return spans.select_related("account", "zone").order_by("began_at", "id")


def _line(pieces: list[_Piece], prices: _Prices) -> Line:
    last = pieces[-1].span
    return Line(
        account=last.account,
        zone=last.zone,
        iso_ref=last.iso_ref,
        iso_name=last.iso_name,
        replica_ref=last.replica_ref,
        bytes=last.bytes,
        began=pieces[0].span.began_at,
        ended=last.ended_at,
        byte_time=sum(piece.byte_time for piece in pieces),
        cost=_cost(pieces, prices),
    )


def _cost(pieces: Iterable[_Piece], prices: _Prices) -> Money | None:
    costs: dict[str, Fraction] = defaultdict(Fraction)
    for piece in pieces:
        zone_id = piece.span.zone_id
        turns = {piece.start, piece.end, *_months(piece.start, piece.end)}
        turns.update(prices.changes(zone_id, piece.start, piece.end))
        for start, end in pairwise(sorted(turns)):
            price = prices.at(zone_id, start)
            if price and price.amount:
                costs[price.currency.code] += Fraction(price.amount) * piece.span.bytes / 10**9 * _of_month(start, end)
    if len(costs) > 1:
        raise MixedCurrencies.of(costs)
    return next((rounded(cost, code) for code, cost in costs.items()), None)


def _of_month(start: datetime, end: datetime) -> Fraction:
    """Which part of its calendar month a stretch within one is."""
    month = month_of(start)
    return Fraction((end - start) // _MICROSECOND, (next_month(month) - month) // _MICROSECOND)


def _months(start: datetime, end: datetime) -> Iterator[datetime]:
    """Where months begin in between."""
    moment = next_month(month_of(start))
    while moment < end:
        yield moment
        moment = next_month(moment)


def _add_days(by_day: dict[date, int], piece: _Piece) -> None:
    start = piece.start.astimezone(UTC)
    end = piece.end.astimezone(UTC)
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), datetime.min.time(), UTC)
        stop = min(midnight, end)
        by_day[start.date()] += piece.span.bytes * ((stop - start) // _MICROSECOND)
        start = stop

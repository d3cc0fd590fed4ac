"""An account's usage of a month as its page shows it: lines, days, and where the chart's bars stand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from portal.accounts.models import Account
from portal.kernel.text import decimal_text, human_bytes
from quotas.charges import Line, Report
from quotas.models import UsageSpan
from quotas.money import amount_text
from quotas.periods import months_between

# The chart's coordinates; the page scales it to what room there is.
WIDTH, HEIGHT = 760, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 12, 32
_STEPS = 4  # lines across


@dataclass(frozen=True)
class Bar:
    """One day. `label` stands below it where there is room; coordinates are text as SVG wants them."""

    day: date
    x: str
    y: str
    width: str
    height: str
    middle: str
    label: str
    words: str


@dataclass(frozen=True)
class Tick:
    y: str
    label: str


@dataclass(frozen=True)
class Chart:
    """GB-hours of each day of a month as bars."""

    bars: list[Bar]
    ticks: list[Tick]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    floor: int = HEIGHT - _BOTTOM
    label_y: int = HEIGHT - 6


@dataclass(frozen=True)
class LineShown:
    """One replica's usage in words."""

    line: Line
    size: str
    gb_hours: str
    cost: str


def chart_of(report: Report) -> Chart:
    """The bars of all days of a month, also of those to come."""
    days = [(report.start + timedelta(days=n)).date() for n in range((report.end - report.start).days)]
    amounts = [report.gb_hours_of(day) for day in days]
    top = _nice(max(amounts))
    room = HEIGHT - _TOP - _BOTTOM
    step = Fraction(WIDTH - _LEFT - _RIGHT, len(days))
    bars = []
    for number, (day, amount) in enumerate(zip(days, amounts, strict=True)):
        x, tall = _LEFT + step * number, room * amount / top
        # A day that is not empty is seen, however little there was.
        tall = max(tall, Fraction(1)) if amount else Fraction(0)
        bars.append(
            Bar(
                day=day,
                x=_at(x + step / 8),
                y=_at(HEIGHT - _BOTTOM - tall),
                width=_at(step * 3 / 4),
                height=_at(tall),
                middle=_at(x + step / 2),
                label=str(day.day) if day.day == 1 or day.day % 5 == 0 else "",
                words=decimal_text(amount, 3, grouped=True),
            )
        )
    ticks = [
        Tick(_at(HEIGHT - _BOTTOM - Fraction(room * n, _STEPS)), _plain(top * n / _STEPS)) for n in range(_STEPS + 1)
    ]
    return Chart(bars, ticks)


def lines_of(report: Report) -> list[LineShown]:
    return [
        LineShown(line, human_bytes(line.bytes), decimal_text(line.gb_hours, 3, grouped=True), amount_text(line.cost))
        for line in report.lines
    ]


def months_of(account: Account, now: datetime, shown: datetime) -> list[datetime]:
    """The months to choose from: from the first usage, or the month that is shown, to now. The newest first."""
    spans = UsageSpan.objects.filter(account=account).order_by("began_at")
    first = spans.values_list("began_at", flat=True).first()
    return months_between(min(first or now, shown, now), max(now, shown))


def _nice(most: Fraction) -> Fraction:
    """The next round number that is not below `most`: 1, 2, 4, 6 or 8 times a power of ten."""
    if not most:
        return Fraction(1)
    power = Fraction(1)
    while power * 10 <= most:
        power *= 10
    while power > most:
        power /= 10
    return next(power * times for times in (1, 2, 4, 6, 8, 10) if power * times >= most)


def _plain(value: Fraction) -> str:
    """A tick without needless zeros: `0.25`, `1,200`."""
    text = decimal_text(value, 6, grouped=True)
    return text.rstrip("0").rstrip(".")


def _at(value: Fraction) -> str:
    return decimal_text(value, 2)

"""Periods as people write them: days and calendar months, UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from portal.kernel.errors import InvalidInput
from quotas.charges import month_of, next_month

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LAST_YEAR = 9998  # the end of a period must be a date too


def month_named(text: str) -> tuple[datetime, datetime]:
    """`2026-11` as the first moment of that month and of the next. Raises InvalidInput."""
    match = _MONTH.fullmatch(text.strip())
    if match and 1 <= int(match[1]) <= _LAST_YEAR and 1 <= int(match[2]) <= 12:
        start = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
        return start, next_month(start)
    raise InvalidInput(f"“{text.strip()[:20]}” is not a month. Write a year and a month, for example 2026-11.")


def days_named(first: str | None, last: str | None, *, now: datetime) -> tuple[datetime, datetime]:
    """Two days, both of which count, as the first moment and the one after the last.

    Without `first` the month of `last`, without `last` until today. Raises InvalidInput.
    """
    end = _day(last) if last else now.astimezone(UTC).date()
    start = _day(first) if first else end.replace(day=1)
    if start > end:
        raise InvalidInput(f"{start} comes after {end}. Write the earlier day first.")
    return _midnight(start), _midnight(end + timedelta(days=1))


def months_between(first: datetime, last: datetime) -> list[datetime]:
    """The beginnings of all months from that of `first` to that of `last`, the newest first."""
    months = [month_of(first)]
    while months[-1] < month_of(last):
        months.append(next_month(months[-1]))
    return months[::-1]


def _day(text: str) -> date:
    try:
        if not _DAY.fullmatch(text.strip()):
            raise ValueError
        day = date.fromisoformat(text.strip())
        if day.year > _LAST_YEAR:
            raise ValueError
    except ValueError:
        raise InvalidInput(f"“{text.strip()[:20]}” is not a day. Write it as 2026-11-30.") from None
    return day


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)

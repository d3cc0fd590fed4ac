"""Words and numbers for people. Sizes are decimal (1 GB = 1 000 000 000 bytes)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

from portal.kernel.errors import InvalidInput

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_SIZE = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "b": 1, "byte": 1} | {unit.lower(): 1000**power for power, unit in enumerate(_UNITS)}
MAX_BYTES = 2**63 - 1  # what a database column of bytes holds


def human_bytes(count: int | None) -> str:
    """Bytes as three significant digits with a decimal unit: `3.08 GB`, `512 bytes`."""
    if count is None:
        return "Unknown"
    value = float(count)
    unit = 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    if unit == 0:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {_UNITS[unit]}"


def exact_bytes(count: int) -> str:
    """Bytes as `100 GB` or `1.5 TB` where that loses nothing, else all of them: `1234567 bytes`.

    `parse_bytes` reads it back as the same number, so a form field may show it.
    """
    power = next((power for power in range(len(_UNITS) - 1, 0, -1) if count >= 1000**power), 0)
    if power and count % 1000 ** (power - 1) == 0:
        whole, thousandths = divmod(count // 1000 ** (power - 1), 1000)
        return f"{whole}.{thousandths:03d}".rstrip("0").rstrip(".") + f" {_UNITS[power]}"
    return f"{count} byte" if count == 1 else f"{count} bytes"


def parse_bytes(text: str) -> int:
    """The bytes in `100 GB`, `1.5TB` or `512`. Decimal units in any case; raises InvalidInput."""
    example = "Write a number and a unit, for example 100 GB or 500 MB."
    match = _SIZE.fullmatch(text.strip())
    factor = _FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise InvalidInput(f"“{text.strip()[:40]}” is not a size. {example}")
    size = Fraction(match[1]) * factor
    if size.denominator != 1:
        raise InvalidInput(f"“{text.strip()[:40]}” is not a whole number of bytes. {example}")
    if size > MAX_BYTES:
        raise InvalidInput(f"“{text.strip()[:40]}” is too large. The largest size is {human_bytes(MAX_BYTES)}.")
    return int(size)


def percent(done: int, total: int | None) -> int:
    """Whole percent, rounded down, so that 100 is only ever shown for all of it."""
    if not total:
        return 0
    return max(0, min(100, done * 100 // total))


def decimal_text(value: Fraction, places: int, *, grouped: bool = False) -> str:
    """A number that is not negative with so many decimals, half a unit going up: `1234.50`, grouped `1,234.50`."""
    units = int(value * 10**places + Fraction(1, 2))
    whole, rest = divmod(units, 10**places)
    text = f"{whole:,}" if grouped else str(whole)
    return f"{text}.{rest:0{places}d}" if places else text


def join_words(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]


def in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equally many cells as lines, each column as wide as its widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def moment(when: datetime) -> str:
    """`3 Dec 2026, 10:00 UTC`, as all pages write it."""
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%b %Y, %H:%M} UTC"

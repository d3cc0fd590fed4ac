"""Words and numbers for people. Sizes are decimal (1 GB = 1 000 000 000 bytes)."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


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


def percent(done: int, total: int | None) -> int:
    """Whole percent, rounded down, so that 100 is only ever shown for all of it."""
    if not total:
        return 0
    return max(0, min(100, done * 100 // total))


def join_words(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(words) if len(words) < 3 else ", ".join(words[:-1]) + " and " + words[-1]

"""Cells of CSV files that people open in spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class _Echo:
    """A file that gives back what is written, so that csv makes lines."""

    def write(self, line: str) -> str:
        return line


def guarded(value: object) -> str:
    """The value as a cell that no spreadsheet runs as a formula: `=1+1` becomes `'=1+1`."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def csv_lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Each row as one line of CSV (RFC 4180), every cell guarded. Reads `rows` as it is read."""
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([guarded(value) for value in row])

"""Cells of CSV files: none is a formula, and what csv reads back is what was written."""

import csv

import pytest

from portal.kernel.cells import csv_lines, guarded


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "\n=1", "＝1", "＠x"])
def test_what_a_spreadsheet_would_run_is_text(evil):
    assert guarded(evil) == f"'{evil}"


@pytest.mark.parametrize("plain", ["", "Debian 13", "a=b", "3-2", "mail@example.org", "'=1"])
def test_what_is_harmless_stays(plain):
    assert guarded(plain) == plain


def test_lines_are_csv():
    rows = [["a", None, 3], ['say "x", y', "two\nlines", "=1"]]
    read = list(csv.reader("".join(csv_lines(rows)).splitlines(keepends=True)))
    assert read == [["a", "", "3"], ['say "x", y', "two\nlines", "'=1"]]

"""Which bytes a Range header names, against the words of RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isos.ranges import Unsatisfiable, if_range_holds, wanted_span


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", (0, 0)),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=99-", (99, 99)),
        ("bytes=90-1000", (90, 99)),
        ("bytes=-1", (99, 99)),
        ("bytes=-100", (0, 99)),
        ("bytes=-1000", (0, 99)),
        ("Bytes = 5-6 ", (5, 6)),
        ("bytes=-", None),
        ("bytes=9-8", None),
        ("bytes=a-b", None),
        ("bytes=1-2,4-5", None),  # several: all is sent
        ("bytes=+1-2", None),
        ("bytes=١-٢", None),
        ("lines=1-2", None),
        ("bytes=100-", "416"),
        ("bytes=100-200", "416"),
        ("bytes=-0", "416"),
        ("bytes=" + "9" * 20 + "-", "416"),
    ],
)
def test_what_a_range_names(header, expected):
    if expected == "416":
        with pytest.raises(Unsatisfiable):
            wanted_span(header, 100)
        return
    span = wanted_span(header, 100)
    assert (span and (span.first, span.last)) == expected


@given(st.binary(min_size=1, max_size=50), st.integers(0, 60), st.integers(0, 60))
def test_a_range_is_a_slice(data, first, last):
    try:
        span = wanted_span(f"bytes={first}-{last}", len(data))
    except Unsatisfiable:
        assert first >= len(data)
        return
    if last < first:
        assert span is None
        return
    assert data[span.first : span.last + 1] == data[first : last + 1]
    assert span.length == len(data[first : last + 1])
    assert str(span) == f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"


@pytest.mark.parametrize(
    ("header", "holds"),
    [(None, True), ('"abc"', True), ("Tue, 01 Dec 2026 10:00:00 GMT", True), ('"abd"', False), ('W/"abc"', False)],
)
def test_if_range(header, holds):
    assert if_range_holds(header, '"abc"', "Tue, 01 Dec 2026 10:00:00 GMT") == holds

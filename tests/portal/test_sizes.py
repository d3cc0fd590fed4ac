"""Sizes that people write and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.kernel.errors import InvalidInput
from portal.kernel.text import MAX_BYTES, exact_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100 GB", 100_000_000_000),
        ("100gb", 100_000_000_000),
        (" 1.5 TB ", 1_500_000_000_000),
        ("0.001 kB", 1),
        ("512", 512),
        ("512 bytes", 512),
        ("1 byte", 1),
        ("7 B", 7),
        ("0", 0),
        ("2 PB", 2 * 10**15),
        ("9223372036854775807", MAX_BYTES),
    ],
)
def test_reads_decimal_units(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "“” is not a size. Write a number and a unit, for example 100 GB or 500 MB."),
        ("lots", "“lots” is not a size"),
        ("GB", "is not a size"),
        ("-1 GB", "is not a size"),
        ("1,5 GB", "is not a size"),
        ("1e3 GB", "is not a size"),
        ("10 GiB", "“10 GiB” is not a size"),
        ("١٠ GB", "is not a size"),
        (".5 GB", "is not a size"),
        ("1 GB 1", "is not a size"),
        ("x" * 5000, "is not a size"),
        ("1.5 bytes", "“1.5 bytes” is not a whole number of bytes"),
        ("0.0001 kB", "is not a whole number of bytes"),
        ("0." + "9" * 30 + " kB", "is not a whole number of bytes"),
        ("9223372036854775808", "is too large. The largest size is 9223 PB."),
        ("9" * 30 + " PB", "is too large"),
    ],
)
def test_says_what_is_wrong(text, why):
    with pytest.raises(InvalidInput) as caught:
        parse_bytes(text)
    assert why in caught.value.message
    assert len(caught.value.message) < 150


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (100_000_000_000, "100 GB"),
        (1_500_000_000_000, "1.5 TB"),
        (1_230_000_000, "1.23 GB"),
        (1_234_567, "1234567 bytes"),
        (32_000_000_001, "32000000001 bytes"),
        (2 * 10**18, "2000 PB"),
    ],
)
def test_shows_sizes_without_loss(size, text):
    assert exact_bytes(size) == text


@given(st.integers(0, MAX_BYTES) | st.builds(lambda n, p: n * 10**p, st.integers(0, 9000), st.integers(0, 15)))
def test_what_is_shown_is_read_back(size):
    assert parse_bytes(exact_bytes(size)) == size

"""Hostile images: whatever the bytes, inspection ends soon, reads little, and says what it means."""

import contextlib
import io
import struct
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from isos import inspection
from isos.errors import ContentRefused, NotAnIso
from isos.inspection import reader as limits
from isos.inspection.boot import parse_catalogue
from isos.inspection.head import HEAD_BYTES, check_head
from isos.streaming import CheckedStream
from tests import media

SECONDS = 2.0  # a verdict takes a few milliseconds; this only tells "quick" from "hangs"
GIB = 1 << 30


class Metered(io.BytesIO):
    """A reader that fails the test as soon as more is asked of it than promised."""

    def __init__(self, data):
        super().__init__(data)
        self.total = self.reads = 0

    def read(self, size=-1):
        assert 0 < size <= limits.MAX_READ_BYTES
        data = super().read(size)
        self.total += len(data)
        self.reads += 1
        assert self.total <= limits.MAX_BYTES
        assert self.reads <= 2 * limits.MAX_READS  # one read of a range that ends early takes two
        return data


class Endless(Metered):
    """An image that claims to be of any size: every place has the same bytes as the first ones."""

    def seek(self, offset, whence=0):
        return super().seek(offset % len(self.getbuffer()), whence)


def look(data, size=None, reader=Metered):
    """Inspect, within the limits; None for what is refused."""
    began = time.perf_counter()
    source = reader(bytes(data))
    try:
        return inspection.inspect(source, size or len(data), suggester=None)
    except ContentRefused:
        return None
    finally:
        assert time.perf_counter() - began < SECONDS


def images():
    """Images of every kind, and real ones where they are installed."""
    real = [path.read_bytes() for path in (media.IPXE, media.GRUB_RESCUE) if Path(path).exists()]
    return [make() for make in media.ALL.values()] + real


IMAGES = images()
# Places that inspection looks at, so that mutations meet something: descriptors, catalogue, trees, UDF.
PLACES = st.one_of(
    st.integers(0, 600),
    st.integers(16 * 2048, 20 * 2048),
    st.integers(20 * 2048, 64 * 2048),
    st.integers(256 * 2048, 280 * 2048),
)
NUMBERS = st.sampled_from([0, 1, 15, 16, 17, 33, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]) | st.integers(
    0, 0xFFFFFFFF
)
PIECES = st.one_of(
    st.binary(min_size=1, max_size=40),
    NUMBERS.map(lambda number: struct.pack("<I", number)),
    NUMBERS.map(lambda number: struct.pack("<I", number) + struct.pack(">I", number)),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(st.sampled_from(range(len(IMAGES))), st.lists(st.tuples(PLACES, PIECES), max_size=6), st.data())
def test_mutated_images(which, changes, data):
    image = bytearray(IMAGES[which])
    for at, piece in changes:
        image[at : at + len(piece)] = piece
    size = data.draw(st.sampled_from([len(image), len(image) // 2, 40_000, len(image) * 2]))
    look(image[:size], size)


# Fields that hold where something is and how long: each gets every wild value, both copies agreeing.
FIELDS = [
    ("volume size", 0x8050),
    ("root directory, place", 0x809E),
    ("root directory, length", 0x80A6),
    ("boot catalogue", 0x8800 + 71),
    ("joliet root, place", 0x909E),
    ("joliet root, length", 0x90A6),
]
WILD = [0, 1, 15, 16, 17, 20, 36, 255, 256, 1 << 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@pytest.mark.parametrize("value", WILD)
@pytest.mark.parametrize(("field", "at"), FIELDS)
@pytest.mark.parametrize("kind", media.ALL)
def test_wild_pointers(kind, field, at, value):
    image = bytearray(media.ALL[kind]())
    image[at : at + 8] = struct.pack("<I", value) + struct.pack(">I", value)
    look(image)
    look(image, 1 << 44, Endless)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=2048, max_size=3000))
def test_anything_behind_a_signature(start, descriptors):
    image = bytearray(70_000)
    image[: len(start)] = start
    image[0x8000 : 0x8000 + len(descriptors)] = descriptors
    image[0x8000:0x8007] = b"\x01CD001\x01"
    look(image)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=3000), st.booleans())
@example(b"<!---->" * 500, True)
@example(b"<!--" * 1000 + b"-->", True)
@example(b"#\n" * 1500, True)
@example(b"MZ" + b"\xff" * 100, True)
@example(b"KDMV" + b"\xff" * 600, True)
@example(b"vhdxfile" + b"\xff" * 600, True)
def test_heads_of_anything(head, whole):
    began = time.perf_counter()
    try:
        result = check_head(head, whole=whole)
        assert result.volume is None
        assert not whole
    except NotAnIso:
        pass
    assert time.perf_counter() - began < SECONDS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=4096))
def test_catalogues_of_anything(data):
    parse_catalogue(data)
    valid = bytearray(32)
    valid[0], valid[30:32] = 1, b"\x55\xaa"
    valid[28:30] = struct.pack("<H", -sum(struct.unpack("<16H", valid)) & 0xFFFF)
    catalogue = parse_catalogue(bytes(valid) + data)
    assert catalogue.valid
    assert len(catalogue.images) <= len(data) // 32


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(range(len(media.ALL))), st.lists(st.integers(1, 90_000), min_size=1, max_size=8))
def test_a_stream_cut_anywhere_comes_to_one_verdict(which, cuts):
    image, at, stream = IMAGES[which], 0, CheckedStream()
    for cut in cuts * 200:
        stream.feed(image[at : at + cut])
        at += cut
        if at >= len(image):
            break
    try:
        assert stream.finish().size == min(at, len(image))
    except ContentRefused:
        assert at < len(image)


# Traps laid by hand.


def with_record(image, name, *, place, length):
    """Point the first directory record called `name` somewhere else."""
    at = image.index(bytes([len(name)]) + name) - 32
    image[at + 2 : at + 18] = (
        struct.pack("<I", place) + struct.pack(">I", place) + struct.pack("<I", length) + struct.pack(">I", length)
    )
    return image


def root_of(image):
    return struct.unpack_from("<I", image, 0x809E)[0]


def test_a_directory_that_contains_itself():
    image = bytearray(media.uefi())
    with_record(image, b"EFI", place=root_of(image), length=2048)
    found = look(image)
    assert found is not None
    assert found.boot_uefi is True


@pytest.mark.parametrize("length", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("place", [0, 16, 0xFFFFFFFF])
def test_directories_of_any_length_anywhere(place, length):
    image = with_record(bytearray(media.uefi()), b"EFI", place=place, length=length)
    assert look(image) is not None
    assert look(image, 1 << 44, Endless) is not None


def test_a_directory_of_nothing_but_tiny_records():
    image = bytearray(media.uefi() + b"\x22" * GIB.bit_length() + b"\x01" * (1 << 20))
    with_record(image, b"EFI", place=len(media.uefi()) // 2048 + 1, length=1 << 20)
    assert look(image).complete is True


def read_until_refused(reader, length):
    """The sizes of what came until the reader said that it is enough."""
    sizes = []
    with contextlib.suppress(limits.LimitReached):
        while len(sizes) < 1000:
            sizes.append(len(reader.read(1 << 30, length, needed=True)))
    return sizes


@pytest.mark.parametrize("length", [1, 512, 1 << 40])
def test_the_limits_hold_whoever_asks(length):
    reader = limits.BoundedReader(Endless(media.plain()), 1 << 44, seconds=60, head_bytes=HEAD_BYTES)
    sizes = read_until_refused(reader, length)
    assert 0 < len(sizes) < limits.MAX_READS
    assert max(sizes) <= limits.MAX_READ_BYTES
    assert reader.bytes_read <= limits.MAX_BYTES
    assert reader.read(1 << 50, 1) == reader.read(-1, 1) == b""


def test_no_more_than_the_promised_bytes_are_read_from_a_huge_image():
    image = media.hybrid()
    source = Endless(image)
    found = inspection.inspect(source, 1 << 44, suggester=None)
    assert found.boot_uefi is True
    assert source.reads <= 12
    assert source.total <= 600_000


@pytest.fixture
def minutes_a_read(monkeypatch):
    """A store so slow that every read takes a minute; the clock is moved, not waited for."""
    clock = [0.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: clock[0])

    class Slow(Metered):
        def read(self, size=-1):
            clock[0] += 60
            return super().read(size)

    return Slow


def test_the_deadline_ends_what_the_verdict_does_not_need(minutes_a_read):
    source = minutes_a_read(media.real(media.IPXE))
    found = inspection.inspect(source, len(source.getvalue()), deadline_seconds=20, suggester=None)
    assert (found.complete, found.architectures) == (False, [])
    assert (found.boot_uefi, found.publisher) == (True, "HTTP://IPXE.ORG/")
    assert source.reads <= 5


@pytest.mark.parametrize("change", [lambda image: image[:-2048], lambda image: image + b"conectix".ljust(512, b"\0")])
def test_a_slow_store_lets_nothing_bad_pass(minutes_a_read, change):
    image = bytearray(media.udf_bridge())
    media._resize(image, 100)  # only UDF knows that the end is missing
    image = change(bytes(image))
    with pytest.raises(ContentRefused):
        inspection.inspect(minutes_a_read(image), len(image), deadline_seconds=20, suggester=None)


def test_errors_of_the_store_pass_through():
    class Gone(io.BytesIO):
        def read(self, size=-1):
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        inspection.inspect(Gone(), 100_000, suggester=None)


def test_a_source_shorter_than_it_was_said_to_be():
    with pytest.raises(ContentRefused):
        inspection.inspect(io.BytesIO(b""), 100_000, suggester=None)
    image = media.uefi()
    assert inspection.inspect(io.BytesIO(image[:HEAD_BYTES]), len(image), suggester=None) is not None

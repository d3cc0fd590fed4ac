"""The checked stream: what passes, what is refused, and when."""

import hashlib
import io
import random
import threading
import tracemalloc

import pytest

from isos.errors import ChecksumMismatch, ContentRefused, DangerousFormat, NotAnIso, SizeMismatch, Truncated
from isos.streaming import CheckedStream, Content, read_through
from tests import media


def stream_of(data, **expected):
    stream = CheckedStream(**expected)
    read_through(io.BytesIO(data), stream)
    return stream


@pytest.mark.parametrize(
    ("kind", "chunk"),
    [("plain", 1), *((kind, chunk) for kind in media.ALL for chunk in (1000, 4096, 65536, 1 << 20))],
)
def test_every_way_of_cutting_gives_the_same_content(kind, chunk):
    data = media.ALL[kind]()
    digest = hashlib.sha256(data).hexdigest()
    seen = []
    stream = CheckedStream(expected_size=len(data), expected_sha256=digest, on_progress=seen.append)
    read_through(io.BytesIO(data), stream, chunk)
    assert stream.finish() == Content(len(data), digest)
    assert seen[-1] == len(data)
    assert seen == sorted(seen)


def test_a_digest_may_be_given_in_capitals():
    data = media.plain()
    assert stream_of(data, expected_sha256=hashlib.sha256(data).hexdigest().upper()).finish().size == len(data)


def test_a_wrong_checksum_shows_both_digests():
    data = media.plain()
    found = hashlib.sha256(data).hexdigest()
    with pytest.raises(ChecksumMismatch) as refused:
        stream_of(data, expected_sha256="ab" * 32).finish()
    assert "abababab…abababab" in refused.value.message
    assert f"{found[:8]}…{found[-8:]}" in refused.value.message
    assert refused.value.code == "checksum_mismatch"
    assert refused.value.retryable is False


@pytest.mark.parametrize("given", ["ж" * 64, "", "   "])
def test_a_digest_that_is_none_never_breaks_the_stream(given):
    stream = stream_of(media.plain(), expected_sha256=given)
    if given.strip():
        with pytest.raises(ChecksumMismatch):
            stream.finish()
    else:
        stream.finish()


def test_fewer_bytes_than_declared():
    data = media.plain()
    with pytest.raises(SizeMismatch, match=r"only 65\.5 kB of the expected 66\.5 kB"):
        stream_of(data, expected_size=len(data) + 1000).finish()


def test_sizes_that_look_alike_are_told_in_bytes():
    data = media.plain()
    with pytest.raises(SizeMismatch, match="only 65 536 bytes of the expected 65 537 bytes"):
        stream_of(data, expected_size=len(data) + 1).finish()


def test_more_bytes_than_declared_are_refused_at_once():
    data = io.BytesIO(media.plain() + bytes(100_000))
    stream = CheckedStream(expected_size=100_000)
    with pytest.raises(SizeMismatch, match="more than the expected 100 kB"):
        read_through(data, stream, 10_000)
    assert stream.received == 110_000


def test_a_cut_image_is_refused_with_both_sizes():
    data = media.udf_bridge()
    with pytest.raises(Truncated, match="needs 571 kB, but the file has 300 kB"):
        stream_of(data[:300_000]).finish()


def test_a_cut_image_is_refused_after_its_head_where_the_size_was_declared():
    stream = CheckedStream(expected_size=300_000)
    with pytest.raises(Truncated):
        stream.feed(media.udf_bridge()[: 1 << 16])


def test_no_iso_is_refused_after_64_kib():
    stream = CheckedStream()
    stream.feed(bytes(65_535))
    with pytest.raises(NotAnIso, match="an empty disk"):
        stream.feed(bytes(1))


def test_a_polyglot_is_refused_while_it_comes():
    with pytest.raises(DangerousFormat):
        stream_of(media.polyglot(media.QCOW2))


@pytest.mark.parametrize("data", [b"", b"x", b"short text", bytes(40_000), media.WEB_PAGE])
def test_files_shorter_than_a_head_are_judged_at_the_end(data):
    stream = CheckedStream()
    if data:
        stream.feed(data)
    with pytest.raises(NotAnIso):
        stream.finish()


def test_an_image_shorter_than_a_head_is_accepted():
    data = bytearray(media.plain()[: 30 * media.SECTOR])
    media._resize(data, 30)
    assert stream_of(bytes(data)).finish().size == 30 * media.SECTOR


def test_feeding_copies_nothing():
    stream = CheckedStream()
    head, rest = media.plain()[:65536], memoryview(bytes(8 << 20))
    stream.feed(head)
    tracemalloc.start()
    for _ in range(8):
        stream.feed(rest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 10


class Stop(Exception):
    """What a progress callback raises to end the work."""


def test_progress_may_stop_the_reading():
    def stop_at(total):
        if total > 100_000:
            raise Stop

    reader = io.BytesIO(media.udf_bridge())
    threads = threading.active_count()
    with pytest.raises(Stop):
        read_through(reader, CheckedStream(on_progress=stop_at), 10_000)
    assert reader.tell() <= 130_000
    assert threading.active_count() == threads  # nobody reads on behind our back


class Broken(io.RawIOBase):
    """A reader whose line breaks after some bytes."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        if self.data.tell() > 100_000:
            raise ConnectionError("gone")
        return self.data.readinto(buffer[:7_001])  # and never gives as much as is asked for


def test_a_reader_that_breaks_is_heard():
    with pytest.raises(ConnectionError, match="gone"):
        read_through(Broken(media.udf_bridge()), CheckedStream())


def test_short_reads_are_no_end():
    data = media.hybrid()

    class Odd(io.BytesIO):
        def readinto(self, buffer):
            return super().readinto(buffer[:6_997])

    stream = CheckedStream()
    read_through(Odd(data), stream)
    assert stream.finish() == Content(len(data), hashlib.sha256(data).hexdigest())


class OnlyRead:
    """The least that a storage backend's file offers."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def read(self, size):
        return self._data.read(size)


def test_a_reader_that_can_only_read():
    data = media.hybrid()
    stream = CheckedStream()
    read_through(OnlyRead(data), stream, 50_000)
    assert stream.finish() == Content(len(data), hashlib.sha256(data).hexdigest())


def test_a_big_image_passes(tmp_path):
    path = media.big_iso(tmp_path / "big.iso", 20_000_001)
    assert path.stat().st_size == 20_000_001
    with path.open("rb") as reader:
        stream = CheckedStream(expected_size=20_000_001)
        read_through(reader, stream)
    assert stream.finish().sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_random_bytes_are_refused_with_a_sentence():
    with pytest.raises(ContentRefused) as refused:
        stream_of(random.Random(4).randbytes(200_000))
    assert refused.value.message.endswith(".")

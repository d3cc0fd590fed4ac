"""One connection at a time: from which byte on it brings which content, and how it ends."""

import threading
import time

import pytest

from isos.fetching import answers
from isos.fetching.errors import BadAnswer, Broken, EmptyFile, SlowSource, TimedOut, TooLarge
from isos.fetching.policy import Policy
from isos.fetching.reading import Pace
from isos.fetching.source import HttpSource, Version
from tests.isos.fetching.site import OLD, File

DATA = bytes(range(256)) * 1000
V1 = Version(len(DATA), '"v1"')


@pytest.fixture
def source(fetchers, site):
    def source(limit=10**9, **rules):
        return HttpSource(fetchers(site, **rules), site.url(), limit=limit)

    return source


def read(body, chunk=64 << 10):
    parts, view = [], memoryview(bytearray(chunk))
    while count := body.readinto(view):
        parts.append(bytes(view[:count]))
    body.close()
    return b"".join(parts)


def test_from_the_beginning(source, site):
    site.routes["/image.iso"] = File(DATA)
    body = source().open()
    assert (body.start, body.version) == (0, V1)
    assert read(body) == DATA
    assert "range" not in site.requests[0].headers


@pytest.mark.parametrize("offset", [1, 100_000, len(DATA) - 1])
def test_from_an_offset(source, site, offset):
    site.routes["/image.iso"] = File(DATA)
    body = source().open(offset, V1)
    assert (body.start, body.version) == (offset, V1)
    assert read(body) == DATA[offset:]
    assert site.requests[0].headers["if-range"] == '"v1"'


def test_a_date_is_a_validator_too(source, site):
    site.routes["/image.iso"] = File(DATA, etag='W/"weak"', modified=OLD)
    assert source().open().version == Version(len(DATA), OLD)
    assert source().open(1000, Version(len(DATA), OLD)).start == 1000


FROM_ZERO = {
    "no ranges": File(DATA, ranges=False),
    "changed": File(DATA, etag='"v2"'),
    "changed, and If-Range ignored": File(DATA, etag='"v2"', honour_if_range=False),
    "another size, and If-Range ignored": File(DATA + b"more", honour_if_range=False),
    "smaller now, and If-Range ignored": File(DATA[:500], honour_if_range=False),
}


@pytest.mark.parametrize("case", FROM_ZERO)
def test_what_was_kept_is_of_no_use(source, site, case):
    site.routes["/image.iso"] = file = FROM_ZERO[case]
    body = source().open(1000, V1)
    assert body.start == 0
    assert read(body) == file.data


def lie(content_range, body=b"x" * 10, **headers):
    """A 206 of that Content-Range to whoever asks for a part, the truth to others."""

    def answer(request):
        if "range" not in request.headers:
            File(DATA)(request)
            return
        request.answer(body, "206 Partial Content", Content_Range=content_range, **headers)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        lie("bytes 0-9/256000"),
        lie("bytes 1001-1010/256000"),
        lie("bytes 1001-1009/256000"),
        lie("bytes 990-1009/256000"),  # as long as what is missing of it, but it begins before
        lie("bytes 1000-1020/256000"),
        lie("bytes 1010-1000/256000"),
        lie("bytes 1000-1009/1005"),
        lie("bytes 1000-1009/77"),
        lie("bytes */256000"),
        lie("items 1000-1009/256000"),
        lie(""),
        lie("bytes 1000-1009/256000", ETag='"v2"'),
    ],
)
def test_a_wrong_part_is_not_taken_for_the_right_one(source, site, answer):
    site.routes["/image.iso"] = answer
    body = source().open(1000, V1)
    assert body.start == 0
    assert read(body) == DATA


def test_less_than_was_asked_for_is_a_part_too(source, site):
    site.routes["/image.iso"] = lie("bytes 1000-1009/256000")
    body = source().open(1000, V1)
    assert body.start == 1000
    assert read(body) == b"x" * 10


def test_without_a_validator_nothing_is_gone_on_with(source, site):
    """Nobody could tell whether the rest belongs to the beginning."""
    site.routes["/image.iso"] = File(DATA, etag=None)
    assert source().open().version.validator == ""
    assert source().open(1000, Version(len(DATA))).start == 0
    assert all("range" not in request.headers for request in site.requests)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_line_that_breaks(source, site, quarter):
    at = len(DATA) * quarter // 4
    site.routes["/image.iso"] = File(DATA, cuts=[at])
    body, view, got = source().open(), memoryview(bytearray(1 << 20)), 0
    while got < at:
        got += body.readinto(view[:60_000])
    assert got == at  # nothing that came is lost with the line
    with pytest.raises(Broken):
        body.readinto(view)
    body.close()


def test_more_is_claimed_than_comes(source, site):
    site.routes["/image.iso"] = File(DATA, claim=len(DATA) + 5)
    with pytest.raises(Broken):
        read(source().open())


def test_more_comes_than_is_claimed(source, site):
    """The line is only read as far as was declared; that the file is cut shows at its end."""
    site.routes["/image.iso"] = File(DATA, claim=len(DATA) - 5)
    assert read(source().open()) == DATA[:-5]


def chunked(*chunks, end=b"0\r\n\r\n"):
    def answer(request):
        request.head(Transfer_Encoding="chunked", ETag='"v1"')
        for chunk in chunks:
            request.send(b"%x\r\n" % len(chunk) + chunk + b"\r\n")
        request.send(end)

    return answer


def test_chunked(source, site):
    site.routes["/image.iso"] = chunked(DATA[:100_000], DATA[100_000:])
    body = source().open()
    assert body.version == Version(None, '"v1"')
    assert read(body) == DATA


@pytest.mark.parametrize(("end", "error"), [(b"", Broken), (b"zz\r\n", (BadAnswer, Broken)), (b"10\r\nshort", Broken)])
def test_chunked_without_its_end(source, site, end, error):
    site.routes["/image.iso"] = chunked(DATA, end=end)
    with pytest.raises(error):
        read(source().open())


def test_limits(source, site):
    site.routes["/image.iso"] = File(DATA)
    with pytest.raises(TooLarge):
        source(limit=len(DATA) - 1).open()
    with pytest.raises(TooLarge):
        source(limit=len(DATA) - 1).open(10, V1)
    with pytest.raises(TooLarge):
        source(limit=100).check_size(101)


def test_empty(source, site):
    site.routes["/image.iso"] = File(b"")
    with pytest.raises(EmptyFile):
        source().open()


def test_silence_in_the_middle(source, site):
    def answer(request):
        request.head(Content_Length=len(DATA))
        request.send(DATA[:100_000])
        request.wait()

    site.routes["/image.iso"] = answer
    with pytest.raises(TimedOut):
        read(source(read_seconds=0.3).open())


def test_ten_bytes_a_second(source, site):
    def answer(request):
        request.head(Content_Length=len(DATA))
        request.send(DATA[:2000])
        for _ in range(1000):
            request.send(b"x")
            request.wait(0.1)

    site.routes["/image.iso"] = answer
    began = time.monotonic()
    with pytest.raises(SlowSource):
        read(source(slow_seconds=1, slow_bytes_per_second=10_000).open())
    assert time.monotonic() - began < 10


def test_another_thread_can_end_the_wait(fetchers, site):
    def answer(request):
        request.head(Content_Length=len(DATA))
        request.send(DATA[:100_000])
        request.wait()

    site.routes["/image.iso"] = answer
    fetcher = fetchers(site)
    body = HttpSource(fetcher, site.url(), limit=10**9).open()
    threading.Timer(0.3, fetcher.abort).start()
    began = time.monotonic()
    with pytest.raises((Broken, TimedOut)):
        read(body)
    assert time.monotonic() - began < 3


class TestPace:
    policy = Policy(slow_seconds=10, slow_bytes_per_second=100)

    def test_fast_enough(self):
        pace = Pace(self.policy)
        for _ in range(1000):
            pace.received(100, 1.0)

    def test_too_slow(self):
        pace = Pace(self.policy)
        for _ in range(9):
            pace.received(99, 1.0)
        with pytest.raises(SlowSource):
            pace.received(99, 1.0)

    def test_only_the_last_window_counts(self):
        pace = Pace(self.policy)
        pace.received(10**9, 1.0)
        for _ in range(9):
            pace.received(0, 1.0)
        with pytest.raises(SlowSource):
            pace.received(0, 1.0)

    def test_a_pause_within_the_window_is_fine(self):
        pace = Pace(self.policy)
        pace.received(10_000, 0.001)
        pace.received(1, 9.0)

    def test_it_keeps_little(self):
        pace = Pace(self.policy)
        for _ in range(100_000):
            pace.received(1000, 0.0001)
        assert len(pace._reads) < 300


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": '"a"', "Last-Modified": OLD}, '"a"'),
        ({"ETag": 'W/"a"'}, ""),
        ({"ETag": "a"}, ""),
        ({"ETag": '"' + "a" * 300 + '"'}, ""),
        ({"ETag": '"a\r\nX: 1"'}, ""),
        ({"Last-Modified": OLD, "Date": "Mon, 06 Jan 2025 10:00:01 GMT"}, OLD),
        ({"Last-Modified": OLD, "Date": OLD}, ""),  # it may change again within this second
        ({"Last-Modified": OLD}, ""),
        ({"Last-Modified": "yesterday", "Date": OLD}, ""),
    ],
)
def test_validators(headers, validator):
    assert answers.validator(headers) == validator


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("", 0), ("-5", 0), ("soon", 0), ("9" * 30, 0), ("Mon, 06 Jan 2025 10:01:00 GMT", 60),
     ("Mon, 06 Jan 2025 09:00:00 GMT", 0)],
)  # fmt: skip
def test_retry_after(value, seconds):
    now = answers.http_date(OLD)
    assert answers.retry_after({"Retry-After": value}, now) == seconds

"""Several connections for one download: the bytes, what ends it, and what one connection then makes of it."""

import threading
import time

import pytest

from isos.actions.delete_from_zones import cancel
from isos.fetching import segments, widening
from isos.fetching.errors import Broken, Busy, FetchError
from isos.fetching.segments import Segments
from isos.fetching.source import HttpSource, Version
from isos.fetching.widening import FAST_BYTES_PER_SECOND, Gauge, WideBody
from isos.models import Iso, Operation, Replica, UrlImport
from isos.operations import engine, receiving
from isos.states import OperationState, ReplicaState
from tests import media
from tests.isos.conftest import run_all
from tests.isos.fetching.importing import PATH, attempt, downloads, is_ready, nothing_left
from tests.isos.fetching.site import File

SEGMENT = 64 << 10
DATA = bytes(range(256)) * 4000
VERSION = Version(len(DATA), '"v1"')
MOST = 4


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Segments that fit test data; the settings' own number of connections."""
    monkeypatch.setattr(segments, "SEGMENT_BYTES", SEGMENT)
    monkeypatch.setattr(segments, "STEP_BYTES", SEGMENT // 4)
    monkeypatch.setattr(widening, "LEAST_BYTES", SEGMENT)
    monkeypatch.setattr(receiving, "CHUNK_BYTES", SEGMENT)


# --- how many ---


class TestGauge:
    def speeds(self, *speeds, most=MOST, starving=True):
        gauge = Gauge(most)
        return [gauge.judge(speed * 1e6, starving) for speed in speeds], gauge

    def test_each_connection_that_brings_its_share_stays(self):
        told, gauge = self.speeds(10, 20, 30, 40)
        assert told == [2, 3, 4, 4]
        assert (gauge.settled, gauge.useful) == (True, 4)

    def test_one_that_brings_nothing_goes_again_for_good(self):
        told, gauge = self.speeds(10, 10.5)
        assert told == [2, 1]
        assert (gauge.settled, gauge.useful) == (True, 1)
        told, gauge = self.speeds(10, 20, 20)
        assert told == [2, 3, 2]
        assert (gauge.settled, gauge.useful) == (True, 2)

    def test_half_a_share_is_the_least(self):
        assert self.speeds(10, 14.9)[0] == [2, 1]
        assert self.speeds(10, 15.1)[0] == [2, 3]
        assert self.speeds(10, 20, 24.9)[0] == [2, 3, 2]
        assert self.speeds(10, 20, 25.1)[0] == [2, 3, 4]

    def test_a_fast_line_needs_no_other(self):
        fast = FAST_BYTES_PER_SECOND / 1e6
        told, gauge = self.speeds(fast, fast)
        assert told == [1, 1]
        assert not gauge.settled  # it may become slow later
        assert gauge.judge(1e6, starving=True) == 2
        told, gauge = self.speeds(fast * 0.6, fast * 1.2)
        assert told == [2, 2]
        assert gauge.settled

    def test_where_the_portal_itself_is_slow_the_line_is_not_to_blame(self):
        assert self.speeds(1, 1, 1, starving=False)[0] == [1, 1, 1]

    @pytest.mark.parametrize("most", [0, 1])
    def test_switched_off(self, most):
        assert Gauge(most).settled
        assert Gauge(most).useful == 1


# --- the bytes ---


@pytest.fixture
def open_segments(fetchers, site):
    made = []

    def open_segments(start=0, version=VERSION, connections=MOST, **rules):
        made.append(Segments(lambda: fetchers(site, **rules), site.url(), start, version, connections))
        return made[-1]

    yield open_segments
    for one in made:
        one.close()
        assert not any(thread.is_alive() for thread in one._threads)


def read(body, chunk=100_000):
    parts, view = [], memoryview(bytearray(chunk))
    while count := body.readinto(view):
        parts.append(bytes(view[:count]))
    return b"".join(parts)


@pytest.mark.parametrize("connections", [1, 2, 4, 9])
@pytest.mark.parametrize("start", [0, 1, SEGMENT, len(DATA) - 1])
def test_all_bytes_in_order_and_each_asked_for_once(open_segments, site, connections, start):
    site.routes[PATH] = File(DATA)
    assert read(open_segments(start, connections=connections)) == DATA[start:]
    asked = sorted(request.range for request in site.requests)
    assert asked == [(at, min(at + SEGMENT, len(DATA)) - 1) for at in range(start, len(DATA), SEGMENT)]
    assert {request.headers["if-range"] for request in site.requests} == {'"v1"'}


def test_they_come_at_the_same_time_and_out_of_order(open_segments, site):
    """The first segment comes last: those behind it wait in the window, and the window is all that is held."""
    together = threading.Barrier(MOST)
    later = threading.Semaphore(0)

    def answer(request):
        if request.range[0] < MOST * SEGMENT:
            together.wait(10)  # all of them are under way at once
        if request.range[0] == 0:
            for _ in range(MOST):  # the others, and one more: then there is no buffer left
                assert later.acquire(timeout=10)
        File(DATA)(request)
        later.release()

    site.routes[PATH] = answer
    several = open_segments()
    assert read(several) == DATA
    assert several._made == MOST + 1
    assert several.received == len(DATA)


def test_fewer_connections_hand_on_what_is_under_way(open_segments, site):
    site.routes[PATH] = File(DATA)
    several = open_segments()
    view = memoryview(bytearray(1000))
    got = several.readinto(view)
    several.connections = 0
    got += len(read(several))
    assert 0 < got <= (2 * MOST + 2) * SEGMENT
    assert got % SEGMENT == 0


def test_closing_ends_the_wait(open_segments, site):
    site.routes[PATH] = lambda request: request.wait()
    several = open_segments()
    threading.Timer(0.2, several.close).start()
    began = time.monotonic()
    with pytest.raises(Broken):
        several.readinto(memoryview(bytearray(10)))
    assert time.monotonic() - began < 3


# --- segments that are not what was asked for ---


def instead(answer, at=3 * SEGMENT):
    """The truth for every segment but one."""

    def route(request):
        (answer if request.range[0] == at else File(DATA))(request)

    return route


def part(content_range, status="206 Partial Content", body=DATA[:SEGMENT], **headers):
    return lambda request: request.answer(body, status, Content_Range=content_range, **headers)


AT = 3 * SEGMENT
WRONG = {
    "the whole": File(DATA, ranges=False),
    "another version": File(DATA, etag='"v2"'),
    "another version, and If-Range ignored": File(DATA, etag='"v2"', honour_if_range=False),
    "another size": part(f"bytes {AT}-{AT + SEGMENT - 1}/{len(DATA) + 1}"),
    "another part": part(f"bytes 0-{SEGMENT - 1}/{len(DATA)}"),
    "a shorter part": part(f"bytes {AT}-{AT + 9}/{len(DATA)}", body=bytes(10)),
    "a longer part": part(f"bytes {AT}-{AT + SEGMENT}/{len(DATA)}", body=bytes(SEGMENT + 1)),
    "a wrong length": part(f"bytes {AT}-{AT + SEGMENT - 1}/{len(DATA)}", body=bytes(10)),
    "no part": part("", body=bytes(SEGMENT)),
    "another status": part(f"bytes {AT}-{AT + SEGMENT - 1}/{len(DATA)}", "200 OK"),
    "a break": lambda request: File(DATA, cuts=[AT + 1000])(request),
    "compressed": part(f"bytes {AT}-{AT + SEGMENT - 1}/{len(DATA)}", Content_Encoding="gzip"),
    "not there": lambda request: request.answer(status="404 Not Found"),
    "unsatisfiable": part(f"bytes */{len(DATA)}", "416 Range Not Satisfiable"),
    "nothing": lambda request: None,
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_segment_ends_them_all(open_segments, site, case):
    site.routes[PATH] = instead(WRONG[case])
    several, view, got = open_segments(), memoryview(bytearray(10_000)), b""
    with pytest.raises(FetchError):  # noqa: PT012 -- what came before it is handed on
        while count := several.readinto(view):
            got += view[:count]
    assert len(got) in (AT, AT + 1000)
    assert got == DATA[: len(got)]


def test_what_went_wrong_is_said_at_once(open_segments, site):
    """A neighbour that is silent does not keep it back."""
    waiting = threading.Event()

    def answer(request):
        if request.range[0] == 0:
            assert waiting.wait(10)
            return
        waiting.set()
        request.wait()

    site.routes[PATH] = answer
    began = time.monotonic()
    with pytest.raises(Broken):
        open_segments(connections=2).readinto(memoryview(bytearray(10)))
    assert time.monotonic() - began < 4  # a read may last 5 s in these tests


# --- whole imports ---


@pytest.fixture
def eager(operator, monkeypatch):
    """As many connections as are allowed, from the first bytes on."""

    class Eager(Gauge):
        def judge(self, speed, starving):
            self.connections, self.settled = self._most, True
            return self._most

    monkeypatch.setattr(widening, "Gauge", Eager)
    monkeypatch.setattr(widening, "WINDOW_SECONDS", 0)


def ranges(site):
    return [request.range for request in downloads(site)]


def test_an_import_over_several_connections(begin, site, image, zone_a, eager):
    site.routes[PATH] = File(image)
    begin()
    run_all()
    assert is_ready(image, zone_a)
    first, *others = ranges(site)
    assert first == (None, None)
    assert len(others) > 20
    assert all(last is not None for _, last in others)
    assert Operation.objects.get().attempt == 1


TROUBLE = {
    "a break": lambda request: File(b"x" * 10**7, cuts=[request.range[0] + 1000])(request),
    "ranges ignored": lambda request: File(b"x" * 10**7, ranges=False)(request),
    "429": lambda request: request.answer(b"", "429 Too Many Requests", Retry_After="0"),
    "503": lambda request: request.answer(b"", "503 Service Unavailable"),
    "forbidden": lambda request: request.answer(b"", "403 Forbidden"),
    "html": lambda request: request.answer(media.WEB_PAGE, Content_Type="text/html"),
    "compressed": lambda request: request.answer(b"x", "206 Partial Content", Content_Encoding="gzip"),
    "too many headers": lambda request: request.send(b"HTTP/1.1 206 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n"),
    "nothing": lambda request: None,
}


@pytest.mark.parametrize("case", TROUBLE)
def test_trouble_with_one_of_them_means_one_connection_from_the_durable_offset(begin, site, image, zone_a, eager, case):
    """Once, and for good: a server that minds several is not asked again."""
    first = threading.Lock()

    def answer(request):
        start, last = request.range
        if last is not None and start >= len(image) // 2 and first.acquire(blocking=False):
            TROUBLE[case](request)
        else:
            File(image)(request)

    site.routes[PATH] = answer
    begin()
    run_all()
    assert is_ready(image, zone_a)
    start, last = ranges(site)[-1]
    assert last is None
    assert start > len(image) // 4  # what came before the trouble is kept
    assert [last for _, last in ranges(site)].count(None) == 2  # the first connection and the last
    assert UrlImport.objects.get().restarts == 0


@pytest.mark.parametrize("honour_if_range", [True, False])
def test_another_version_in_one_of_them_starts_over(begin, site, image, zone_a, eager, honour_if_range):
    other = media.iso("OTHER", bios=True, padding=2_000_000)
    changed = threading.Event()

    def answer(request):
        if request.range[0] is not None and request.range[0] >= len(image) // 2:
            changed.set()
        file = File(other, etag='"v2"', honour_if_range=honour_if_range) if changed.is_set() else File(image)
        file(request)

    site.routes[PATH] = answer
    begin()
    run_all()
    assert is_ready(other, zone_a)
    assert UrlImport.objects.get().restarts == 1


NOT_ALLOWED = {
    "no ranges": {"ranges": False},
    "no version": {"etag": None},
    "a weak version": {"etag": 'W/"v1"'},
    "no length": {"declare": False},
    "said not to": {"headers": {"Accept_Ranges": "none"}, "ranges": False},
}


@pytest.mark.parametrize("case", NOT_ALLOWED)
def test_one_connection_where_the_server_does_not_allow_more(begin, site, image, zone_a, eager, case):
    site.routes[PATH] = File(image, **NOT_ALLOWED[case])
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert ranges(site) == [(None, None)]


@pytest.mark.parametrize("why", ["the operator", "a busy server"])
def test_one_connection_where_more_are_not_wanted(begin, site, image, zone_a, eager, settings, why):
    if why == "the operator":
        settings.IMPORT_CONNECTIONS = 1
        answers = []
    else:
        answers = [lambda request: request.answer(b"", "429 Too Many Requests", Retry_After="0")]
    site.routes[PATH] = lambda request: (answers.pop() if answers else File(image))(request)
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert all(last is None for _, last in ranges(site))


def test_each_connection_is_guarded(begin, site, image, trap, zone_a, eager, settings, monkeypatch, connects):
    """The name leads to the mirror once, and inside from then on."""
    told = []

    def resolver(host, port, **_):
        told.append(host)
        return [(2, 1, 6, "", (site.host, site.port) if len(told) == 1 else ("127.0.0.1", trap.port))]

    settings.IMPORT_PORTS = [site.port, trap.port]
    monkeypatch.setattr("isos.fetching.guard.socket.getaddrinfo", resolver)
    site.routes[PATH] = File(image)
    begin(url=f"http://rebind.example:{site.port}{PATH}")
    run_all()
    assert Replica.objects.get().error_code == "refused_address"
    assert len(told) > 2
    assert set(connects) == {(site.host, site.port)}
    assert not trap.was_contacted()
    assert nothing_left(zone_a)


def silence_behind(image, silent):
    """The first half comes; whoever asks for the second waits."""

    def answer(request):
        if (request.range[0] or 0) < len(image) // 2:
            File(image)(request)
            return
        request.head(
            "206 Partial Content",
            ETag='"v1"',
            Content_Range=f"bytes {request.range[0]}-{request.range[1]}/{len(image)}",
            Content_Length=request.range[1] - request.range[0] + 1,
        )
        silent.set()
        request.wait()

    return answer


@pytest.fixture
def silent(monkeypatch, settings):
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(receiving, "BEAT_SECONDS", 0.05)
    settings.IMPORT_READ_SECONDS = 30
    return threading.Event()


def when_silent(monkeypatch, silent, act):
    renew, done = engine.Job.progress, []

    def progress(job, offset):
        if silent.is_set() and not done:
            done.append(act())
        renew(job, offset)

    monkeypatch.setattr(engine.Job, "progress", progress)


def test_a_cancel_is_heard(begin, site, image, actor, zone_a, eager, silent, monkeypatch):
    site.routes[PATH] = silence_behind(image, silent)
    begin()
    when_silent(monkeypatch, silent, lambda: cancel(actor, Iso.objects.get()))
    began = time.monotonic()
    run_all()
    assert time.monotonic() - began < 10
    assert Iso.objects.count() == 0
    assert nothing_left(zone_a)
    assert not [thread for thread in threading.enumerate() if thread.name == "segment"]


def test_a_lost_lease_writes_nothing_more(begin, site, image, eager, silent, monkeypatch):
    site.routes[PATH] = silence_behind(image, silent)
    begin()
    when_silent(
        monkeypatch,
        silent,
        lambda: Operation.objects.update(lease_token="00000000-0000-4000-8000-000000000000"),
    )
    began = time.monotonic()
    operation = attempt()
    assert time.monotonic() - began < 10
    assert operation.state == OperationState.RUNNING
    assert Replica.objects.get().state == ReplicaState.RECEIVING
    assert not [thread for thread in threading.enumerate() if thread.name == "segment"]


# --- whether it is worth it, on real lines ---


class Line:
    """Lets `rate` bytes a second through, to each connection or to all of them together."""

    def __init__(self, file, rate, shared):
        self.file = file
        self.rate = rate
        self.shared = shared
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __call__(self, request):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        whole, step = request.line.sendall, self.rate // 50
        request.send = lambda data: [
            self.pass_(request, whole, data[at : at + step]) for at in range(0, len(data), step)
        ]
        try:
            self.file(request)
        finally:
            with self.lock:
                self.now -= 1

    def pass_(self, request, send, data):
        if self.shared:
            with self.lock:
                request.wait(len(data) / self.rate)
        else:
            request.wait(len(data) / self.rate)
        send(data)


@pytest.fixture
def long_image():
    return media.iso("LONG", bios=True, padding=6_000_000)


def fetched(fetchers, site, data):
    fetcher = fetchers(site)
    source = HttpSource(fetcher, site.url(), limit=10**9)
    body = WideBody(source, fetcher, source.open(), MOST)
    try:
        assert read(body, SEGMENT) == data
    finally:
        body.close()
    return body.useful_connections


def test_more_connections_where_each_has_a_limit(fetchers, site, long_image, monkeypatch):
    monkeypatch.setattr(widening, "WINDOW_SECONDS", 0.6)
    site.routes[PATH] = line = Line(File(long_image), 1_000_000, shared=False)
    assert fetched(fetchers, site, long_image) > 1
    assert line.most > 1


def test_back_to_one_where_the_line_has_a_limit(fetchers, site, long_image, monkeypatch):
    monkeypatch.setattr(widening, "WINDOW_SECONDS", 0.5)
    site.routes[PATH] = line = Line(File(long_image), 3_000_000, shared=True)
    assert fetched(fetchers, site, long_image) == 1
    assert line.most >= 2
    assert ranges(site)[-1][1] is None


def test_a_fast_line_is_left_alone(fetchers, site, long_image, monkeypatch):
    monkeypatch.setattr(widening, "WINDOW_SECONDS", 0.01)
    monkeypatch.setattr(widening, "FAST_BYTES_PER_SECOND", 1)
    site.routes[PATH] = File(long_image)
    fetched(fetchers, site, long_image)
    assert ranges(site) == [(None, None)]


def test_busy_says_how_long_to_wait(open_segments, site):
    site.routes[PATH] = lambda request: request.answer(b"", "429 Too Many Requests", Retry_After="7")
    with pytest.raises(Busy) as error:
        read(open_segments())
    assert error.value.retry_after == 7

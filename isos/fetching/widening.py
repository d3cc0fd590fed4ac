"""A download that takes more connections where one is slow and more of them bring more.

Mirrors that give each connection its share, and long lines, are several times faster this way; for
any other line one connection is best, and the politest. So it begins with one, adds one at a time,
and keeps it only if the whole became faster by it.
"""

from __future__ import annotations

import threading
import time

from isos.fetching.errors import Broken, FetchError
from isos.fetching.guard import Fetcher
from isos.fetching.segments import SEGMENT_BYTES, Segments
from isos.fetching.source import Body, HttpSource

WINDOW_SECONDS = 3.0  # how long is measured before anything is decided
FAST_BYTES_PER_SECOND = 100_000_000  # most of a line of 1 Gbit/s: one connection is enough
LEAST_BYTES = 8 * SEGMENT_BYTES  # for less than this it is not worth the trouble


def can_widen(body: Body) -> bool:
    """Whether parts can be asked for: length and version are known, and the server says that it sends parts."""
    headers = body.answer.headers
    ranges = body.answer.status == 206 or headers.get("Accept-Ranges", "").strip().lower() == "bytes"
    return ranges and bool(body.version.size and body.version.validator)


class Gauge:
    """How many connections to use, told from what came in windows of WINDOW_SECONDS. Pure: it knows no clock.

    A connection stays if it brought at least half of what those before it brought each.
    """

    def __init__(self, most: int) -> None:
        self.connections = 1
        self.settled = most < 2
        self._most = most
        self._speed = 0.0

    def judge(self, speed: float, starving: bool) -> int:
        """The number for the next window: bytes a second came in the last one; `starving`: the line was waited for."""
        before, wanted = self.connections - 1, starving and speed < FAST_BYTES_PER_SECOND
        if before and starving and speed < self._speed * (1 + 0.5 / before):
            self.connections, self.settled = before, True
        elif not wanted or self.connections == self._most:
            self.settled = self.connections > 1  # one connection may become slow later
        else:
            self.connections += 1
            self._speed = speed
        return self.connections

    def give_up(self) -> None:
        """More than one was too much for the server."""
        self.connections, self.settled = 1, True

    @property
    def useful(self) -> int:
        """The most that are worth trying from here on."""
        return self.connections if self.settled else self._most


class WideBody:
    """Like a Body, over one connection to at most `most`."""

    def __init__(self, source: HttpSource, fetcher: Fetcher, body: Body, most: int) -> None:
        self.answer = body.answer
        self.start = body.start
        self.version = body.version
        self.position = body.start
        self._source = source
        self._fetcher = fetcher
        self._single = body
        self._segments: Segments | None = None
        self._gauge = Gauge(most)
        self._lock = threading.Lock()
        self._closed = False
        self._measure_anew()

    @property
    def useful_connections(self) -> int:
        """How many the next WideBody of the same download should try at most."""
        return self._gauge.useful

    def readinto(self, buffer: memoryview) -> int:
        """See Answer.readinto. What goes wrong with several connections is said to be one that may heal:

        one connection then finds out what it is.
        """
        began = time.monotonic()
        count = self._read(buffer)
        now = time.monotonic()
        self.position += count
        self._received += count
        self._waited += now - began
        if not self._gauge.settled and now - self._since >= WINDOW_SECONDS:
            self._judge(now)
        return count

    def close(self) -> None:
        """From any thread."""
        with self._lock:
            self._closed = True
            self._single.close()
            if self._segments is not None:
                self._segments.close()

    def _read(self, buffer: memoryview) -> int:
        if self._segments is None:
            return self._single.readinto(buffer)
        try:
            count = self._segments.readinto(buffer)
        except FetchError as error:
            self._gauge.give_up()
            raise (error if error.retryable else Broken()) from error
        if count or self.position == self.version.size:
            return count
        self._go_back()
        return self._single.readinto(buffer)

    # --- deciding ---------------------------------------------------------------------

    def _measure_anew(self) -> None:
        self._since = time.monotonic()
        self._waited = 0.0
        self._received = 0
        self._counted = self._segments.received if self._segments else 0

    def _judge(self, now: float) -> None:
        if (self.version.size or 0) - self.position < LEAST_BYTES:
            return
        seconds = now - self._since
        # What waits in the window for a slow neighbour came, too.
        received = self._segments.received - self._counted if self._segments else self._received
        self._set(self._gauge.judge(received / seconds, starving=self._waited > seconds / 2))
        self._measure_anew()

    def _set(self, connections: int) -> None:
        with self._lock:
            if self._closed:
                return
            if self._segments is not None:
                self._segments.connections = connections if connections > 1 else 0
            elif connections > 1:
                self._single.close()
                # The last address of all redirects: the same server, and not every redirect over again.
                self._segments = Segments(self._another, self.answer.url, self.position, self.version, connections)

    def _another(self) -> Fetcher:
        return Fetcher(self._fetcher.policy, self._fetcher.resolver)

    def _go_back(self) -> None:
        """To one connection, after the last segment that was under way."""
        body = self._source.open(self.position, self.version)
        with self._lock:
            if self._closed or body.start != self.position:
                body.close()
                raise Broken  # another content: who asks again learns it
            self._single, self._segments = body, None

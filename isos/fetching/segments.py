"""Segments: one content over several connections at once, handed on in order.

What is stored grows at its end alone, so the connections fetch neighbouring segments into a window
of buffers and the reader takes from the first one. Each segment is a request of its own that must be
answered with exactly the bytes that were asked for, of the same version; anything else ends them all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from isos.fetching import answers
from isos.fetching.errors import Broken, FetchError
from isos.fetching.guard import Fetcher
from isos.fetching.reading import Answer, open_answer
from isos.fetching.source import Version

SEGMENT_BYTES = 8 << 20
STEP_BYTES = 256 << 10  # after how much of it a segment's bytes can be taken

NewFetcher = Callable[[], Fetcher]


def open_segment(fetcher: Fetcher, url: str, first: int, last: int, version: Version) -> Answer:
    """Bytes `first` to `last` (both of them) of that version. Raises a FetchError, Broken for any other part."""
    answer = open_answer(fetcher, url, {"Range": f"bytes={first}-{last}", "If-Range": version.validator})
    part = answers.content_range(answer.headers) if answer.status == 206 else None
    length = last - first + 1
    if (
        part is None
        or (part.first, part.last) != (first, last)
        or part.total not in (None, version.size)
        or answers.is_other(version.validator, answer.headers)
        or answer.length not in (None, length)
    ):
        answer.close()
        raise Broken
    answer.length = length
    return answer


class _Segment:
    """Where it lies in the content, and how much of it has come and was handed on."""

    def __init__(self, first: int, last: int, buffer: bytearray) -> None:
        self.first = first
        self.last = last
        self.buffer = buffer
        self.view = memoryview(buffer)[: last - first + 1]
        self.filled = 0
        self.taken = 0
        self.broken = False


class Segments:
    """The bytes of `version` from `start` to its end, by `connections` at once, which may be changed meanwhile.

    0 connections: what is under way is still handed on, then it ends. One thread reads, any may `close`.
    Holds one buffer of SEGMENT_BYTES more than there are connections.
    """

    def __init__(self, new_fetcher: NewFetcher, url: str, start: int, version: Version, connections: int) -> None:
        self.received = 0
        self._new_fetcher = new_fetcher
        self._url = url
        self._version = version
        self._next, self._end = start, version.size or 0
        self._changed = threading.Condition()
        self._window: deque[_Segment] = deque()
        self._free: list[bytearray] = []
        self._made = 0
        self._running = 0
        self._closed = False
        self._trouble: FetchError | None = None
        self._fetchers: list[Fetcher] = []
        self._threads: list[threading.Thread] = []
        self._connections = 0
        self.connections = connections

    @property
    def connections(self) -> int:
        return self._connections

    @connections.setter
    def connections(self, count: int) -> None:
        with self._changed:
            self._connections = count
            while self._running < count and not self._closed:
                self._running += 1
                self._fetchers.append(self._new_fetcher())
                thread = threading.Thread(target=self._work, args=(self._fetchers[-1],), name="segment", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    # --- reading ----------------------------------------------------------------------

    def readinto(self, buffer: memoryview) -> int:
        """What is there of the next bytes, at most a buffer full; waits for some. 0 at the end.

        Raises what went wrong with a segment when all before it was handed on.
        """
        with self._changed:
            while not (done := self._take(buffer)):
                over = self._running == 0 or (self._window and self._window[0].broken)
                if self._trouble is not None and over:
                    raise self._trouble
                if self._closed:
                    raise Broken
                if self._running == 0 and not self._window:
                    return 0
                self._changed.wait()
            return done

    def _take(self, buffer: memoryview) -> int:
        done = 0
        while done < len(buffer) and self._window:
            head = self._window[0]
            count = min(head.filled - head.taken, len(buffer) - done)
            if count == 0:
                break
            buffer[done : done + count] = head.view[head.taken : head.taken + count]
            head.taken += count
            done += count
            if head.taken == len(head.view):
                self._window.popleft()
                self._free.append(head.buffer)
                self._changed.notify_all()
        return done

    def close(self) -> None:
        """End all connections; who reads gets Broken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for fetcher in self._fetchers:
            fetcher.abort()
        for thread in self._threads:
            thread.join()

    # --- fetching ---------------------------------------------------------------------

    def _work(self, fetcher: Fetcher) -> None:
        with fetcher:
            while (segment := self._claim()) is not None:
                try:
                    self._fill(fetcher, segment)
                except BaseException as error:
                    self._end_with(error if isinstance(error, FetchError) else Broken(), segment)
                    if isinstance(error, FetchError):
                        return
                    raise

    def _claim(self) -> _Segment | None:
        """The next segment for one connection; None where it is one too many, or nothing is left to fetch."""
        with self._changed:
            while True:
                over = self._closed or self._trouble is not None or self._next >= self._end
                if over or self._running > self._connections:
                    self._running -= 1
                    self._changed.notify_all()
                    return None
                if self._free or self._made < self._connections + 1:
                    break
                self._changed.wait()
            if not self._free:
                self._made += 1
                self._free.append(bytearray(SEGMENT_BYTES))
            first = self._next
            self._next = min(first + SEGMENT_BYTES, self._end)
            segment = _Segment(first, self._next - 1, self._free.pop())
            self._window.append(segment)
            return segment

    def _fill(self, fetcher: Fetcher, segment: _Segment) -> None:
        answer = open_segment(fetcher, self._url, segment.first, segment.last, self._version)
        try:
            while segment.filled < len(segment.view):
                count = answer.readinto(segment.view[segment.filled : segment.filled + STEP_BYTES])
                if count == 0:
                    raise Broken
                with self._changed:
                    segment.filled += count
                    self.received += count
                    self._changed.notify_all()
        finally:
            answer.close()

    def _end_with(self, error: FetchError, segment: _Segment) -> None:
        with self._changed:
            self._trouble = self._trouble or error
            segment.broken = True
            self._running -= 1
            self._changed.notify_all()

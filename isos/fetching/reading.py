"""One HTTP answer as a reader: what it says was judged, what it sends is counted and timed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

import requests

from isos.fetching import answers, locations
from isos.fetching.errors import Broken, FetchError, Private, SlowSource, WebPage
from isos.fetching.guard import Fetcher
from isos.fetching.policy import Policy
from isos.fetching.troubles import typed_errors
from isos.fetching.urls import parse

READ_BYTES = 256 << 10
FILL_SECONDS = 0.25  # a buffer that fills slowly is handed on half empty, for the sake of progress
PEEK_BYTES = 1024
PAGE_BYTES = 64 << 10
NOT_SATISFIABLE = 416


class Answer:
    """The body of a response, as it comes over the line. Close it."""

    def __init__(self, response: requests.Response, policy: Policy) -> None:
        self.url = response.url
        self.status = response.status_code
        self.headers = response.headers
        self.length = answers.content_length(response.headers)
        self._response = response
        self._host = parse(response.url).host
        self._peeked = b""
        self._received = 0
        self._trouble: FetchError | None = None
        self._pace = Pace(policy)

    def peek(self, count: int) -> bytes:
        """The first `count` bytes, fewer where the body ends before; they are read again later."""
        if count > len(self._peeked):
            view = memoryview(bytearray(count - len(self._peeked)))
            done = 0
            while done < len(view) and (got := self._receive(view[done:])):
                done += got
            self._peeked += bytes(view[:done])
        return self._peeked[:count]

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or what of it arrives within a moment; 0 at the end.

        Raises Broken where the connection ended before the declared length, SlowSource,
        TimedOut or BadAnswer.
        """
        done = min(len(self._peeked), len(buffer))
        buffer[:done], self._peeked = self._peeked[:done], self._peeked[done:]
        until = time.monotonic() + FILL_SECONDS
        while done < len(buffer) and not self._peeked:
            try:
                got = self._trouble_or_receive(buffer[done:])
            except FetchError as error:
                if not done:
                    raise
                self._trouble = error  # what came before it is not lost
                return done
            done += got
            if not got or time.monotonic() >= until:
                break
        return done

    def _trouble_or_receive(self, buffer: memoryview) -> int:
        if self._trouble is not None:
            raise self._trouble
        return self._receive(buffer)

    def close(self) -> None:
        self._response.close()

    def _receive(self, buffer: memoryview) -> int:
        """What one read of the socket brings."""
        left = len(buffer) if self.length is None else self.length - self._received
        wanted = min(len(buffer), left, READ_BYTES)
        if wanted == 0:
            return 0
        began = time.monotonic()
        with typed_errors(self._host):
            chunk = self._response.raw.read1(wanted, decode_content=False) or b""
        if not chunk and self.length is not None:
            raise Broken
        self._pace.received(len(chunk), time.monotonic() - began)
        self._received += len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


class Pace:
    """Gives up on a server that sends too slowly over a whole window of time spent waiting for it.

    Time that the portal spends on its own side (a slow disk) is not held against the server.
    """

    def __init__(self, policy: Policy) -> None:
        self._window = policy.slow_seconds
        self._floor = policy.slow_bytes_per_second
        self._reads: deque[tuple[float, int]] = deque()
        self._seconds = 0.0
        self._bytes = 0

    def received(self, count: int, seconds: float) -> None:
        """`count` bytes came after waiting `seconds` for them. Raises SlowSource."""
        # Short waits are put together, so that a window holds some hundred entries at most.
        before, bytes_before = 0.0, 0
        if self._reads and self._reads[-1][0] < self._window / 100:
            before, bytes_before = self._reads.pop()
        self._reads.append((before + seconds, bytes_before + count))
        self._seconds += seconds
        self._bytes += count
        while self._seconds - self._reads[0][0] >= self._window:
            oldest, gone = self._reads.popleft()
            self._seconds -= oldest
            self._bytes -= gone
        if self._seconds >= self._window and self._bytes < self._floor * self._seconds:
            raise SlowSource


def open_answer(fetcher: Fetcher, url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer that holds a file (200, 206) or refuses a range (416), past the pages before it.

    Raises a FetchError for every other status, for compressed bodies and for web pages.
    """
    asked = url
    for _ in range(2):
        response = fetcher.open(url, headers, rewrite=_moved_bucket)
        try:
            answer = _judged(response, fetcher.policy)
            following = _behind_page(asked, answer)
        except BaseException:
            response.close()
            raise
        if following is None:
            return answer
        answer.close()
        url = following
    raise WebPage


def _moved_bucket(response: requests.Response) -> str | None:
    return locations.moved_bucket(response.status_code, response.headers, response.url)


def _judged(response: requests.Response, policy: Policy) -> Answer:
    answers.require_plain(response.headers)
    if response.status_code != NOT_SATISFIABLE and (
        error := answers.status_error(response.status_code, response.headers)
    ):
        raise locations.access_error(response.url, error)
    return Answer(response, policy)


def _behind_page(asked: str, answer: Answer) -> str | None:
    """The download behind a web page; None for a file. Raises Private or WebPage."""
    part = answers.content_range(answer.headers) if answer.status == 206 else None
    if answer.status == NOT_SATISFIABLE or (part and part.first):
        return None
    if not answers.is_web_page(answer.peek(PEEK_BYTES)):
        return None
    page = answer.peek(PAGE_BYTES)
    if following := locations.after_page(asked, answer.url, page):
        return following
    if answers.is_sign_in(answer.url, page):
        raise Private(
            "The server asks to sign in before it gives this file. Use an address that opens without signing in, "
            "or upload the file from your computer."
        )
    raise WebPage

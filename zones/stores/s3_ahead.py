"""Reading ahead: several pieces of an object asked for at once, given out in order.

One connection to an object store far away brings a fraction of what the line can; some do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

MIB = 1024 * 1024
PIECE_BYTES = 8 * MIB
AT_ONCE = 4  # so at most 40 MiB are in memory, the piece that is given out included

Fetch = Callable[[int, int], bytes]
"""Bytes [start, start + length) of the object, all of them; called in several threads."""


class ReadAhead:
    """The bytes from `start` to `end`. Ends with `close`, which does not wait for what is still on its way."""

    def __init__(self, fetch: Fetch, start: int, end: int) -> None:
        self._fetch = fetch
        self._next = start
        self._end = end
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-ahead")
        self._pieces: deque[Future[bytes]] = deque()
        self._piece = memoryview(b"")

    def take(self, wanted: int) -> memoryview:
        """Up to `wanted` bytes; none only at the end. Raises what `fetch` raised for them."""
        if not self._piece:
            self._ask()
            if not self._pieces:
                return self._piece
            self._piece = memoryview(self._pieces.popleft().result())
            self._ask()
        taken, self._piece = self._piece[:wanted], self._piece[wanted:]
        return taken

    def _ask(self) -> None:
        while len(self._pieces) < AT_ONCE and self._next < self._end:
            length = min(PIECE_BYTES, self._end - self._next)
            self._pieces.append(self._threads.submit(self._fetch, self._next, length))
            self._next += length

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pieces.clear()
        self._piece = memoryview(b"")

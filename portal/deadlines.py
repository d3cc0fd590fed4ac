"""Cutting off requests whose body takes too long.

A thread that reads a body can't stop by itself: the server's reader waits until it has all it
was asked for, and a client that sends a byte now and then keeps it waiting for ever. So one
watching thread shuts such a connection down; the reader then sees the line break.
"""

from __future__ import annotations

import heapq
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.http import HttpRequest


class Limit:
    """The time that one connection has left. Without a connection (tests, other servers) it does nothing."""

    def __init__(self, connection: socket.socket | None) -> None:
        self.connection = connection
        self.at = float("inf")

    def renew(self, seconds: float) -> None:
        """From now on it has so many seconds."""
        if self.connection is not None:
            self.at = time.monotonic() + seconds
            _watcher.watch(self)

    def end(self) -> None:
        """What it did in time, it may take."""
        self.connection = None


@contextmanager
def limit(request: HttpRequest) -> Iterator[Limit]:
    """A limit on reading the request's body, set by its `renew`."""
    own = Limit(request.META.get("gunicorn.socket"))
    try:
        yield own
    finally:
        own.end()


class _Watcher:
    """One thread for all connections, started with the first of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Limit]] = []
        self._number = itertools.count()
        self._queued: set[int] = set()
        self._thread: threading.Thread | None = None

    def watch(self, limit: Limit) -> None:
        """Look at `limit` when it is due. One entry each: a later renewal is seen when that one is."""
        if id(limit) in self._queued:
            return
        with self._changed:
            self._queued.add(id(limit))
            heapq.heappush(self._queue, (limit.at, next(self._number), limit))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                at, _, limit = self._queue[0]
                if (left := at - time.monotonic()) > 0:
                    self._changed.wait(left)
                    continue
                heapq.heappop(self._queue)
                self._queued.discard(id(limit))
            self._judge(limit)

    def _judge(self, limit: Limit) -> None:
        connection = limit.connection
        if connection is None:
            return
        if limit.at > time.monotonic():
            self.watch(limit)
            return
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


_watcher = _Watcher()

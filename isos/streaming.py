"""The one checked stream: count, hash, look at the first bytes, tell progress.

Every byte that becomes part of an ISO passes through here, whatever its source. The hash is
nearly all of the cost: 64 KiB are copied for inspection, nothing else is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, BinaryIO

from isos.errors import ChecksumMismatch, SizeMismatch
from isos.inspection.head import HEAD_BYTES, Head, check_head

CHUNK_BYTES = 1 << 20
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Content:
    """What came: its size in bytes and its SHA-256 in lower-case hexadecimal."""

    size: int
    sha256: str


class CheckedStream:
    """Takes the bytes of one ISO in order, from its first to its last.

    `feed` refuses as soon as the first 64 KiB show that this is no ISO image, or when more
    comes than was declared, so that nothing is transferred in vain; `finish` decides about
    the whole. Refusals are `ContentRefused`: final. `on_progress` gets the bytes so far with
    every chunk and may raise to stop; it does its own throttling. `expected_digest` is one of another
    algorithm, as `sha512:3b1f…`; it costs a second hash. `known` bytes belong to an ISO that passed before:
    only size and digests are compared.
    """

    def __init__(
        self,
        *,
        expected_size: int | None = None,
        expected_sha256: str = "",
        expected_digest: str = "",
        known: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self.received = 0
        self._expected_size = expected_size
        self._expected_sha256 = expected_sha256.strip().lower()
        self._expected_digest = expected_digest
        self._known = known
        self._other = hashlib.new(expected_digest.partition(":")[0], usedforsecurity=False) if expected_digest else None
        self._on_progress = on_progress
        self._sha256 = hashlib.sha256()
        self._first_bytes = bytearray()
        self._head: Head | None = None

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes. The chunk may be reused as soon as this returns."""
        self.received += len(chunk)
        if self._expected_size is not None and self.received > self._expected_size:
            raise SizeMismatch.sizes(expected=self._expected_size, found=self.received)
        if self._head is None and not self._known:
            self._look(chunk)
        self._sha256.update(chunk)
        if self._other is not None:
            self._other.update(chunk)
        if self._on_progress is not None:
            self._on_progress(self.received)

    def wait(self) -> None:
        """Nothing has come for a while: tell the progress all the same."""
        if self._on_progress is not None:
            self._on_progress(self.received)

    def finish(self) -> Content:
        """The verdict after the last byte."""
        if self._expected_size is not None and self.received != self._expected_size:
            raise SizeMismatch.sizes(expected=self._expected_size, found=self.received)
        if not self._known:
            head = self._head or check_head(bytes(self._first_bytes), whole=True)
            head.check_size(self.received)
        digest = self._sha256.hexdigest()
        if self._expected_sha256 and digest != self._expected_sha256:
            raise ChecksumMismatch.digests(expected=self._expected_sha256, found=digest)
        self._check_other()
        return Content(self.received, digest)

    def _check_other(self) -> None:
        if self._other is None:
            return
        algorithm, _, expected = self._expected_digest.partition(":")
        if (found := self._other.hexdigest()) != expected:
            raise ChecksumMismatch.digests(expected=expected, found=found, algorithm=algorithm)

    def _look(self, chunk: bytes | memoryview) -> None:
        self._first_bytes += chunk[: HEAD_BYTES - len(self._first_bytes)]
        if len(self._first_bytes) == HEAD_BYTES:
            self._head = check_head(bytes(self._first_bytes))
            if self._expected_size is not None:
                self._head.check_size(self._expected_size)


def read_through(reader: BinaryIO, stream: CheckedStream, chunk_size: int = CHUNK_BYTES) -> None:
    """Feed all that `reader` still has.

    One thread fills a buffer while this one hashes the other: both let go of the interpreter,
    so reading costs no time of its own where there are two processors or a network.
    """
    readinto = getattr(reader, "readinto", None) or _readinto_by_read(reader)
    now, following = memoryview(bytearray(chunk_size)), memoryview(bytearray(chunk_size))
    with ThreadPoolExecutor(1, "read-ahead") as ahead:  # leaving waits for the read under way
        pending = ahead.submit(readinto, now)
        while count := _result(pending, stream):
            pending = ahead.submit(readinto, following)
            stream.feed(now[:count])
            now, following = following, now


def _result(pending: Future[int], stream: CheckedStream) -> int:
    """What the read brings. A store that is slow must not keep the stream from telling its progress."""
    while not pending.done() and not wait([pending], WAIT_SECONDS).done:
        stream.wait()
    return pending.result()


def _readinto_by_read(reader: BinaryIO) -> Callable[[memoryview], int]:
    """`readinto` for readers that only know `read`."""

    def readinto(buffer: Any) -> int:
        data = reader.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    return readinto

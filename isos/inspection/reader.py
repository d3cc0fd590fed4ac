"""The limits under which an image is read: bytes, requests and time."""

from __future__ import annotations

import time
from typing import BinaryIO

MAX_BYTES = 2 << 20
MAX_READS = 32  # over S3 each one is a request
MAX_READ_BYTES = 256 << 10


class LimitReached(Exception):
    """No more may be read. What was found so far is the result."""


class BoundedReader:
    """Reads at given places of an image until bytes, reads or time are used up.

    A range that leaves the file comes back shorter, never as an error. The first bytes,
    which every check wants, are read once.
    """

    def __init__(self, source: BinaryIO, size: int, *, seconds: float, head_bytes: int) -> None:
        self.size = size
        self.bytes_read = 0
        self.reads = 0
        self._source = source
        self._deadline = time.monotonic() + seconds
        self.head = self._fetch(0, min(head_bytes, size))

    def read(self, offset: int, length: int, *, needed: bool = False) -> bytes:
        """Up to `length` bytes at `offset` (both bytes). Raises `LimitReached`.

        What is `needed` for the verdict is read even after the deadline, so that a slow store
        never lets a bad image pass: there are four such reads at most.
        """
        length = min(length, MAX_READ_BYTES, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        if offset + length <= len(self.head):
            return self.head[offset : offset + length]
        late = not needed and time.monotonic() >= self._deadline
        if late or self.reads >= MAX_READS or self.bytes_read + length > MAX_BYTES:
            raise LimitReached
        return self._fetch(offset, length)

    def _fetch(self, offset: int, length: int) -> bytes:
        self._source.seek(offset)
        self.reads += 1
        parts: list[bytes] = []
        while length > 0 and (part := self._source.read(length)):
            parts.append(part)
            length -= len(part)
            self.bytes_read += len(part)
        return b"".join(parts)

"""Reading, hashing and writing at the same time, in bounded memory.

One thread reads ahead, one writes and syncs, the job's own hashes in between and keeps the
lease: all three let go of the interpreter, so a copy takes as long as the slowest of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, cast

from isos.operations.engine import Job
from isos.operations.sources import SourceFailed
from isos.streaming import CHUNK_BYTES
from zones.stores.base import StagedObject, StoreError

BUFFERS = 8
FLUSH_SECONDS = 5.0
FLUSH_BYTES = 512 << 20

Feed = Callable[[memoryview], None]
"""Sees every chunk in order, before it is written; may raise to stop."""


def pump(job: Job, reader: BinaryIO, staged: StagedObject, feed: Feed) -> None:
    """Append all that `reader` still has to `staged`; it is durable then.

    Raises SourceFailed where reading fails, and whatever `feed` and the staged object raise.
    """
    writer = _Writer(staged)
    reached = {"bytes_done": staged.offset}
    free = deque(memoryview(bytearray(CHUNK_BYTES)) for _ in range(BUFFERS))
    written: deque[tuple[Future[None], memoryview]] = deque()
    with ThreadPoolExecutor(1, "copy-write") as writing, ThreadPoolExecutor(1, "copy-read") as reading:
        buffer = free.popleft()
        pending = reading.submit(_fill, reader, buffer)
        while count := _read(job, pending, reached):
            if not free:
                done, released = written.popleft()
                job.result(done, reached)
                free.append(released)
            following = free.popleft()
            pending = reading.submit(_fill, reader, following)
            feed(buffer[:count])
            reached["bytes_done"] += count
            written.append((writing.submit(writer.take, buffer[:count]), buffer))
            buffer = following
        for done, _ in written:
            job.result(done, reached)
        job.result(writing.submit(writer.flush), reached)


def _fill(reader: BinaryIO, buffer: memoryview) -> int:
    return cast(int, reader.readinto(buffer))  # type: ignore[attr-defined]


def _read(job: Job, pending: Future[int], reached: dict[str, int]) -> int:
    try:
        return job.result(pending, reached)
    except StoreError as trouble:
        raise SourceFailed(trouble) from trouble


class _Writer:
    """What the writing thread does: append, and every few seconds make durable."""

    def __init__(self, staged: StagedObject) -> None:
        self._staged = staged
        self._flushed = staged.offset
        self._flushed_at = time.monotonic()

    def take(self, chunk: memoryview) -> None:
        self._staged.append(chunk)
        late = time.monotonic() - self._flushed_at >= FLUSH_SECONDS
        if late or self._staged.offset - self._flushed >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        self._flushed = self._staged.flush()
        self._flushed_at = time.monotonic()

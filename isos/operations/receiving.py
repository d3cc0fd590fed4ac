"""Receiving a file from a web address into a staged object, over however many connections it takes.

Where what is kept where: the staged object tells the durable offset, the UrlImport the content
it belongs to, the stream the hash of all so far. A line that breaks is taken up again here as
long as that brings the file further; else the operation waits in the queue.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from django.conf import settings
from django.db import transaction

from isos.fetching import checksums
from isos.fetching.answers import file_name
from isos.fetching.checksums import Published
from isos.fetching.errors import Broken, Busy, FetchError, SourceChanging
from isos.fetching.guard import Fetcher
from isos.fetching.locations import download_address
from isos.fetching.source import Body, HttpSource, Version
from isos.fetching.urls import parse
from isos.fetching.widening import WideBody, can_widen
from isos.models import Iso, Operation, Replica, UrlImport
from isos.operations import waiting
from isos.operations.engine import Job
from isos.operations.verifying import Expected
from isos.streaming import CHUNK_BYTES, CheckedStream, read_through
from quotas import reservations
from quotas.usage import limits_of
from zones.stores.base import StagedObject, Store

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
FLUSH_BYTES = 512 << 20
BEAT_SECONDS = 0.5
STEP_BYTES = 256 << 20  # by how much quota grows while nobody knows the size
PROGRESS_BYTES = 1 << 20  # what a connection must add to count as one that got further
MAX_FAILURES = 4  # broken connections in a row, the last that got further included
MAX_CHANGES = 2  # of the content, in one attempt
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

T = TypeVar("T")


def expected_of(replica: Replica) -> Expected:
    """What the bytes must be, as far as it is known."""
    url_import = replica.url_import
    algorithm, _, digest = url_import.checksum.partition(":")
    sha256 = digest if algorithm == "sha256" else replica.iso.expected_sha256
    other = "" if algorithm in ("", "sha256") else url_import.checksum
    return Expected(url_import.size, sha256, other)


class Transfer:
    """One attempt of a fetch. Use as a context: leaving it ends whatever a thread still waits for."""

    def __init__(self, job: Job, store: Store, staged: StagedObject, fetcher: Fetcher) -> None:
        self.staged = staged
        self._job = job
        self._store = store
        self._replica = job.replica
        self._import = job.replica.url_import
        self._fetcher = fetcher
        self._source = HttpSource(fetcher, self._import.url or "", limit=limits_of(job.operation.account).max_iso_bytes)
        self._stream: CheckedStream | None = None
        self._threads = ThreadPoolExecutor(1, "fetch")
        self._pending: Future[int] = Future()
        self._pending.set_result(0)
        self._reserved = -1  # not known yet
        self._changes = 0
        self._flushed_at = time.monotonic()
        self._flushed = staged.offset
        self._furthest = staged.offset
        self._failures = 0
        self._connections = settings.IMPORT_CONNECTIONS

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fetcher.abort()
        self._threads.shutdown()
        if kind is not None:
            self.staged.close()

    def run(self) -> CheckedStream | None:
        """Receive what is missing; all of it is durable then.

        Returns the stream with the hash of all bytes, or None where the staged bytes of an
        earlier attempt could not be read: then the whole is to be read after the commit.
        """
        self._job.phase(Operation.Phase.RECEIVING, total=self._import.size)
        self._take_up()
        while not self._receive_once():
            pass
        self._flush()
        return self._stream

    # --- going on ---------------------------------------------------------------------

    def _take_up(self) -> None:
        """Hash again what an earlier attempt left; the job shows how far it was."""
        if self.staged.offset == 0:
            return
        reader = self.staged.open()
        if reader is None:
            return
        with reader:
            stream = expected_of(self._replica).stream(self._job)
            read_through(reader, stream)
        self._stream = stream

    def _receive_once(self) -> bool:
        """One connection. Returns whether the file is complete."""
        size = self._import.size
        if size is not None and self.staged.offset == size:
            return True
        try:
            body = self._waiting(lambda: self._source.open(self.staged.offset, self._version()))
            with self._line(body) as line:
                self._begin(body)
                self._pump(line)
            if self._import.size is not None and self.staged.offset < self._import.size:
                raise Broken  # an honest server may send less than was asked for
        except FetchError as error:
            if isinstance(error, Busy):
                self._connections = 1
            self._pause_after(error)
            return False
        return True

    @contextmanager
    def _line(self, body: Body) -> Iterator[Body | WideBody]:
        """The body over as many connections as help; the next one tries no more than that."""
        line = WideBody(self._source, self._fetcher, body, self._connections) if can_widen(body) else body
        try:
            yield line
        finally:
            if isinstance(line, WideBody):
                self._connections = line.useful_connections
            if not self._pending.done():
                self._fetcher.abort()  # closing would wait for the read under way
            line.close()

    def _version(self) -> Version:
        return Version(self._import.size, self._import.validator)

    def _pause_after(self, error: FetchError) -> None:
        """Wait before the next connection. Raises the error where another one would not help."""
        if not error.retryable:
            raise error
        self._flush()
        if self.staged.offset >= self._furthest + PROGRESS_BYTES:
            self._failures = 0
        self._furthest = max(self._furthest, self.staged.offset)
        self._failures += 1
        pause = max(error.retry_after, FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1) * random.uniform(0.5, 1))  # noqa: S311 -- jitter
        if self._failures >= MAX_FAILURES or pause > LONGEST_PAUSE_SECONDS:
            raise error
        logger.info("import %s: %s at %s bytes", self._replica.public_id, error.code, self.staged.offset)
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, BEAT_SECONDS))
            self._job.progress(self.staged.offset)

    # --- a connection begins ----------------------------------------------------------

    def _begin(self, body: Body) -> None:
        if body.start == 0:
            self._start(body)
        elif self._import.size is None and body.version.size is not None:
            self._note(size=body.version.size)
        self._know_size(body.version.size)

    def _start(self, body: Body) -> None:
        """From the first byte on."""
        if self.staged.offset:
            self._start_over(body.version)
        self._note(size=body.version.size, validator=body.version.validator)
        self._find_checksum(body)
        self._stream = expected_of(self._replica).stream(self._job)

    def _start_over(self, version: Version) -> None:
        """Another content, or a server that sends no parts: nothing that came is of any use."""
        logger.info("import %s: starting over after %s bytes", self._replica.public_id, self.staged.offset)
        changed = version != self._version()
        self._changes += changed
        if self._changes > MAX_CHANGES:
            raise SourceChanging
        fields: dict[str, object] = {"size": None, "validator": "", "restarts": self._import.restarts + 1}
        if changed and self._import.checksum_origin in UrlImport.READ_ORIGINS:
            fields |= {"checksum": "", "checksum_origin": "", "shown_checksum_url": "", "checksum_sought": False}
        self._note(**fields)
        self.staged.abort()
        self.staged.close()
        self.staged = self._store.stage(self._replica.staging_token, self._replica.key)
        self._stream = None
        self._flushed = 0
        self._job.phase(Operation.Phase.RECEIVING)

    def _know_size(self, size: int | None) -> None:
        """The declared size may differ from what was reserved at the start."""
        if size is None or size == self._reserved:
            return
        self._reserve(size)
        with transaction.atomic():
            waiting.resize(self._replica.iso, size)
        with transaction.atomic():
            self._job.lease.renew(bytes_total=size)
            Iso.objects.filter(pk=self._replica.iso_id, ready_at=None).update(size=size)

    def _reserve(self, size: int) -> None:
        with transaction.atomic():
            reservations.resize(self._replica.public_id, size)
        self._reserved = size

    def _note(self, **fields: object) -> None:
        """Write the import's row, provided that the job is still ours."""
        with transaction.atomic():
            self._job.lease.renew()
            UrlImport.objects.filter(pk=self._import.pk).update(**fields)
        for name, value in fields.items():
            setattr(self._import, name, value)

    # --- bytes ------------------------------------------------------------------------

    def _pump(self, body: Body | WideBody) -> None:
        """One thread reads ahead from the line, this one hashes and writes."""
        now, following = memoryview(bytearray(CHUNK_BYTES)), memoryview(bytearray(CHUNK_BYTES))
        self._pending = self._threads.submit(body.readinto, now)
        while count := self._result(self._pending):
            self._pending = self._threads.submit(body.readinto, following)
            self._take(now[:count])
            now, following = following, now

    def _take(self, chunk: memoryview) -> None:
        offset = self.staged.offset + len(chunk)
        self._source.check_size(offset)
        if self._import.size is None and offset > self._reserved:
            self._reserve(min(offset + STEP_BYTES, self._source.limit))
        if self._stream is not None:
            self._stream.feed(chunk)
        else:
            self._job.progress(offset)
        self.staged.append(chunk)
        late = time.monotonic() - self._flushed_at >= FLUSH_SECONDS
        if late or self.staged.offset - self._flushed >= FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._flushed = self.staged.flush()
        self._flushed_at = time.monotonic()

    def _waiting(self, act: Callable[[], T]) -> T:
        """Do it in the other thread, and keep the job alive meanwhile."""
        return self._result(self._threads.submit(act))

    def _result(self, pending: Future[T]) -> T:
        while not wait([pending], BEAT_SECONDS).done:
            self._job.progress(self.staged.offset)
        return pending.result()

    # --- checksums --------------------------------------------------------------------

    def _find_checksum(self, body: Body) -> None:
        """Read the checksum file that the user named, or look for one beside the image, once."""
        if self._import.checksum or self._import.checksum_sought:
            return
        address = download_address(self._import.url or "")
        asked, came = parse(address), parse(body.answer.url)
        names = [self._replica.iso.source_name, asked.file_name, file_name(body.answer.headers, came.url)]
        named = self._import.checksum_url
        with Fetcher(self._fetcher.policy, self._fetcher.resolver) as fetcher:
            found = self._waiting(
                (lambda: checksums.fetch(fetcher, named, names))
                if named
                else (lambda: checksums.discover(fetcher, [asked.url, came.url], names[1:]))
            )
        origin = UrlImport.ChecksumOrigin.FILE if named else UrlImport.ChecksumOrigin.FOUND
        self._note(checksum_sought=True, **(_as_fields(found, origin) if found else {}))


def _as_fields(found: Published, origin: UrlImport.ChecksumOrigin) -> dict[str, str]:
    return {"checksum": str(found.checksum), "checksum_origin": origin, "shown_checksum_url": found.url}

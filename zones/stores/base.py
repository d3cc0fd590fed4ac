"""What a zone can do with bytes: the two protocols and the few typed errors.

One write path serves every source: bytes go into a `StagedObject`, which becomes visible
under its key by one atomic `commit`. A staged object is named by a token and can be
reopened by that token from any process after a crash; it then tells the true durable
offset. Keys and tokens are made by the server only (zones.stores.names says what they may
hold), and one token always goes with one key: S3 can't rename, so a store must know the key
before the first byte comes.

A crash may come between `commit` and whatever the caller writes down about it. `stage` of a
token whose object stands under its key already therefore answers with a staged object that
is `committed`: `offset` is the whole size, `commit` and `abort` do nothing, `append` raises
`ObjectExists`. To begin anew, `delete` the key first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol, runtime_checkable

from portal.kernel.errors import PortalError

Progress = Callable[[int], None]
"""Called with the number of bytes done so far; may raise to stop the work."""


class StoreError(PortalError):
    """A zone's storage could not do what was asked."""

    code = "store_error"
    status = 502
    retryable = True
    default_message = "The zone's storage reported an error. Try again later."

    def __init__(self, message: str = "", *, reason: str = "", code: str = "", field: str = "") -> None:
        """`reason` is for administrators and logs (an errno, an S3 code); users read `message`."""
        super().__init__(message, code=code, field=field)
        self.reason = reason


class ObjectMissing(StoreError):
    """There is no such key or token."""

    code = "store_missing"
    status = 404
    retryable = False
    default_message = "The file is no longer in the zone's storage."


class StoreFull(StoreError):
    """No space left, or the storage's own quota is used up."""

    code = "store_full"
    status = 507
    retryable = False
    default_message = "The zone is out of disk space. Choose another zone, or try again later."


class StoreRefused(StoreError):
    """The storage is there but refuses: read-only, wrong credentials, no such bucket."""

    code = "store_refused"
    status = 502
    retryable = False
    default_message = "The zone's storage refuses to be written to. Tell your administrator."


class StoreUnreachable(StoreError):
    """The storage does not answer now; it may later."""

    code = "store_unreachable"
    status = 503
    retryable = True
    default_message = "The zone's storage can't be reached right now. Try again later."


class StagedBusy(StoreError):
    """Another process is writing this staged object."""

    code = "staged_busy"
    status = 423
    retryable = True
    default_message = "Another transfer of this file is still running. Try again in a moment."


class ObjectExists(StoreError):
    """Bytes would replace a committed object. Always a programming error: content never changes."""

    code = "store_exists"
    status = 409
    retryable = False
    default_message = "The zone already holds this file. Delete it there, then try again."


class BadKey(StoreError):
    """A key or token that could leave the store. Always a programming error or an attack."""

    code = "bad_key"
    status = 400
    retryable = False
    default_message = "That name can't be stored."


@dataclass(frozen=True)
class ObjectInfo:
    """One listed object: key, size in bytes, time of last change (aware, UTC)."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Probe:
    """What "Test connection" found. `free_bytes` is None where the backend can't say."""

    ok: bool
    message: str
    free_bytes: int | None = None


@runtime_checkable
class StagedObject(Protocol):
    """Bytes on their way in. At most one process has it open for writing (`StagedBusy`)."""

    token: str
    key: str

    @property
    def committed(self) -> bool:
        """Whether the object stands under its key, from this commit or one before a crash."""

    @property
    def offset(self) -> int:
        """Bytes taken in so far. Right after opening, and after `flush`, all of them durable."""

    def append(self, chunk: bytes | memoryview) -> None:
        """Add bytes at `offset`. May buffer; `flush` makes them durable."""

    def flush(self) -> int:
        """Make everything appended durable and return the durable offset."""

    def open(self) -> BinaryIO | None:
        """A reader over the durable bytes, or None where the backend can't read before commit."""

    def commit(self) -> None:
        """Make the whole object visible under `key`, atomically and durably, and end staging.

        Idempotent: committing again after a crash succeeds when the key is there already.
        Raises `ObjectMissing` after `abort`, `ObjectExists` where another token's object has the key.
        """

    def abort(self) -> None:
        """Give the staged bytes back. Idempotent. Never touches what is committed."""

    def close(self) -> None:
        """Let go of it without losing durable bytes. Idempotent."""


class Store(Protocol):
    """One zone's storage."""

    def stage(self, token: str, key: str) -> StagedObject:
        """Open the staged object of this token for writing, making it where there is none.

        `key` is where it will be committed, the same at every call with this token.
        Raises `StagedBusy` while another process or thread has it open.
        """

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        """A reader from `offset`, which the caller closes. Raises `ObjectMissing`, at once or at the first read."""

    def size(self, key: str) -> int:
        """Bytes under `key`. Raises `ObjectMissing`."""

    def delete(self, key: str) -> None:
        """Remove the key. Idempotent."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every committed object whose key starts with `prefix`. Never staged ones."""

    def list_staged(self) -> Iterator[ObjectInfo]:
        """Every staged object; `key` is its token."""

    def download_url(self, key: str, filename: str, expires: int) -> str | None:
        """An address at which the backend itself serves the key for `expires` seconds, or None."""

    def copy_from(self, source: Store, key: str, staged: StagedObject, progress: Progress) -> bool:
        """Fill `staged`, from its offset on, with `key` of another store by a faster path than streaming.

        Returns False, with `staged` untouched, where no fast path fits. `progress` gets the
        bytes of the object that are there so far. The bytes are not hashed on the way.
        """

    def probe(self) -> Probe:
        """Write, read back and delete a few bytes; say what went wrong in words."""

"""AnyStore: a zone on whatever other Django storage backend. Slower, but it works.

Such a backend can only be given a whole file. So bytes are staged in a spool directory of this
machine, `<data directory>/spool/`, and the commit is one `save` to exactly the key. Two things
follow: the spool needs room for every ISO under way, and web and workers of such a zone must
share the data directory.

Many backends show a file while it is being saved, and half of it after a crash. A mark in the
spool hides the key until the save is known to be whole; taking it away is the commit.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage

from zones.stores import oserrors
from zones.stores.base import (
    BadKey,
    ObjectExists,
    ObjectInfo,
    ObjectMissing,
    Probe,
    Progress,
    StagedObject,
    Store,
    StoreError,
)
from zones.stores.files import FileStore
from zones.stores.names import check_key, check_prefix, check_token
from zones.stores.probing import probe_store
from zones.stores.rooted import sync_directory
from zones.stores.spool import place_hash, spool_directory

SKIP_BYTES = 1024 * 1024


class AnyStore:
    """A Store on a Django storage backend; `place` names its directory in the spool."""

    def __init__(self, storage: Storage, place: str) -> None:
        self.storage = storage
        self._place = place

    @property
    def spool(self) -> FileStore:
        return FileStore(FileSystemStorage(location=str(spool_directory(self._place))))

    @property
    def saving(self) -> Marks:
        """The keys that are being saved, hidden from readers."""
        return Marks(spool_directory(f"{self._place}/.saving"))

    @property
    def saved(self) -> Marks:
        """The tokens whose save is whole, while their bytes still lie in the spool."""
        return Marks(spool_directory(f"{self._place}/.saved"))

    def _check_visible(self, key: str) -> None:
        if self.saving.has(check_key(key)) or not self.storage.exists(key):
            raise ObjectMissing

    def stage(self, token: str, key: str) -> StagedObject:
        return AnyStaged(self, check_token(token), check_key(key))

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        with backend_errors():
            self._check_visible(key)
            file = self.storage.open(key)
            _skip_to(file, offset)
        return cast(BinaryIO, io.BufferedReader(_Raw(file)))

    def size(self, key: str) -> int:
        with backend_errors():
            self._check_visible(key)
            return int(self.storage.size(key))

    def delete(self, key: str) -> None:
        check_key(key)
        with backend_errors():
            if self.storage.exists(key):
                self.storage.delete(key)
        self.saving.drop(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        directory, _, _ = check_prefix(prefix).rpartition("/")
        for key in self._keys(directory):
            if key.startswith(prefix) and not self.saving.has(key) and (info := self._info(key)):
                yield info

    def _keys(self, directory: str) -> Iterator[str]:
        base = f"{directory}/" if directory else ""
        try:
            with backend_errors():
                below, files = self.storage.listdir(directory)
        except ObjectMissing:
            return
        yield from (base + name for name in files if not name.startswith("."))
        for name in below:
            if not name.startswith("."):
                yield from self._keys(base + name)

    def _info(self, key: str) -> ObjectInfo | None:
        try:
            with backend_errors():
                return ObjectInfo(key, int(self.storage.size(key)), self._modified(key))
        except ObjectMissing:
            return None

    def _modified(self, key: str) -> datetime:
        """Now, where the backend can't tell: nothing is then ever too old."""
        try:
            modified: datetime = self.storage.get_modified_time(key)
        except NotImplementedError:
            return datetime.now(UTC)
        return modified if modified.tzinfo else modified.replace(tzinfo=UTC)

    def list_staged(self) -> Iterator[ObjectInfo]:
        return self.spool.list_staged()

    def download_url(self, key: str, filename: str, expires: int) -> str | None:
        check_key(key)
        return None  # Storage.url() promises neither an expiry nor a file name

    def copy_from(self, source: Store, key: str, staged: StagedObject, progress: Progress) -> bool:
        return False

    def probe(self) -> Probe:
        return probe_store(self)


class AnyStaged:
    """A staged file in the spool, sent whole at the commit."""

    def __init__(self, store: AnyStore, token: str, key: str) -> None:
        self.token = token
        self.key = key
        self.committed = False
        self._store = store
        self._size = 0
        self._file = store.spool.stage(token, f"unused/{token}")
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        """Find out whether the object is there already, whole, from before a crash."""
        if self._store.saved.has(self.token):
            self._publish()
        elif self._file.offset == 0 and not self._store.saving.has(self.key):
            with suppress(ObjectMissing):
                self._size = self._store.size(self.key)
                self._file.abort()
                self.committed = True

    @property
    def offset(self) -> int:
        return self._size if self.committed else self._file.offset

    def append(self, chunk: bytes | memoryview) -> None:
        if self.committed:
            raise ObjectExists
        self._file.append(chunk)

    def flush(self) -> int:
        return self._size if self.committed else self._file.flush()

    def open(self) -> BinaryIO | None:
        return self._store.open(self.key) if self.committed else self._file.open()

    def commit(self) -> None:
        """Hide the key, save, compare sizes, show the key. Done again from the start after a crash."""
        if self.committed:
            return
        size = self._file.flush()
        if self._store.saving.has(self.key):
            self._store.delete(self.key)  # what an interrupted save left
        elif self._exists():
            raise ObjectExists
        self._store.saving.put(self.key)
        try:
            self._save(size)
        except StoreError:
            with suppress(StoreError):
                self._store.delete(self.key)
            raise
        self._store.saved.put(self.token)
        self._publish()

    def _save(self, size: int) -> None:
        with backend_errors(), cast(BinaryIO, self._file.open()) as reader:
            saved = self._store.storage.save(self.key, File(reader, name=self.key))
            if saved != self.key:
                self._store.storage.delete(saved)
                raise ObjectExists
            if self._store.storage.size(self.key) != size:
                raise StoreError(reason="the backend kept another number of bytes than it was given")

    def _publish(self) -> None:
        """From the first line on the object can be seen; the rest is tidying up, which may be repeated."""
        self._store.saving.drop(self.key)
        self._size = self._store.size(self.key)
        self._file.abort()
        self._store.saved.drop(self.token)
        self.committed = True

    def _exists(self) -> bool:
        with backend_errors():
            return bool(self._store.storage.exists(self.key))

    def abort(self) -> None:
        """Take an interrupted save's leavings away as well: the token has the key for itself."""
        if self.committed:
            return
        if self._store.saving.has(self.key):
            self._store.delete(self.key)
        self._file.abort()

    def close(self) -> None:
        self._file.close()


class Marks:
    """Names written down durably: an empty file for each, called by the name's hash."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def has(self, name: str) -> bool:
        return (self._directory / place_hash(name)).exists()

    def put(self, name: str) -> None:
        with oserrors.store_errors():
            (self._directory / place_hash(name)).touch()
            self._sync()

    def drop(self, name: str) -> None:
        with oserrors.store_errors():
            (self._directory / place_hash(name)).unlink(missing_ok=True)
            self._sync()

    def _sync(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            sync_directory(fd)
        finally:
            os.close(fd)


class _Raw(io.RawIOBase):
    """A Django File as a raw stream with typed errors."""

    def __init__(self, file: File[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with backend_errors():
            self._file.seek(offset, whence)
            return int(self._file.tell())

    def tell(self) -> int:
        with backend_errors():
            return int(self._file.tell())

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        with backend_errors(), memoryview(buffer) as view:
            data = self._file.read(len(view))
            view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _skip_to(file: File[bytes], offset: int) -> None:
    if file.seekable():
        file.seek(offset)
        return
    while offset > 0 and (skipped := file.read(min(SKIP_BYTES, offset))):
        offset -= len(skipped)


@contextmanager
def backend_errors() -> Iterator[None]:
    """Whatever the backend raises, typed. Its own text may hold credentials and is left out."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise oserrors.normalised(error) from error
    except SuspiciousOperation as error:
        raise BadKey from error
    except Exception as error:
        raise _of_cause(error) from error


def _of_cause(error: Exception) -> StoreError:
    """The first OSError on the way down says more than the wrapping of a client library."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            return oserrors.normalised(cause)
        cause = cause.__cause__ or cause.__context__
    return StoreError(reason=f"the backend raised {type(error).__name__}")

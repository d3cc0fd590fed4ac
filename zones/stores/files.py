"""FileStore: a zone on a mounted directory, through Django's FileSystemStorage.

Committed objects are `<root>/<key>`, staged ones `<root>/.staging/<token>`: one file system,
so that a commit is one rename. Who has a staged file open for writing holds its flock, which
vanishes with the process.

The mount point of a disk that is not mounted looks like an empty zone: deletes would "succeed"
and uploads fill the system disk. So the root bears a marker, the file `.zone` with the zone's
public id, and a store that has an owner works only where the marker is the owner's. The rules:

- Once `Zone.marked_at` is set the marker must be there: without it, or with another id, everything
  raises `StoreUnreachable`. Nothing writes it again by itself.
- It is written when somebody uses the zone on purpose: saves it in admin, starts the embedded
  portal for the first time, or runs `manage.py mark_zone`.
- A zone that was never marked is marked when it is first opened ("Test connection", say), but only
  while no row needs it. Once it has ISO images an empty root may be the wrong one: then only
  `mark_zone` does it, at an administrator's word.
- Another zone's marker is never replaced.
"""

from __future__ import annotations

import fcntl
import io
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from django.core.files.storage import FileSystemStorage

from zones.stores.base import (
    ObjectExists,
    ObjectInfo,
    ObjectMissing,
    Probe,
    Progress,
    StagedBusy,
    StagedObject,
    Store,
    StoreError,
    StoreRefused,
)
from zones.stores.names import check_key, check_prefix, check_token
from zones.stores.oserrors import store_errors
from zones.stores.probing import in_words, probe_store
from zones.stores.rooted import Root, is_there, sync_directory

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STAGING = (".staging",)
_RACES = 100  # times a name may change under our hands before we give up


class FileStore:
    """A Store in one directory of this machine. Copies to another FileStore stay in the kernel.

    `owner` is the id of the zone whose marker the directory must bear; "" asks for none.
    """

    def __init__(self, storage: FileSystemStorage, owner: str = "") -> None:
        location = Path(storage.base_location)
        if not location.is_absolute():
            raise StoreRefused(reason="the option location must be an absolute path")
        self.root = Root(location, storage.directory_permissions_mode, owner)
        self.file_mode = storage.file_permissions_mode

    def stage(self, token: str, key: str) -> StagedObject:
        return open_staged(self, check_token(token), check_key(key))

    def open(self, key: str, offset: int = 0) -> BinaryIO:
        parents, name = split(check_key(key))
        reader = open_reader(self.root, parents, name)
        reader.seek(offset)
        return reader

    def size(self, key: str) -> int:
        parents, name = split(check_key(key))
        with store_errors(), self.root.directory(parents) as directory:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise ObjectMissing
        return found.st_size

    def delete(self, key: str) -> None:
        """Remove the key and the directories that it leaves empty, but for the outermost one."""
        parents, name = split(check_key(key))
        with store_errors():
            try:
                with self.root.directory(parents) as directory:
                    os.unlink(name, dir_fd=directory)
                    sync_directory(directory)
            except (FileNotFoundError, IsADirectoryError):
                return
            self._remove_empty(parents)

    def _remove_empty(self, parents: list[str]) -> None:
        while len(parents) > 1:
            *parents, name = parents
            try:
                with self.root.directory(parents) as directory:
                    os.rmdir(name, dir_fd=directory)
            except OSError:  # not empty, or just removed by another: both fine
                return

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        parents, _ = split(check_prefix(prefix))
        path = "".join(f"{part}/" for part in parents)
        for info in _walk(self.root, parents, path):
            if info.key.startswith(prefix):
                yield info

    def list_staged(self) -> Iterator[ObjectInfo]:
        return _walk(self.root, list(STAGING), "")

    def download_url(self, key: str, filename: str, expires: int) -> str | None:
        check_key(key)
        return None

    def copy_from(self, source: Store, key: str, staged: StagedObject, progress: Progress) -> bool:
        from zones.stores.filecopy import copy_in_kernel

        if not isinstance(source, FileStore) or not isinstance(staged, FileStaged):
            return False
        with source.open(key) as reader:
            return copy_in_kernel(reader.fileno(), staged, progress)

    def probe(self) -> Probe:
        try:
            with store_errors(), self.root.directory() as directory:
                system = os.statvfs(directory)
        except StoreError as error:
            return Probe(False, in_words(error))
        return probe_store(self, system.f_bavail * system.f_frsize)


class FileStaged:
    """A staged file, open for writing and locked; or, without a descriptor, a committed one."""

    def __init__(self, store: FileStore, token: str, key: str, fd: int | None, size: int) -> None:
        self.token = token
        self.key = key
        self.committed = fd is None
        self._store = store
        self._fd = fd
        self._offset = size
        self._aborted = False

    @property
    def offset(self) -> int:
        return self._offset

    def append(self, chunk: bytes | memoryview) -> None:
        if self.committed:
            raise ObjectExists
        fd = self.descriptor()
        with store_errors(), memoryview(chunk) as view:
            done = 0
            while done < len(view):
                written = os.pwrite(fd, view[done:], self._offset)
                done += written
                self._offset += written

    def flush(self) -> int:
        if not self.committed:
            with store_errors():
                os.fdatasync(self.descriptor())
        return self._offset

    def open(self) -> BinaryIO:
        if self.committed:
            return self._store.open(self.key)
        self.flush()
        return open_reader(self._store.root, list(STAGING), self.token)

    def commit(self) -> None:
        """One rename. The flock keeps every other writer of this token away meanwhile."""
        if self.committed:
            return
        fd = self.descriptor()
        with store_errors():
            if self._store.file_mode is not None:
                os.fchmod(fd, self._store.file_mode)
            os.fsync(fd)
            _publish(self._store.root, self.token, self.key)
        self.committed = True
        self.close()

    def abort(self) -> None:
        if self.committed or self._aborted:
            return
        self.descriptor()
        with store_errors(), self._store.root.directory(STAGING) as staging:
            with suppress(FileNotFoundError):
                os.unlink(self.token, dir_fd=staging)
            sync_directory(staging)
        self._aborted = True
        self.close()

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def descriptor(self) -> int:
        """The locked file, open for reading and writing."""
        if self._aborted:
            raise ObjectMissing
        if self._fd is None:
            raise ValueError("This staged object is closed.")
        return self._fd

    def grown_to(self, offset: int) -> None:
        """Somebody else wrote into the descriptor, up to `offset`."""
        self._offset = offset


def split(key: str) -> tuple[list[str], str]:
    *parents, name = key.split("/")
    return parents, name


class _Reader(io.FileIO):
    """Reads with typed errors: a disk may fail in the middle of a file."""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with store_errors():
            return super().readinto(buffer)


def open_reader(root: Root, parents: list[str], name: str) -> BinaryIO:
    with store_errors(), root.directory(parents) as directory:
        # O_NONBLOCK: opening a pipe that somebody put there must not wait for a writer.
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ObjectMissing
    return cast(BinaryIO, io.BufferedReader(_Reader(fd)))


def open_staged(store: FileStore, token: str, key: str) -> FileStaged:
    """The staged file of this token, locked; made where neither it nor the key is there."""
    with store_errors():
        for _ in range(_RACES):
            with store.root.directory(STAGING, create=True) as staging:
                fd = _open_locked(staging, token)
            if fd is not None:
                return _begin(store, token, key, fd)
            if (size := _committed_size(store, key)) is not None:
                return FileStaged(store, token, key, None, size)
            _make(store.root, token)
    raise StagedBusy


def _open_locked(staging: int, token: str) -> int | None:
    """Open and lock the staged file; None where there is none (any more).

    Between open and lock the last holder may have renamed or unlinked the file: a lock on
    what no longer bears the name protects nothing.
    """
    try:
        fd = os.open(token, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=staging)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(token, dir_fd=staging, follow_symlinks=False)):
            return fd
    except BlockingIOError:
        os.close(fd)
        raise StagedBusy from None
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def _make(root: Root, token: str) -> None:
    with root.directory(STAGING, create=True) as staging:
        try:
            fd = os.open(token, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=staging)
        except FileExistsError:
            return
        os.close(fd)
        sync_directory(staging)


def _begin(store: FileStore, token: str, key: str, fd: int) -> FileStaged:
    """What is in the file becomes durable before anybody is told its size."""
    try:
        os.fdatasync(fd)
        size = os.fstat(fd).st_size
    except BaseException:
        os.close(fd)
        raise
    staged = FileStaged(store, token, key, fd, size)
    # Another process may have committed between our look at the name and our making it anew.
    if size == 0 and (done := _committed_size(store, key)) is not None:
        staged.abort()
        return FileStaged(store, token, key, None, done)
    return staged


def _committed_size(store: FileStore, key: str) -> int | None:
    try:
        return store.size(key)
    except ObjectMissing:
        return None


def _publish(root: Root, token: str, key: str) -> None:
    """Rename the staged file to its key, durably.

    The check before the rename is enough against overwriting: keys are made by the server, one
    for each token, and the token is locked. Deleting a neighbour may take the new object's
    empty directory away under our hands, hence the second try.
    """
    parents, name = split(key)
    for attempt in range(_RACES):
        with root.directory(STAGING) as staging, root.directory(parents, create=True) as target:
            if is_there(name, target):
                raise ObjectExists
            try:
                os.rename(token, name, src_dir_fd=staging, dst_dir_fd=target)
            except FileNotFoundError:
                if attempt + 1 == _RACES or not is_there(token, staging):
                    raise
                continue
            sync_directory(target)
            sync_directory(staging)
            return


def _walk(root: Root, parents: list[str], path: str) -> Iterator[ObjectInfo]:
    """Every regular file below a directory, as a stream. What vanishes meanwhile is left out."""
    with store_errors():
        try:
            with root.directory(parents) as directory, os.scandir(directory) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        yield from _walk(root, [*parents, entry.name], f"{path}{entry.name}/")
                    elif entry.is_file(follow_symlinks=False) and (info := _info(entry, path)):
                        yield info
        except FileNotFoundError:
            return


def _info(entry: os.DirEntry[str], path: str) -> ObjectInfo | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return ObjectInfo(path + entry.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

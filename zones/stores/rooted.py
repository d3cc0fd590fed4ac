"""A directory that nothing inside it can lead out of.

Every path is walked component by component on directory descriptors without following
symbolic links, so that neither a name nor a link planted in the store reaches another place,
even while somebody changes the tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zones.stores.base import StoreRefused, StoreUnreachable
from zones.stores.marker import check_marker

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Root:
    """The root directory of a store. Made by the operator: a missing one is never made here.

    With an `owner`, every use asks for the owner's marker, in the very directory that is then used.
    """

    def __init__(self, path: Path, directory_mode: int | None = None, owner: str = "") -> None:
        self.path = path
        self.owner = owner
        self._directory_mode = directory_mode

    @contextmanager
    def directory(self, parts: Sequence[str] = (), *, create: bool = False) -> Iterator[int]:
        """A descriptor of the directory `parts` below the root, closed at the end.

        Raises FileNotFoundError where there is none, and `StoreUnreachable` where the root
        itself or its owner's marker is missing: going on would fill the wrong disk, or take the
        files for deleted, while the right disk is not mounted.
        """
        current = self._open_root()
        try:
            if self.owner:
                check_marker(current, self.owner)
            for part in parts:
                below = self._enter(current, part, create)
                os.close(current)
                current = below
            yield current
        finally:
            os.close(current)

    def _open_root(self) -> int:
        try:
            return os.open(self.path, _DIRECTORY)  # the root itself may be a link: the operator's choice
        except FileNotFoundError as error:
            raise StoreUnreachable(reason="the location does not exist, or the disk is not mounted") from error
        except NotADirectoryError as error:
            raise StoreRefused(reason="the location is not a directory") from error

    def _enter(self, parent: int, name: str, create: bool) -> int:
        try:
            return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
            sync_directory(parent)
        fd = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        if self._directory_mode is not None:
            os.fchmod(fd, self._directory_mode)
        return fd


def sync_directory(fd: int) -> None:
    """Make the names in a directory durable. Some network file systems can't, and say EINVAL."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def is_there(name: str, directory: int) -> bool:
    """Whether the directory holds that name; a dangling link counts."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True

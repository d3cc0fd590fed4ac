"""The file `.zone` in the root of a file zone: it says whose storage this directory is.

An empty mount point looks like an empty zone. Without the marker nothing would tell them apart.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from secrets import token_hex

from zones.stores.base import StoreUnreachable

MARKER = ".zone"
_LONGEST = 64  # bytes; an id has 36
_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)
_NO_FILE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)


def read_marker(directory: int) -> str | None:
    """The zone's id that the root, an open directory, bears; "" for no valid one, None where no marker is.

    Raises OSError where it can't be read.
    """
    try:
        # O_NONBLOCK: opening a pipe that somebody put there must not wait for a writer.
        fd = os.open(MARKER, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _NO_FILE:
            return ""
        raise
    try:
        text = os.read(fd, _LONGEST).decode("ascii", "replace").strip()
    except IsADirectoryError:
        return ""
    finally:
        os.close(fd)
    return text if _ID.fullmatch(text) else ""


def check_marker(directory: int, owner: str) -> None:
    """Raises `StoreUnreachable` unless the root bears this owner's marker."""
    found = read_marker(directory)
    if found == owner:
        return
    if found is None:
        raise StoreUnreachable(reason=f"its file {MARKER}, which should name {owner}, is missing: is the disk mounted?")
    raise foreign(found, owner)


def foreign(found: str, owner: str) -> StoreUnreachable:
    """The error for a root that bears another marker."""
    return StoreUnreachable(
        reason=f"its file {MARKER} names {found or 'no zone'} where {owner} was expected: is another disk mounted?"
    )


def write_marker(directory: int, owner: str) -> None:
    """Mark the root. The marker is whole or absent; equal ones written at the same time do no harm.

    Its name is durable when the caller has synced the directory.
    """
    name = f"{MARKER}.{token_hex(8)}"
    try:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=directory)
        try:
            os.write(fd, f"{owner}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(name, MARKER, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=directory)
        raise

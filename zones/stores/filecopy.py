"""Copying between two directories of one machine without bringing the bytes into Python."""

from __future__ import annotations

import errno
import fcntl
import os
from concurrent.futures import Future, ThreadPoolExecutor

from zones.stores.base import Progress, StoreError
from zones.stores.files import FileStaged
from zones.stores.oserrors import store_errors

STEP = 64 * 1024 * 1024
FICLONE = 0x40049409  # linux/fs.h: share the source's blocks (btrfs, XFS, bcachefs)
# The kernel's ways to say that this pair of files can't be copied so.
_NO_FAST_PATH = frozenset(
    {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS, errno.EINVAL, errno.EBADF, errno.ETXTBSY}
)


def copy_in_kernel(source: int, staged: FileStaged, progress: Progress) -> bool:
    """Fill `staged` from its offset on with the file `source` (a descriptor); False if impossible."""
    size = os.fstat(source).st_size
    if staged.offset >= size:
        return True
    if staged.offset == 0 and _clone(source, staged.descriptor()):
        staged.grown_to(size)
        staged.flush()
        progress(size)
        return True
    return _copy_ranges(source, staged, size, progress)


def _clone(source: int, target: int) -> bool:
    """Let both files share their blocks: no bytes move. Only file systems with copy-on-write can."""
    with store_errors():
        try:
            fcntl.ioctl(target, FICLONE, source)
        except OSError as error:
            if error.errno in _NO_FAST_PATH:
                return False
            raise
    return True


def _copy_ranges(source: int, staged: FileStaged, size: int, progress: Progress) -> bool:
    """Steps of 64 MiB; each is made durable while the next one is being copied."""
    target = staged.descriptor()
    begun = False
    syncing: Future[None] | None = None
    with ThreadPoolExecutor(1) as background:
        while staged.offset < size:
            with store_errors():
                copied = _copy_step(source, target, staged.offset, size - staged.offset, begun)
                if copied is None:
                    return False
                if syncing:
                    syncing.result()
            begun = True
            staged.grown_to(staged.offset + copied)
            syncing = background.submit(os.fdatasync, target)
            progress(staged.offset)
    staged.flush()
    return True


def _copy_step(source: int, target: int, offset: int, left: int, begun: bool) -> int | None:
    """Bytes copied, or None where the very first step shows that the kernel can't."""
    if not hasattr(os, "copy_file_range"):
        return None
    try:
        copied = os.copy_file_range(source, target, min(STEP, left), offset, offset)
    except OSError as error:
        if not begun and error.errno in _NO_FAST_PATH:
            return None
        raise
    if copied == 0:
        raise StoreError(reason="the source became shorter while it was being copied")
    return copied

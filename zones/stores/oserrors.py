"""Errors of the operating system in the words of stores."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from zones.stores.base import BadKey, ObjectMissing, StoreError, StoreFull, StoreRefused, StoreUnreachable

_KINDS: dict[type[StoreError], tuple[int, ...]] = {
    StoreFull: (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    StoreRefused: (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.EOPNOTSUPP),
    ObjectMissing: (errno.ENOENT,),
    # A symbolic link or a file stands where a directory of the store should be.
    BadKey: (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG),
    StoreUnreachable: (
        *(errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENOTCONN, errno.EHOSTDOWN),
        *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
    ),
}
_BY_NUMBER = {number: kind for kind, numbers in _KINDS.items() for number in numbers}


def normalised(error: OSError) -> StoreError:
    """The typed error for an OSError. Its `reason` names the errno, never a path."""
    number = error.errno or 0
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return StoreUnreachable(reason=f"{type(error).__name__}: {error.strerror or 'no answer'}")
    reason = f"{errno.errorcode.get(number, number)}: {error.strerror}"
    return _BY_NUMBER.get(number, StoreError)(reason=reason)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns every OSError of the block into a typed store error."""
    try:
        yield
    except OSError as error:
        raise normalised(error) from error

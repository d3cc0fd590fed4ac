"""What stores keep on this machine while bytes travel: locks, and bytes where a backend can't stage."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from zones.stores.base import StagedBusy
from zones.stores.oserrors import store_errors

_RACES = 100


def place_hash(*parts: Any) -> str:
    """A file name for a place in the world: 32 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def spool_directory(name: str) -> Path:
    """`<data directory>/spool/<name>`, made where it is not there."""
    path: Path = settings.DATA_DIR / "spool" / name
    with store_errors():
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


class MachineLock:
    """Keeps other processes and threads of this machine away from a name. Ends with the process."""

    def __init__(self, name: str) -> None:
        """Raises `StagedBusy` where another holds it."""
        self._path = spool_directory("locks") / name
        with store_errors():
            self._fd: int | None = _acquire(self._path)

    def release(self) -> None:
        """Let go and leave no file behind. Idempotent."""
        if self._fd is None:
            return
        with store_errors():
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
        self._fd = None


def _acquire(path: Path) -> int:
    for _ in range(_RACES):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The last holder may have unlinked it in between: then this lock keeps nobody away.
            if os.path.samestat(os.fstat(fd), path.lstat()):
                return fd
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(fd)
            raise StagedBusy from None
        os.close(fd)
    raise StagedBusy

"""Kills at a chosen step: the n-th call of anything that changes bytes or rows does not return any more."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

STEPS = (
    "zones.stores.files.FileStaged.append",
    "zones.stores.files.FileStaged.flush",
    "zones.stores.files.FileStaged.commit",
    "zones.stores.files.FileStaged.abort",
    "zones.stores.files.FileStore.delete",
    "isos.operations.lease.Lease.write",
    "isos.operations.lease.Lease.end",
    "isos.operations.endings.move_replica",
    "isos.operations.verifying.move_replica",
    "isos.operations.waiting.move_replica",
    "isos.operations.waiting.enqueue",
    "quotas.reservations.release",
    "quotas.reservations.settle",
)


class Killed(BaseException):
    """SIGKILL: no handler runs to good purpose."""


@contextmanager
def killed_at(step: int, *, after: bool) -> Iterator[None]:
    """Inside, the `step`-th call is the last one, done or not; ends quietly whether it came to that or not."""
    calls = 0

    def fuse(original):
        @functools.wraps(original)
        def call(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls > step or (calls == step and not after):  # the dead do nothing more, clean-up included
                raise Killed
            result = original(*args, **kwargs)
            if calls == step:
                raise Killed
            return result

        return call

    patches = [mock.patch(name, fuse(pkgutil.resolve_name(name))) for name in STEPS]
    for patch in patches:
        patch.start()
    try:
        yield
    except Killed:
        pass
    finally:
        for patch in patches:
            patch.stop()

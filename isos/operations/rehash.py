"""Reading stored replicas again: are they still what was verified?

Nothing is locked and no operation is made meanwhile: a replica that is deleted while it is read is no error, and
nobody waits for this reading. What it finds is written only if the row is still what it was when the reading began.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from django.utils import timezone

from isos.errors import ChecksumMismatch, SizeMismatch
from isos.models import Replica
from isos.operations.damage import heal, unchanged, write_down
from isos.operations.sources import ReplicaDamaged, ReplicaMissing
from isos.states import ReplicaState
from isos.streaming import CheckedStream, read_through
from zones.stores import open_store
from zones.stores.base import ObjectMissing, StoreError
from zones.stores.probing import in_words

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # how often a reading looks whether anybody still wants to know
SLEEP_SECONDS = 0.01  # shorter waits are saved up

Progress = Callable[[Replica, int], None]
"""Gets the replica that is read and the bytes read of it so far."""


class Verdict(StrEnum):
    GOOD = "good"
    DAMAGED = "damaged"
    MISSING = "missing"
    UNREADABLE = "unreadable"  # its storage answers, but does not give the file
    AWAY = "storage away"
    CHANGED = "changed meanwhile"  # deleted, or verified by somebody else
    LOST = "lost before"  # found damaged or missing by somebody earlier


LOSSES = (Verdict.DAMAGED, Verdict.MISSING, Verdict.LOST)
_NO_FILE = "The storage has no such file."
ALARMS = (*LOSSES, Verdict.UNREADABLE)


@dataclass
class Checked:
    """What the reading of one replica found. `reason` is for operators; `healing` tells that a good copy is coming."""

    replica: Replica
    verdict: Verdict
    reason: str = ""
    healing: bool = False


class Pace:
    """Counts the bytes that a run reads and slows it down to `bytes_per_second`; 0 means as fast as it goes."""

    def __init__(
        self,
        bytes_per_second: int = 0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bytes = 0
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    def took(self, count: int) -> None:
        """So many bytes were read. Time in which nothing was read is not made up for."""
        self.bytes += count
        if not self._rate:
            return
        now = self._clock()
        self._free_at = max(self._free_at, now) + count / self._rate
        if self._free_at - now >= SLEEP_SECONDS:
            self._sleep(self._free_at - now)


def verify(replica: Replica, pace: Pace, progress: Progress) -> list[Checked]:
    """Read one Ready replica and write down what was found; where it is lost, see to it that it comes back.

    The list begins with the replica; further ones were read to find a good source. Never raises a store error.
    """
    first = _check(replica, pace, progress)
    return mend([first], pace, progress) if first.verdict in LOSSES else [first]


def mend(lost: list[Checked], pace: Pace, progress: Progress) -> list[Checked]:
    """Copy lost replicas of one ISO again, once one that is good was found by reading it.

    Returns them and whatever else was read on the way.
    """
    iso = lost[0].replica.iso
    others = Replica.objects.filter(iso=iso, state=ReplicaState.READY).select_related("iso", "zone")
    found = list(lost)
    for other in others.order_by("-verified_at", "pk"):
        found.append(_check(other, pace, progress))
        if found[-1].verdict == Verdict.GOOD:
            break
    else:
        logger.error("ISO %s: no good copy could be read; the lost ones are not copied again", iso.public_id)
        return found
    for each in found:
        if each.verdict in LOSSES:
            each.healing = heal(each.replica)
    return found


def _check(replica: Replica, pace: Pace, progress: Progress) -> Checked:
    """Read, write down, alarm."""
    found = _examine(replica, pace, progress)
    if found.verdict == Verdict.GOOD:
        if not unchanged(replica).update(verified_at=timezone.now()):
            found.verdict = Verdict.CHANGED
    elif found.verdict in LOSSES:
        error = ReplicaMissing if found.verdict == Verdict.MISSING else ReplicaDamaged
        if not write_down(replica, error.of(replica)):
            found.verdict = Verdict.CHANGED
    if found.verdict in ALARMS:
        logger.error(
            "replica %s of ISO %s in zone %s is %s. %s",
            *(replica.public_id, replica.iso.public_id, replica.zone.slug, found.verdict, found.reason),
        )
    return found


def _examine(replica: Replica, pace: Pace, progress: Progress) -> Checked:
    """Read it. What seems lost is looked at twice, so that no good replica is blamed for one bad read."""
    found = _read(replica, pace, progress)
    return _read(replica, pace, progress) if found.verdict in LOSSES else found


def _read(replica: Replica, pace: Pace, progress: Progress) -> Checked:
    try:
        store = open_store(replica.zone)
        size = store.size(replica.key)
        if size != replica.iso.size:
            return Checked(replica, Verdict.DAMAGED, f"It has {size} bytes instead of {replica.iso.size}.")
        reader = store.open(replica.key)
    except ObjectMissing:
        return Checked(replica, Verdict.MISSING, _NO_FILE)
    except StoreError as error:
        return Checked(replica, Verdict.AWAY, in_words(error))
    with reader:
        return _hash(replica, reader, pace, progress)


def _hash(replica: Replica, reader: BinaryIO, pace: Pace, progress: Progress) -> Checked:
    watch = _Watch(replica, pace, progress)
    stream = CheckedStream(
        expected_size=replica.iso.size, expected_sha256=replica.iso.sha256, known=True, on_progress=watch
    )
    try:
        read_through(reader, stream)
        stream.finish()
    except SizeMismatch:
        return Checked(replica, Verdict.DAMAGED, "It ended too early, or did not end where it should.")
    except ChecksumMismatch:
        return Checked(replica, Verdict.DAMAGED, "Its SHA-256 is not the one that was verified.")
    except ObjectMissing:
        return Checked(replica, Verdict.MISSING, _NO_FILE)
    except StoreError as error:
        return Checked(replica, Verdict.UNREADABLE, in_words(error))
    except _Changed:
        return Checked(replica, Verdict.CHANGED)
    return Checked(replica, Verdict.GOOD)


class _Changed(Exception):
    """Raised by the watch: the replica is not what it was when its reading began."""


class _Watch:
    """What happens with every chunk: count, keep the pace, tell, and now and then look at the row."""

    def __init__(self, replica: Replica, pace: Pace, progress: Progress) -> None:
        self._replica = replica
        self._pace = pace
        self._progress = progress
        self._done = 0
        self._looked = time.monotonic()

    def __call__(self, done: int) -> None:
        self._pace.took(done - self._done)
        self._done = done
        self._progress(self._replica, done)
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = time.monotonic()
            if not unchanged(self._replica).exists():
                raise _Changed

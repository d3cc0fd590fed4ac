"""Which disturbance comes when: as the seed has it, each once before any comes again."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.mixed.disturbances import ALL, KILLS, Disturbance, end_cuts
from tests.chaos.mixed.topology import World

TICK_SECONDS = 0.05


@dataclass
class Pending:
    due: float
    disturbance: Disturbance
    mend: Callable[[], None]


class Director:
    """Belongs to the main thread: processes that it starts end with the thread that started them."""

    def __init__(self, world: World, seed: int, gap_seconds: float) -> None:
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []
        self.kills: list[float] = []  # of the portal's processes, in seconds since 1970
        self._world = world
        self._dice = random.Random(f"{seed} disturbances")
        self._gap_seconds = gap_seconds
        self._deck: list[Disturbance] = []
        self._pending: list[Pending] = []
        self._begin = time.monotonic()

    def run(self, seconds: float) -> None:
        """Disturb for so long, then mend everything."""
        self._begin = time.monotonic()
        end = self._begin + seconds
        following = self._begin + self._gap()
        while (now := time.monotonic()) < end:
            self._mend(now)
            if now >= following:
                self._next()
                following = time.monotonic() + self._gap()
            time.sleep(TICK_SECONDS)
        self._mend(float("inf"))
        end_cuts(self._world)

    def _gap(self) -> float:
        return self._dice.uniform(0.3, 1.7) * self._gap_seconds

    def _mend(self, now: float) -> None:
        for pending in [one for one in self._pending if one.due <= now]:
            self._pending.remove(pending)
            pending.mend()
            self._note(f"over: {pending.disturbance.kind}")

    def _next(self) -> None:
        if not self._deck:
            self._deck = [one for one in ALL if self._can(one)]
            self._dice.shuffle(self._deck)
        taken = {pending.disturbance.touches for pending in self._pending} - {""}
        disturbance = next((one for one in self._deck if one.touches not in taken), None)
        if disturbance is None:
            return
        self._deck.remove(disturbance)
        self.counts[disturbance.kind] += 1
        self._note(disturbance.kind)
        if disturbance.begin in KILLS:
            self.kills.append(time.time())
        mending = disturbance.begin(self._world, self._dice)
        if mending is not None:
            self._pending.append(Pending(time.monotonic() + mending.seconds, disturbance, mending.mend))

    def _can(self, disturbance: Disturbance) -> bool:
        return not (disturbance.touches == "disk" and self._world.why_not_small)

    def _note(self, what: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {time.monotonic() - self._begin:6.1f} s  {what}")

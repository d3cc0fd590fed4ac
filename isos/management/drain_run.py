"""A run of `zones drain`: steps until nothing moves any more, and what it tells."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from isos.actions.drain_zone import Drain, Standing, Step
from isos.management.progress import Display, Moment
from portal.kernel.text import human_bytes

POLL_SECONDS = 2.0
MOVING = (Standing.COPYING, Standing.LEAVING)


class DrainRun:
    """Looks at every replica of the zone, again and again while `wait` and something moves."""

    def __init__(self, drain: Drain, display: Display, *, delete: bool, wait: bool) -> None:
        self.counts: Counter[Standing] = Counter()
        self.bytes: Counter[Standing] = Counter()
        self.deleted = 0
        self.stuck: list[Step] = []
        self._drain = drain
        self._display = display
        self._delete = delete
        self._wait = wait

    def go(self) -> None:
        while True:
            self._look()
            if not self._wait or not any(self.counts[standing] for standing in MOVING):
                return
            pause(POLL_SECONDS)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that needs a word of the operator's, or another run."""
        left = [Standing.COPYING, Standing.ARRIVING, Standing.LEAVING] + ([Standing.SAFE] if self._delete else [])
        return not self.stuck and not any(self.counts[standing] for standing in left)

    def _look(self) -> None:
        self.counts, self.bytes, self.stuck = Counter(), Counter(), []
        for step in self._drain.steps():
            self._count(self._removed(step) if self._delete and step.standing == Standing.SAFE else step)
            self._show()

    def _removed(self, step: Step) -> Step:
        sentence = self._drain.remove(step.replica)
        if sentence:
            return Step(step.replica, Standing.SAFE, sentence)
        self.deleted += 1
        return Step(step.replica, Standing.LEAVING)

    def _count(self, step: Step) -> None:
        self.counts[step.standing] += 1
        self.bytes[step.standing] += step.replica.iso.size or 0
        if step.sentence:
            self.stuck.append(step)

    def _show(self) -> None:
        done = self.bytes[Standing.SAFE] + self.bytes[Standing.LEAVING]
        self._display.show(Moment(self._drain.zone.slug, "Draining", done, self.bytes.total()))

    # --- telling ----------------------------------------------------------------------

    def lines(self) -> list[str]:
        """For people: a line for each standing, one for each replica that is stuck, and what to do next."""
        zone = self._drain.zone
        lines = [
            f"{self.counts[standing]} {standing} ({human_bytes(self.bytes[standing])})"
            for standing in Standing
            if self.counts[standing]
        ]
        lines += [
            f"“{step.replica.iso.name}” of {step.replica.iso.account} ({step.standing}): {step.sentence}"
            for step in self.stuck
        ]
        return [*(lines or [f"{zone} holds no ISO image."]), *self._advice()]

    def _advice(self) -> list[str]:
        advice = []
        if any(step.standing == Standing.REFUSED for step in self.stuck):
            advice.append("Where a quota is in the way: raise it (manage.py quota set), or give --beyond-quota.")
        if any(step.standing == Standing.FAILED for step in self.stuck):
            advice.append("What failed here is its owner's to retry or delete; nothing of it is Ready.")
        if self.counts[Standing.COPYING] or self.counts[Standing.ARRIVING]:
            advice.append("Run this again when that is done, or with --wait.")
        elif self.counts[Standing.SAFE] and not self._delete:
            advice.append("Run this again with --delete to delete here what is safe elsewhere.")
        return advice

    def summary(self) -> dict[str, Any]:
        """For programs: counts and bytes by standing, and the stuck ones with their sentences."""
        return {
            "zone": self._drain.zone.slug,
            "done": self.is_done,
            "replicas": {standing.name.lower(): self.counts[standing] for standing in Standing},
            "bytes": {standing.name.lower(): self.bytes[standing] for standing in Standing},
            "deletes_started": self.deleted,
            "stuck": [
                {
                    "iso": str(step.replica.iso.public_id),
                    "name": step.replica.iso.name,
                    "account": step.replica.iso.account.name,
                    "standing": step.standing.name.lower(),
                    "sentence": step.sentence,
                }
                for step in self.stuck
            ],
        }


def pause(seconds: float) -> None:
    """Between two looks at rows that workers write: they send no event."""
    time.sleep(seconds)

"""A round of verifying: a share of the Ready replicas, those verified longest ago first.

A round is a value that fits into a message: where it stands and what it may still read. So a command goes through
it in one process, and the nightly one passes it from task to task.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from isos.models import Replica
from isos.operations.damage import healable
from isos.operations.rehash import Checked, Pace, Progress, Verdict, mend, verify
from isos.states import ReplicaState
from zones.models import Zone

logger = logging.getLogger(__name__)

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_SEEN = Coalesce("verified_at", Value(_NEVER), output_field=DateTimeField())
_READ = (Verdict.GOOD, Verdict.DAMAGED, Verdict.MISSING)


@dataclass(frozen=True)
class Round:
    """`began`, `after_time` are times in ISO 8601. None in `replicas_left` and `bytes_left` mean any number.

    `zone` and `iso` narrow it to a slug and a public id. Lost replicas that wait for a good copy come first, then
    those that were verified before `began`; `mended` and `after_time`, `after_pk` say how far both lists are.
    `away` are primary keys of zones whose storage did not answer: they are left for the next round.
    """

    began: str
    replicas_left: int | None = None
    bytes_left: int | None = None
    is_first: bool = True
    zone: str = ""
    iso: str = ""
    mended: int = 0
    after_time: str = ""
    after_pk: int = 0
    away: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, *, share: Fraction | None = None, **fields: Any) -> Round:
        """A new round. With `share`, over that part of the replicas in it, rounded up."""
        new = cls(began=timezone.now().isoformat(), **fields)
        return new if share is None else replace(new, replicas_left=math.ceil(new.ready().count() * share))

    def as_message(self) -> dict[str, Any]:
        return asdict(self)

    def ready(self) -> QuerySet[Replica]:
        """All Ready replicas that the round speaks of, read already or not."""
        return self._narrowed(Replica.objects.filter(state=ReplicaState.READY))

    def _narrowed(self, replicas: QuerySet[Replica]) -> QuerySet[Replica]:
        if self.zone:
            replicas = replicas.filter(zone__slug=self.zone)
        else:
            replicas = replicas.exclude(zone__state=Zone.State.DISABLED)
        if self.iso:
            replicas = replicas.filter(iso__public_id=UUID(self.iso))
        return replicas.exclude(zone__in=self.away).select_related("iso", "zone")

    # --- going on ---------------------------------------------------------------------

    def step(self, pace: Pace, progress: Progress) -> tuple[list[Checked], Round | None]:
        """Do what comes next: what was found, and the rest of the round; None where it has come to its end."""
        if not self.after_pk and (lost := self._lost()):
            found = _guarded(lost, lambda: mend([Checked(lost, Verdict.LOST)], pace, progress))
            return found, replace(self, mended=lost.pk)
        replica = self._next()
        if replica is None:
            return [], None
        before = pace.bytes
        found = _guarded(replica, lambda: verify(replica, pace, progress))
        return found, self._after(replica, found, pace.bytes - before)

    def _lost(self) -> Replica | None:
        return self._narrowed(healable()).filter(pk__gt=self.mended).order_by("pk").first()

    def _next(self) -> Replica | None:
        if self.replicas_left is not None and self.replicas_left <= 0:
            return None
        waiting = self.ready().annotate(seen=_SEEN).filter(seen__lt=datetime.fromisoformat(self.began))
        if self.after_time:
            after = datetime.fromisoformat(self.after_time)
            waiting = waiting.filter(Q(seen__gt=after) | Q(seen=after, pk__gt=self.after_pk))
        replica = waiting.order_by("seen", "pk").first()
        if replica is None or self.bytes_left is None:
            return replica
        # One is always read: else an ISO larger than the limit would stop every round.
        fits = self.is_first or (replica.iso.size or 0) <= self.bytes_left
        return replica if fits else None

    def _after(self, replica: Replica, found: list[Checked], used: int) -> Round:
        """The round without `replica`. One that could not be read does not count: it must not stop the others."""
        was_read = found[0].verdict in _READ
        away = {each.replica.zone_id for each in found if each.verdict == Verdict.AWAY}
        return replace(
            self,
            replicas_left=None if self.replicas_left is None else self.replicas_left - was_read,
            bytes_left=None if self.bytes_left is None else self.bytes_left - used,
            is_first=self.is_first and not was_read,
            after_time=replica.seen.isoformat(),  # type: ignore[attr-defined]
            after_pk=replica.pk,
            away=sorted({*self.away, *away}),
        )


def _guarded(replica: Replica, work: Callable[[], list[Checked]]) -> list[Checked]:
    """A surprise at one replica, which comes first in every round, must not end them all."""
    try:
        return work()
    except Exception:
        logger.exception("replica %s could not be verified", replica.public_id)
        return [Checked(replica, Verdict.UNREADABLE, "The portal ran into a problem of its own; see the log.")]

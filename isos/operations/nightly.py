"""The nightly round of verifying, from task to task: one replica each, so that others get their turn in between.

A message that is lost ends the round until the next night, which begins with what was verified longest ago. So
messages of a round are acknowledged when they arrive: one that takes longer than the broker waits must not come twice.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from isos.models import Replica
from isos.operations.rehash import Pace
from isos.operations.rounds import Round
from zones.models import Zone

logger = logging.getLogger(__name__)


def begin() -> int:
    """Send a round on its way: one for all zones, or one for each where zones have workers of their own.

    Returns how many there are.
    """
    share: Fraction = settings.VERIFY_SHARE
    if not share:
        return 0
    zones = Zone.objects.exclude(state=Zone.State.DISABLED).values_list("slug", flat=True)
    rounds = [Round.of(share=share, zone=slug) for slug in (zones if settings.ZONE_QUEUES else [""])]
    for each in rounds:
        _send(each)
    return len(rounds)


def go_on(message: dict[str, Any]) -> None:
    """Do the next step of a round and send the rest of it on its way."""
    _, rest = Round(**message).step(Pace(settings.VERIFY_BYTES_PER_SECOND), _ignore)
    if rest is not None:
        _send(rest)


def _ignore(replica: Replica, done: int) -> None:
    """Nobody watches."""


def _send(rest: Round) -> None:
    """To the workers that move bytes: deletes must not wait behind this."""
    queue = Zone(slug=rest.zone).queue if rest.zone else settings.CELERY_TASK_DEFAULT_QUEUE
    transaction.on_commit(lambda: _publish(rest, queue))


def _publish(rest: Round, queue: str) -> None:
    from isos.tasks import verify_next  # tasks import this file

    try:
        verify_next.apply_async(args=[rest.as_message()], queue=queue, retry=False)
    except (OperationalError, OSError):
        logger.warning("broker away, the round of verifying goes on next night")

"""Who owns an Operation: claimed by a conditional UPDATE, held by a token, lost by silence.

A worker that claims an operation writes its token and an expiry. Every later write names the
token; zero rows updated means that the lease expired and somebody else took over, so the
worker stops without a trace. Expiry is judged by the clocks of the workers: they must agree
to much better than a lease (settings.OPERATION_LEASE_SECONDS).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from isos.errors import LeaseLost
from isos.models import Operation
from isos.states import OperationState

MOST_ATTEMPTS = 30_000  # a delete may wait for its store for months; the column holds 32,767


def claimable(now: datetime) -> Q:
    """Operations that a worker may take at `now`."""
    return due(now) | silent(now)


def due(now: datetime) -> Q:
    """Those that wait and whose time has come."""
    return Q(state=OperationState.QUEUED) & (Q(not_before=None) | Q(not_before__lte=now))


def silent(now: datetime) -> Q:
    """Those whose owner has not been heard of for a lease."""
    # An expiry that lies further ahead than any lease reaches was written by a wrong clock.
    longest = now + timedelta(seconds=2 * settings.OPERATION_LEASE_SECONDS)
    return Q(Q(lease_expires__lt=now) | Q(lease_expires__gt=longest), state=OperationState.RUNNING)


def expiry() -> datetime:
    return timezone.now() + timedelta(seconds=settings.OPERATION_LEASE_SECONDS)


def claim(operation_pk: int) -> Lease | None:
    """Take the operation, or None when there is nothing to take (gone, not due, owned)."""
    now = timezone.now()
    token = uuid.uuid4()
    claimed = Operation.objects.filter(claimable(now), pk=operation_pk).update(
        state=OperationState.RUNNING,
        lease_token=token,
        lease_expires=expiry(),
        attempt=Least(F("attempt") + 1, MOST_ATTEMPTS),
        started_at=Coalesce("started_at", now),
        not_before=None,
    )
    return Lease(operation_pk, token) if claimed else None


class Lease:
    """The right to write one operation."""

    def __init__(self, operation_pk: int, token: uuid.UUID) -> None:
        self.operation_pk = operation_pk
        self.token = token

    def write(self, **fields: Any) -> None:
        """Set fields of the operation. Raises LeaseLost when it is no longer ours."""
        owned = Operation.objects.filter(
            pk=self.operation_pk, lease_token=self.token, state=OperationState.RUNNING
        ).update(**fields)
        if not owned:
            raise LeaseLost(str(self.operation_pk))

    def renew(self, **fields: Any) -> None:
        """Heartbeat: push the expiry forward, and set `fields` with it."""
        self.write(lease_expires=expiry(), **fields)

    def end(self, state: OperationState, **fields: Any) -> None:
        """Leave the running state for good, or back to the queue."""
        ended: dict[str, Any] = {} if state == OperationState.QUEUED else {"finished_at": timezone.now()}
        self.write(state=state, lease_token=None, lease_expires=None, **ended, **fields)

"""Creating operations and waking a worker for them."""

from __future__ import annotations

import logging
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from isos.models import Operation, Replica
from portal.kernel.errors import PortalError

logger = logging.getLogger(__name__)


def enqueue(replica: Replica, kind: Operation.Kind, *, doom: PortalError | None = None) -> Operation:
    """Insert an operation on `replica` and wake a worker once the transaction commits.

    With `doom` the operation is born failing: it only gives back what the replica holds
    (staged bytes, quota) and leaves that error's sentence. Raises IntegrityError where the
    replica has an active operation already.
    """
    operation = Operation.objects.create(
        replica=replica,
        account_id=replica.iso.account_id,
        zone_id=replica.zone_id,
        iso_name=replica.iso.name,
        kind=kind,
        bytes_total=replica.iso.size,
        is_doomed=doom is not None,
        error_code=doom.code if doom else "",
        error_message=doom.message if doom else "",
    )
    send(operation)
    return operation


def send(operation: Operation, *, delay: float = 0) -> None:
    """Tell the broker after commit. A broker that is away only delays: the sweep sends again."""
    Operation.objects.filter(pk=operation.pk).update(sent_at=timezone.now())
    transaction.on_commit(partial(_publish, operation.pk, _queue_of(operation), delay))


def _queue_of(operation: Operation) -> str:
    """Deletes have a queue of their own: a worker that is full of copies would not hear of them."""
    if settings.ZONE_QUEUES:
        return operation.zone.light_queue if operation.is_light else operation.zone.queue
    queue: str = settings.LIGHT_QUEUE if operation.is_light else settings.CELERY_TASK_DEFAULT_QUEUE
    return queue


def _publish(operation_pk: int, queue: str, delay: float) -> None:
    from isos.tasks import run_operation  # tasks import the engine, which imports this file

    try:
        run_operation.apply_async(args=[operation_pk], queue=queue, countdown=delay or None, retry=False)
    except (OperationalError, OSError):
        logger.warning("broker away, operation %s waits for the sweep", operation_pk)

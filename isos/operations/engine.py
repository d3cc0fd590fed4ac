"""Running one operation: claim, beat, end; errors sorted into retry, fail and cancel.

A runner does the work and may die at any instruction: it is started again from its rows and
the staged object alone. The engine owns the operation's row; a runner owns the rest. Rows are locked in one order
everywhere: account (quota that grows), operation, ISO, replica, upload, reservation.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from types import MappingProxyType
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from isos.errors import Cancelled, LeaseLost
from isos.models import Operation, Replica
from isos.operations import lease as leases
from isos.operations import slots
from isos.operations.leftovers import discard_unowned
from isos.operations.needed import wake_deletes
from isos.operations.queue import enqueue, send
from isos.states import IllegalTransition, OperationState, ReplicaState
from portal.kernel.errors import PortalError
from zones.stores.base import Progress, StoreError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
WAIT_SECONDS = 0.25  # how often whoever waits for a thread looks whether a beat is due
MOST_CLAIMS = 50  # a job that takes its worker down every time ends; a delete alone goes on for ever
BACKOFF_FIRST_SECONDS = 2.0
BACKOFF_LONGEST_SECONDS = 600.0
RETRY_AFTER_LONGEST_SECONDS = 3600.0  # however long a server asks to wait

T = TypeVar("T")


class InternalError(PortalError):
    """A bug or a surprise: logged with its trace, shown as a plain sentence, tried again."""

    code = "internal"
    retryable = True
    default_message = "The portal ran into a problem of its own. Try again; if it stays, tell your administrator."


class Runner(Protocol):
    """What one kind of operation does. Stateless; every method may be called again after a crash."""

    gives_up: bool
    """Whether a failure that may heal ends the operation after settings.OPERATION_MAX_ATTEMPTS."""

    def run(self, job: Job) -> None:
        """Do the work; end with `with job.succeeding():` around the last writes."""

    def discard(self, job: Job) -> None:
        """Give the staged and stored bytes back. Idempotent; called before a final failure."""

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        """Write the failure to the replica's rows, inside the ending transaction.

        `kept` tells that the bytes were not discarded and a retry can use them.
        """


class Job:
    """One claimed operation, as its runner sees it."""

    def __init__(self, operation: Operation, lease: leases.Lease) -> None:
        self.operation = operation
        self.lease = lease
        self._last_beat = time.monotonic()

    @property
    def replica(self) -> Replica:
        if self.operation.replica is None:
            raise Cancelled
        return self.operation.replica

    def phase(self, phase: Operation.Phase, *, total: int | None = None, **more: object) -> None:
        """Say what goes on now; progress starts again at zero. `more` are further fields of the operation."""
        fields = {"phase": phase, "bytes_done": 0} | ({"bytes_total": total} if total is not None else {})
        self._beat(**fields, **more)

    def progress(self, done: int) -> None:
        """The one throttled callback: stores progress, renews the lease, reads the cancel flag.

        Cheap to call often. Raises LeaseLost or Cancelled.
        """
        if self._is_due():
            self._beat(bytes_done=done)

    def beat(self) -> None:
        """Renew the lease now: before a step that can't report progress. Raises as `progress` does."""
        self._beat()

    def waiting(self, work: Callable[[Progress], T]) -> T:
        """Do `work` in a thread and keep the lease meanwhile: for steps that may outlast it.

        `work` gets a callback for the bytes done so far, which raises once the job is to stop.
        It must not touch the database: that is for the thread of the job alone. Raises what
        `work` or `progress` raises, when `work` has come to its end.
        """
        reached: dict[str, object] = {}
        stop = Event()

        def report(done: int) -> None:
            if stop.is_set():
                raise Cancelled
            reached["bytes_done"] = done

        with ThreadPoolExecutor(1, "job") as thread:
            pending = thread.submit(work, report)
            try:
                return self.result(pending, reached)
            finally:
                stop.set()

    def result(self, pending: Future[T], fields: Mapping[str, object] = MappingProxyType({})) -> T:
        """What a thread brings; while it is waited for, beats store `fields` as they then are."""
        while not pending.done():
            if self._is_due():
                self._beat(**fields)
            wait([pending], WAIT_SECONDS)
        return pending.result()

    def _is_due(self) -> bool:
        return time.monotonic() - self._last_beat >= BEAT_SECONDS

    def _beat(self, **fields: object) -> None:
        self.lease.renew(**fields)
        self._last_beat = time.monotonic()
        if Operation.objects.filter(pk=self.operation.pk, cancel_requested=True).exists():
            raise Cancelled

    @contextmanager
    def succeeding(self) -> Iterator[None]:
        """One transaction for the runner's last writes and the end of the operation.

        The operation's row comes first: it proves that the lease is still ours.
        """
        with transaction.atomic():
            self.lease.end(OperationState.SUCCEEDED, error_code="", error_message="")
            yield


def run(operation_pk: int) -> None:
    """Run the operation, or another one of its zone whose turn it is; nothing where there is none."""
    lease = slots.claim(operation_pk)
    if lease is None:
        return
    operation = Operation.objects.select_related("replica__iso", "replica__zone", "zone").get(pk=lease.operation_pk)
    job = Job(operation, lease)
    try:
        _run(job)
        wake_deletes(operation)
        slots.wake_next(operation)
    except LeaseLost:
        logger.warning("operation %s: lease lost, stopping", operation.public_id)
        if operation.replica is not None:
            discard_unowned(operation.replica)
    except Exception:
        # Ending itself went wrong (a database that went away, say). The lease expires by
        # itself and the sweep sends the operation again.
        logger.exception("operation %s: could not be ended", operation.public_id)


def _run(job: Job) -> None:
    runner = runner_of(job.operation)
    try:
        if job.operation.cancel_requested:
            raise Cancelled
        if job.operation.is_doomed:
            _fail(job, runner, _doom_of(job.operation))
        elif runner.gives_up and job.operation.attempt > MOST_CLAIMS:
            raise InternalError
        else:
            runner.run(job)
    except LeaseLost:
        raise
    except Cancelled:
        _cancel(job)
    except PortalError as error:
        _retry_or_fail(job, runner, error)
    except Exception as error:
        # A delete that was asked for meanwhile moves the replica under the runner.
        if isinstance(error, IllegalTransition) and _is_deleting(job.operation):
            _cancel(job)
            return
        logger.exception("operation %s failed", job.operation.public_id)
        _retry_or_fail(job, runner, InternalError())


def _is_deleting(operation: Operation) -> bool:
    return Replica.objects.filter(operations=operation, state=ReplicaState.DELETING).exists()


def _doom_of(operation: Operation) -> PortalError:
    """The final error that was written down before the clean-up began."""
    return PortalError(operation.error_message, code=operation.error_code)


def _retry_or_fail(job: Job, runner: Runner, error: PortalError) -> None:
    operation = job.operation
    logger.info("operation %s, attempt %s: %s", operation.public_id, operation.attempt, error.code)
    if operation.is_doomed:  # only its clean-up failed: that is tried until it is done, for the first reason
        _requeue(job, _doom_of(operation), because=error)
    elif not runner.gives_up or (error.retryable and operation.attempt < settings.OPERATION_MAX_ATTEMPTS):
        _requeue(job, error)
    elif error.retryable or isinstance(error, StoreError):
        # What a store can't do today an administrator may mend: the bytes are kept for Retry.
        with transaction.atomic():
            job.lease.end(OperationState.FAILED, error_code=error.code, error_message=error.message)
            runner.fail(job, error, kept=True)
            _follow_up(operation)
    else:
        # Marked first: a crash below must not lose why it failed.
        job.lease.write(is_doomed=True, error_code=error.code, error_message=error.message)
        operation.is_doomed, operation.error_code, operation.error_message = True, error.code, error.message
        _fail(job, runner, error)


def _fail(job: Job, runner: Runner, error: PortalError) -> None:
    """End a doomed operation: bytes back first, then the rows in one transaction."""
    try:
        runner.discard(job)
    except Cancelled:  # the delete that follows gives the bytes back
        _cancel(job)
        return
    except PortalError as trouble:
        _requeue(job, error, because=trouble)
        return
    with transaction.atomic():
        job.lease.end(OperationState.FAILED, error_code=error.code, error_message=error.message)
        runner.fail(job, error, kept=False)
        _follow_up(job.operation)


def _requeue(job: Job, error: PortalError, *, because: PortalError | None = None) -> None:
    """Back to the queue with exponential backoff and jitter, unless a cancel came: that does not wait."""
    delay = max(backoff(job.operation.attempt), min(error.retry_after, RETRY_AFTER_LONGEST_SECONDS))
    if because is not None:
        logger.warning("operation %s waits %.0f s: %s", job.operation.public_id, delay, because.code)
    with transaction.atomic():
        job.lease.end(
            OperationState.QUEUED,
            not_before=timezone.now() + timedelta(seconds=delay),
            error_code=error.code,
            error_message=error.message,
        )
        # The row is ours until we commit: a cancel has come by now, or will find it queued.
        queued = Operation.objects.filter(pk=job.operation.pk, cancel_requested=True)
        if queued.update(state=OperationState.CANCELLED, not_before=None, finished_at=timezone.now()):
            _follow_up(job.operation)
        else:
            send(job.operation, delay=delay)


def backoff(attempt: int) -> float:
    """Seconds before attempt n + 1: 2, 4, 8 … up to 600, each less up to a half at random."""
    longest = min(BACKOFF_LONGEST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(attempt - 1, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter, not a secret


def _cancel(job: Job) -> None:
    with transaction.atomic():
        job.lease.end(OperationState.CANCELLED)
        _follow_up(job.operation)


def _follow_up(operation: Operation) -> None:
    """Start the delete that waited for this operation to stop."""
    if operation.replica_id is None or operation.kind == Operation.Kind.DELETE:
        return
    replica = Replica.objects.select_related("iso", "zone").filter(pk=operation.replica_id).first()
    if replica is not None and replica.state == ReplicaState.DELETING:
        enqueue(replica, Operation.Kind.DELETE)


def runner_of(operation: Operation) -> Runner:
    from isos.operations.runners import RUNNERS

    return RUNNERS[Operation.Kind(operation.kind)]

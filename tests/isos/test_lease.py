"""Claiming, holding, losing and stealing an operation, by moving the clock."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from isos.errors import LeaseLost
from isos.models import Operation
from isos.operations import lease
from isos.operations.queue import enqueue
from isos.states import OperationState


@pytest.fixture
def operation(start):
    return enqueue(start(100).replica, Operation.Kind.INGEST)


def later(settings, leases=1.0):
    return time_machine.travel(timezone.now() + timedelta(seconds=settings.OPERATION_LEASE_SECONDS * leases))


def test_only_one_worker_gets_it(operation):
    assert lease.claim(operation.pk) is not None
    assert lease.claim(operation.pk) is None
    operation.refresh_from_db()
    assert operation.state == OperationState.RUNNING
    assert operation.attempt == 1


def test_a_silent_owner_is_replaced_and_can_write_no_more(operation, settings):
    zombie = lease.claim(operation.pk)
    with later(settings, 1.1):
        owner = lease.claim(operation.pk)
        assert owner is not None
        with pytest.raises(LeaseLost):
            zombie.renew(bytes_done=7)
        with pytest.raises(LeaseLost):
            zombie.end(OperationState.SUCCEEDED)
        owner.renew(bytes_done=5)
    operation.refresh_from_db()
    assert (operation.bytes_done, operation.attempt, operation.state) == (5, 2, OperationState.RUNNING)


def test_a_beating_owner_keeps_it(operation, settings):
    owner = lease.claim(operation.pk)
    with later(settings, 0.9):
        owner.renew()
        with later(settings, 0.9):
            assert lease.claim(operation.pk) is None


def test_backoff_is_kept_until_its_time(operation):
    lease.claim(operation.pk).end(OperationState.QUEUED, not_before=timezone.now() + timedelta(seconds=60))
    assert lease.claim(operation.pk) is None
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert lease.claim(operation.pk) is not None


def test_what_has_ended_is_never_claimed(operation, settings):
    lease.claim(operation.pk).end(OperationState.FAILED)
    with later(settings, 100):
        assert lease.claim(operation.pk) is None
    assert lease.claim(10**9) is None

"""Slots of a zone: so many operations at once, fair between accounts, and a delete waits for none."""

import itertools
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from isos.models import Iso, Operation, Replica
from isos.operations import engine, lease, queue, slots
from isos.operations.sweep import RESEND_SECONDS, sweep
from isos.states import OperationState
from portal.accounts.models import Account
from tests.isos.conftest import run_all, send
from tests.parallel import in_parallel
from zones.models import Zone

numbers = itertools.count()


@pytest.fixture
def published(monkeypatch):
    """What the broker was told: operation and queue."""
    told = []
    monkeypatch.setattr(queue, "_publish", lambda pk, name, delay: told.append((pk, name)))
    return told


@pytest.fixture
def other(db):
    return Account.objects.create(name="Another")


def waiting(account, zone, kind="copy", **fields):
    """An operation that waits; later ones are younger."""
    number = next(numbers)
    iso = Iso.objects.create(account=account, name=f"Image {number}", size=1000)
    replica = Replica.objects.create(iso=iso, zone=zone)
    operation = Operation.objects.create(
        replica=replica, account=account, zone=zone, iso_name=iso.name, kind=kind, bytes_total=1000, **fields
    )
    Operation.objects.filter(pk=operation.pk).update(created_at=timezone.now() + timedelta(milliseconds=number))
    return operation


def limit(zone, count):
    Zone.objects.filter(pk=zone.pk).update(max_operations=count)


def taken(operation):
    """The operation that a message about `operation` lets a worker begin."""
    owner = slots.claim(operation.pk)
    return owner and Operation.objects.get(pk=owner.operation_pk)


def end(operation):
    Operation.objects.filter(pk=operation.pk).update(state="succeeded", lease_token=None, lease_expires=None)


def running():
    return Operation.objects.filter(state=OperationState.RUNNING)


# --- how many ----------------------------------------------------------------------------------


def test_no_more_than_the_limit_run_in_a_zone(account, zone_a, zone_b):
    limit(zone_a, 2)
    here = [waiting(account, zone_a) for _ in range(4)]
    elsewhere = waiting(account, zone_b)
    assert [taken(operation) for operation in here] == [here[0], here[1], None, None]
    assert taken(elsewhere) == elsewhere  # another zone's slots are its own
    end(here[0])
    assert taken(here[3]) == here[2]  # a message wakes the zone; the oldest goes first


def test_the_portals_default_holds_where_a_zone_says_nothing(account, zone_a, settings):
    settings.ZONE_MAX_OPERATIONS = 1
    first, second = waiting(account, zone_a), waiting(account, zone_a)
    assert [taken(first), taken(second)] == [first, None]
    limit(zone_a, 0)
    assert taken(second) == second


def test_imports_and_verifications_count_too(account, zone_a):
    limit(zone_a, 2)
    first, second = waiting(account, zone_a, "fetch"), waiting(account, zone_a, "ingest")
    assert taken(first)
    assert taken(second)
    assert taken(waiting(account, zone_a, "copy")) is None


def test_deletes_and_clean_ups_wait_for_no_slot_and_take_none(account, zone_a):
    limit(zone_a, 1)
    for operation in [waiting(account, zone_a, "delete"), waiting(account, zone_a, "copy", is_doomed=True)]:
        assert taken(operation) == operation
    heavy = waiting(account, zone_a)
    assert taken(heavy) == heavy
    for operation in [waiting(account, zone_a, "delete"), waiting(account, zone_a, "ingest", is_doomed=True)]:
        assert taken(operation) == operation


def test_a_lowered_limit_stops_nothing_that_runs(account, zone_a):
    limit(zone_a, 2)
    operations = [waiting(account, zone_a) for _ in range(3)]
    for operation in operations[:2]:
        taken(operation)
    limit(zone_a, 1)
    end(operations[0])
    assert taken(operations[2]) is None
    end(operations[1])
    assert taken(operations[2]) == operations[2]


def test_what_a_dead_worker_ran_keeps_its_slot_and_goes_first(account, zone_a, settings):
    limit(zone_a, 1)
    lost, other = waiting(account, zone_a), waiting(account, zone_a)
    taken(lost)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.OPERATION_LEASE_SECONDS + 1)):
        assert taken(other) == lost
        assert taken(other) is None
        assert running().count() == 1


def test_what_is_not_due_or_has_ended_takes_no_slot(account, zone_a):
    limit(zone_a, 1)
    later = waiting(account, zone_a, not_before=timezone.now() + timedelta(hours=1))
    now = waiting(account, zone_a)
    assert taken(later) == now
    end(now)
    assert taken(now) is None
    assert slots.claim(10**9) is None


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_never_pass_the_limit(account, other, zone_a):
    limit(zone_a, 3)
    for _ in range(5):
        operations = [waiting(owner, zone_a) for owner in (account, other) * 4]
        claims = in_parallel(*[lambda pk=operation.pk: slots.claim(pk) for operation in operations])
        assert not [claim for claim in claims if isinstance(claim, Exception)]
        assert running().count() == sum(claim is not None for claim in claims) == 3
        Operation.objects.update(state="succeeded")


@pytest.mark.django_db(transaction=True)
def test_many_workers_that_end_and_begin_keep_within_the_limit_and_leave_nothing(account, other, zone_a):
    limit(zone_a, 2)
    operations = [waiting(owner, zone_a) for owner in (account, other) * 6]
    most = []

    def worker():
        while claim := slots.claim(operations[0].pk):
            most.append(running().count())
            claim.end(OperationState.SUCCEEDED)

    assert not [result for result in in_parallel(*[worker] * 6) if result is not None]
    while slots.claim(operations[0].pk):  # a worker that found no slot may have been the last to look
        Operation.objects.filter(state="running").update(state="succeeded")
    assert max(most) <= 2
    assert not Operation.objects.filter(state="queued").exists()


# --- who goes first --------------------------------------------------------------------------------


def test_a_flood_of_one_account_does_not_hold_up_another(account, other, zone_a):
    limit(zone_a, 2)
    flood = [waiting(account, zone_a) for _ in range(6)]
    taken(flood[0])
    taken(flood[1])
    late = waiting(other, zone_a)
    end(flood[0])
    assert taken(flood[2]) == late  # whatever message is heard
    end(flood[1])
    assert taken(late) == flood[2]


@given(
    accounts=st.lists(st.integers(1, 4), max_size=30),
    running=st.dictionaries(st.integers(1, 4), st.integers(0, 5)),
)
def test_fair_order_gives_each_slot_to_whoever_has_fewest(accounts, running):
    """Against the rule itself, applied slot by slot."""
    queued = list(enumerate(accounts))
    order = slots.fair_order(queued, Counter(running))
    having, left = Counter(running), list(queued)
    for operation in order:
        expected = min(left, key=lambda one: (having[one[1]], one[0]))
        assert operation == expected[0]
        having[expected[1]] += 1
        left.remove(expected)
    assert left == []


# --- who is told ---------------------------------------------------------------------------------------


def test_the_end_of_an_operation_wakes_the_next_at_once(
    start, iso_bytes, zone_a, published, django_capture_on_commit_callbacks
):
    limit(zone_a, 1)
    first, second = (start(len(iso_bytes), name=name) for name in ("First", "Second"))
    for upload in (first, second):
        send(upload, iso_bytes)
    one, two = Operation.objects.order_by("id")
    with django_capture_on_commit_callbacks(execute=True):
        holder = slots.claim(one.pk)
        assert slots.claim(two.pk) is None
        holder.end(OperationState.QUEUED)
        published.clear()
        engine.run(one.pk)
    assert [pk for pk, _ in published] == [two.pk]
    run_all()
    assert set(Replica.objects.values_list("state", flat=True)) == {"ready"}


def test_a_failure_that_waits_for_its_next_try_leaves_its_slot(
    start, iso_bytes, zone_a, published, monkeypatch, django_capture_on_commit_callbacks
):
    limit(zone_a, 1)
    for name in ("First", "Second"):
        send(start(len(iso_bytes), name=name), iso_bytes)
    one, two = Operation.objects.order_by("id")

    def broken(self, job):
        raise RuntimeError("broken")

    monkeypatch.setattr("isos.operations.runners.ingest.IngestRunner.run", broken)
    published.clear()
    with django_capture_on_commit_callbacks(execute=True):
        engine.run(one.pk)
    assert [pk for pk, _ in published] == [one.pk, two.pk]


def test_the_sweep_sends_what_has_a_slot_and_only_that(
    account, other, zone_a, published, django_capture_on_commit_callbacks
):
    limit(zone_a, 2)
    flood = [waiting(account, zone_a) for _ in range(4)]
    late = waiting(other, zone_a)
    delete = waiting(account, zone_a, "delete")
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep()["sent"] == 3
    assert {pk for pk, _ in published} == {flood[0].pk, late.pk, delete.pk}


def test_a_raised_limit_is_noticed_by_the_next_sweep(account, zone_a, published, django_capture_on_commit_callbacks):
    limit(zone_a, 1)
    one, two = waiting(account, zone_a), waiting(account, zone_a)
    Operation.objects.update(sent_at=timezone.now())
    taken(one)
    assert taken(two) is None  # its message is spent
    assert sweep()["sent"] == 0
    limit(zone_a, 2)
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep()["sent"] == 1
        assert sweep()["sent"] == 0
    assert [pk for pk, _ in published] == [two.pk]
    with time_machine.travel(timezone.now() + timedelta(seconds=RESEND_SECONDS + 1)):
        assert sweep()["sent"] >= 1


@pytest.mark.parametrize(
    ("by_zone", "heavy", "light"),
    [(False, "portal", "portal.light"), (True, "zone.zone-a", "zone.zone-a.light")],
)
def test_queues(account, zone_a, published, settings, by_zone, heavy, light, django_capture_on_commit_callbacks):
    settings.ZONE_QUEUES = by_zone
    with django_capture_on_commit_callbacks(execute=True):
        for operation in (
            waiting(account, zone_a),
            waiting(account, zone_a, "delete"),
            waiting(account, zone_a, "ingest", is_doomed=True),
        ):
            queue.send(operation)
    assert [name for _, name in published] == [heavy, light, light]


def test_a_lost_lease_wakes_nobody(
    start, iso_bytes, zone_a, published, monkeypatch, django_capture_on_commit_callbacks
):
    """The slot is its heir's now."""
    limit(zone_a, 1)
    for name in ("First", "Second"):
        send(start(len(iso_bytes), name=name), iso_bytes)
    one = Operation.objects.earliest("id")

    def robbed(self, job):
        Operation.objects.filter(pk=one.pk).update(lease_token=None)
        job.beat()

    monkeypatch.setattr("isos.operations.runners.ingest.IngestRunner.run", robbed)
    published.clear()
    with django_capture_on_commit_callbacks(execute=True):
        engine.run(one.pk)
    assert published == []
    assert lease.claim(one.pk) is None

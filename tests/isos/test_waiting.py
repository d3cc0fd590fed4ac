"""Steps that tell no progress keep the lease all the same: nobody takes the job over meanwhile."""

import threading

import pytest

from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.errors import Cancelled
from isos.models import Iso, Operation, Replica
from isos.operations import engine, lease
from isos.operations.engine import Job
from isos.operations.queue import enqueue
from isos.states import OperationState
from tests.isos.conftest import run_all, send
from zones.stores import files

PATIENCE = 20


@pytest.fixture
def beats(monkeypatch):
    """Released by every beat; whoever takes two of them has seen the lease renewed while it was at work."""
    released = threading.Semaphore(0)
    renew = lease.Lease.renew

    def note(self, **fields):
        renew(self, **fields)
        released.release()

    monkeypatch.setattr(lease.Lease, "renew", note)
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.01)
    return released


def slow(monkeypatch, name, beats):
    """This method of a file store goes on only after two beats."""
    method = getattr(files, name.partition(".")[0])
    original = getattr(method, name.partition(".")[2])
    waited = []

    def wait_first(self, *args):
        while beats.acquire(blocking=False):
            pass  # those from before
        waited.append(beats.acquire(timeout=PATIENCE) and beats.acquire(timeout=PATIENCE))
        return original(self, *args)

    monkeypatch.setattr(method, name.partition(".")[2], wait_first)
    return waited


def test_a_slow_commit(start, iso_bytes, beats, monkeypatch):
    waited = slow(monkeypatch, "FileStaged.commit", beats)
    send(start(len(iso_bytes)), iso_bytes)
    run_all()
    assert waited == [True]
    assert Replica.objects.get().state == "ready"


def test_a_slow_delete(start, iso_bytes, actor, beats, monkeypatch):
    send(start(len(iso_bytes)), iso_bytes)
    run_all()
    iso = Iso.objects.get()
    waited = slow(monkeypatch, "FileStore.delete", beats)
    delete_from_zones(actor, iso, iso.replicas.select_related("iso", "zone"), confirmation="confirm")
    run_all()
    assert waited == [True]
    assert not Iso.objects.exists()


@pytest.fixture
def job(start, beats):
    operation = enqueue(start(100).replica, Operation.Kind.INGEST)
    owner = lease.claim(operation.pk)
    return Job(Operation.objects.select_related("replica__iso").get(pk=operation.pk), owner)


def test_what_a_thread_reports_is_stored(job, beats):
    def work(report):
        report(42)
        return beats.acquire(timeout=PATIENCE) and beats.acquire(timeout=PATIENCE)

    assert job.waiting(work)
    assert Operation.objects.get().bytes_done == 42


def test_a_cancel_stops_the_thread_at_its_next_report_and_is_waited_for(job, actor):
    ended = threading.Event()
    cancel(actor, job.replica.iso)

    def work(report):
        try:
            for done in range(10**9):
                report(done)
        finally:
            ended.set()

    with pytest.raises(Cancelled):
        job.waiting(work)
    assert ended.is_set()


def test_what_the_thread_raises_is_raised(job):
    def work(report):
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        job.waiting(work)
    assert Operation.objects.get().state == OperationState.RUNNING

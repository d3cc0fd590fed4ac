"""What the sweep repairs: lost messages, dead workers, abandoned uploads."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from isos.errors import UploadGone
from isos.models import Event, Iso, Operation, Replica
from isos.operations import lease, queue
from isos.operations.queue import enqueue
from isos.operations.sweep import RESEND_SECONDS, sweep
from isos.states import ReplicaState
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from zones.stores import open_store


@pytest.fixture
def published(monkeypatch):
    """The ids of the operations that the broker was told of."""
    told = []
    monkeypatch.setattr(queue, "_publish", lambda pk, name, delay: told.append(pk))
    return told


def after(seconds):
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds))


def test_a_message_that_was_lost_is_sent_again(start, published, django_capture_on_commit_callbacks):
    operation = enqueue(start(10).replica, Operation.Kind.INGEST)
    assert sweep()["sent"] == 0  # it was sent just now
    with after(RESEND_SECONDS + 1), django_capture_on_commit_callbacks(execute=True):
        assert sweep()["sent"] == 1
        assert sweep()["sent"] == 0
    assert published[-1] == operation.pk


def test_a_dead_workers_operation_is_sent_again_as_soon_as_its_lease_runs_out(start, settings):
    operation = enqueue(start(10).replica, Operation.Kind.INGEST)
    lease.claim(operation.pk)
    assert sweep()["sent"] == 0
    with after(settings.OPERATION_LEASE_SECONDS + 1):
        assert sweep()["sent"] == 1
        assert lease.claim(operation.pk) is not None
        assert sweep()["sent"] == 0


def test_backoff_is_not_shortened(start):
    operation = enqueue(start(10).replica, Operation.Kind.INGEST)
    Operation.objects.update(not_before=timezone.now() + timedelta(hours=1))
    with after(RESEND_SECONDS + 1):
        assert sweep()["sent"] == 0
    with after(3700):
        assert sweep()["sent"] == 1
    assert operation.pk


def test_an_abandoned_upload_expires_and_gives_everything_back(start, settings, zone_a):
    upload = start(100)
    send(upload, b"x" * 60)
    assert sweep()["expired"] == 0
    with after(settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 1
        assert sweep()["expired"] == 0
        with pytest.raises(UploadGone):
            send(upload, b"x" * 40, 60)
        run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "upload_expired")
    assert not Reservation.objects.exists()
    assert not list(open_store(zone_a).list_staged())
    assert Event.objects.filter(verb="upload_expired").count() == 1


def test_an_upload_that_goes_on_does_not_expire(start, settings):
    upload = start(100)
    with after(settings.UPLOAD_EXPIRES_SECONDS - 60):
        send(upload, b"x" * 60)
        with after(settings.UPLOAD_EXPIRES_SECONDS - 60):
            assert sweep()["expired"] == 0
    assert Iso.objects.get().replicas.get().state == ReplicaState.RECEIVING


def test_kept_bytes_of_a_failed_ingest_expire_too(start, iso_bytes, settings, monkeypatch, zone_a):
    from tests.isos.test_ingest import StoreUnreachable

    settings.OPERATION_MAX_ATTEMPTS = 1
    send(start(len(iso_bytes)), iso_bytes)
    with monkeypatch.context() as broken:
        broken.setattr(
            "isos.operations.runners.ingest.open_store", lambda zone: (_ for _ in ()).throw(StoreUnreachable())
        )
        run_all()
    assert Reservation.objects.exists()
    with after(settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 1
        run_all()
    assert Replica.objects.get().error_code == "upload_expired"
    assert not Reservation.objects.exists()
    assert not list(open_store(zone_a).list_staged())

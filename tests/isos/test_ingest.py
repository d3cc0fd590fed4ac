"""From the last received byte to Ready, or to a sentence that says why not."""

import hashlib

import pytest

from isos.actions.delete_from_zones import cancel
from isos.models import Event, Iso, Operation, Replica
from isos.operations import engine
from isos.operations.runners import RUNNERS
from isos.operations.runners.ingest import IngestRunner
from isos.states import OperationState, ReplicaState, UploadState
from quotas.models import Reservation
from quotas.usage import usage_of
from tests import media
from tests.isos.conftest import run_all, send
from zones.stores import open_store
from zones.stores.base import StoreRefused, StoreUnreachable


@pytest.fixture
def uploaded(start, iso_bytes):
    """An upload whose bytes are all there, ingest waiting."""
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    return upload


def nothing_left(zone):
    store = open_store(zone)
    return not list(store.list()) and not list(store.list_staged())


def test_a_real_iso_becomes_ready_with_its_digest(uploaded, iso_bytes, zone_a, account):
    run_all()
    replica = Replica.objects.get()
    iso = Iso.objects.get()
    assert replica.state == ReplicaState.READY
    assert replica.verified_at is not None
    assert iso.sha256 == hashlib.sha256(iso_bytes).hexdigest()
    assert iso.size == len(iso_bytes)
    assert iso.ready_at is not None
    assert iso.inspection["boot_bios"] is True
    with open_store(zone_a).open(replica.key) as stored:
        assert stored.read() == iso_bytes
    assert not list(open_store(zone_a).list_staged())
    reservation = Reservation.objects.get()
    assert (reservation.state, reservation.bytes) == ("used", len(iso_bytes))
    assert usage_of(account).uploads == 0
    assert replica.upload.state == UploadState.FINISHED
    assert [event.verb for event in Event.objects.order_by("id")] == ["upload_started", "upload_received", "ready"]


REFUSED = {
    "program": (lambda iso: b"MZ" + bytes(100_000), "not_an_iso", "program"),
    "qcow2": (lambda iso: b"QFI\xfb\x00\x00\x00\x03" + bytes(100_000), "not_an_iso", "QCOW2"),
    "half": (lambda iso: media.plain()[: len(media.plain()) * 3 // 4], "truncated", "."),
    "zeros": (lambda iso: bytes(100_000), "not_an_iso", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_iso_fails_with_a_sentence_and_leaves_nothing(start, iso_bytes, zone_a, account, case):
    make, code, word = REFUSED[case]
    data = make(iso_bytes)
    send(start(len(data)), data)
    run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, code)
    assert word in replica.error_message
    assert replica.error_message.endswith(".")
    assert nothing_left(zone_a)
    assert usage_of(account).bytes == usage_of(account).isos == 0
    assert Operation.objects.get().state == OperationState.FAILED


def test_a_wrong_checksum_is_final(start, iso_bytes, zone_a):
    send(start(len(iso_bytes), expected_sha256="0" * 64), iso_bytes)
    run_all()
    replica = Replica.objects.get()
    assert replica.error_code == "checksum_mismatch"
    assert Operation.objects.get().attempt == 1  # "a wrong checksum retried fifty times"
    assert nothing_left(zone_a)


def test_the_right_checksum_is_taken(start, iso_bytes):
    send(start(len(iso_bytes), expected_sha256=hashlib.sha256(iso_bytes).hexdigest()), iso_bytes)
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY


@pytest.mark.parametrize("step", ["stage", "check", "commit", "publish"])
def test_a_crash_at_any_step_loses_nothing(uploaded, iso_bytes, monkeypatch, settings, step):
    """The worker dies (nothing of it is cleaned up) and the next one finishes the job."""

    class Died(BaseException):
        pass

    def die(*args, **kwargs):
        raise Died

    from isos.operations.runners import ingest

    operation = Operation.objects.get()
    with monkeypatch.context() as broken:
        if step == "stage":
            broken.setattr(ingest, "open_store", die)
        elif step == "check":
            broken.setattr(ingest.inspection, "inspect", die)
        elif step == "commit":
            broken.setattr("zones.stores.files.FileStaged.commit", die)
        else:
            broken.setattr(ingest, "_publish", die)
        with pytest.raises(Died):
            engine.run(operation.pk)
    assert Replica.objects.get().state == ReplicaState.VERIFYING
    Operation.objects.update(lease_expires=operation.created_at)  # the lease of the dead runs out
    engine.run(operation.pk)
    assert Replica.objects.get().state == ReplicaState.READY
    assert Iso.objects.get().sha256 == hashlib.sha256(iso_bytes).hexdigest()


def test_a_store_that_is_away_is_tried_again_and_then_kept_for_retry(uploaded, monkeypatch, settings, account):
    operation = Operation.objects.get()

    def away(zone):
        raise StoreUnreachable

    with monkeypatch.context() as broken:
        broken.setattr("isos.operations.runners.ingest.open_store", away)
        for attempt in range(1, settings.OPERATION_MAX_ATTEMPTS + 1):
            Operation.objects.update(not_before=None)
            engine.run(operation.pk)
            operation.refresh_from_db()
            assert operation.attempt == attempt
            assert operation.error_code == "store_unreachable"
            if attempt < settings.OPERATION_MAX_ATTEMPTS:
                assert operation.state == OperationState.QUEUED
                assert operation.not_before is not None
    replica = Replica.objects.get()
    assert operation.state == OperationState.FAILED
    assert replica.state == ReplicaState.FAILED
    assert "can't be reached" in replica.error_message
    # The bytes are still there and still paid for, so that Retry need not send them again.
    assert replica.upload.state == UploadState.RECEIVED
    assert usage_of(account).bytes == operation.bytes_total


def test_a_final_error_whose_cleanup_fails_is_cleaned_up_later(start, monkeypatch, zone_a, account):
    data = media.polyglot(b"QFI\xfb")
    send(start(len(data)), data)
    operation = Operation.objects.get()
    with monkeypatch.context() as broken:
        broken.setattr("isos.operations.endings.open_store", lambda zone: (_ for _ in ()).throw(StoreRefused()))
        engine.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.is_doomed) == (OperationState.QUEUED, True)
    Operation.objects.update(not_before=None)
    engine.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert operation.error_code != "store_refused"  # the reason that matters to the user is kept
    assert nothing_left(zone_a)
    assert usage_of(account).bytes == 0


def test_a_cancel_in_the_middle_of_the_cleanup_ends_it_at_once(start, actor, monkeypatch, zone_a, account):
    data = media.polyglot(b"QFI\xfb")
    upload = start(len(data))
    send(upload, data)
    operation = Operation.objects.get()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(IngestRunner, "discard", lambda self, job: cancel(actor, upload.replica.iso) and job.beat())
        engine.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == OperationState.CANCELLED
    run_all()
    assert not Iso.objects.exists()
    assert nothing_left(zone_a)
    assert usage_of(account).bytes == 0


def test_a_bug_is_logged_and_shown_as_a_plain_sentence(uploaded, monkeypatch, caplog):
    monkeypatch.setattr("isos.operations.runners.ingest.open_store", lambda zone: 1 / 0)
    engine.run(Operation.objects.get().pk)
    operation = Operation.objects.get()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "internal")
    assert "ZeroDivisionError" in caplog.text
    assert "Zero" not in operation.error_message


def test_a_lost_lease_stops_without_a_trace(uploaded, monkeypatch):
    """A stolen operation: the first worker must not publish, fail or requeue anything."""
    operation = Operation.objects.get()
    runner = RUNNERS[Operation.Kind.INGEST]
    finish = runner._verified

    def stolen_meanwhile(job, store):
        result = finish(job, store)
        Operation.objects.update(lease_token="00000000-0000-4000-8000-000000000000")
        return result

    monkeypatch.setattr(runner, "_verified", stolen_meanwhile)
    engine.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == OperationState.RUNNING
    assert Replica.objects.get().state == ReplicaState.VERIFYING
    assert Iso.objects.get().sha256 == ""

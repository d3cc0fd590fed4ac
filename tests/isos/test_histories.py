"""Histories that once lost something: a step that died, a process that slept, two that met."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.db import OperationalError
from django.utils import timezone

from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.replace_file import replace_file
from isos.actions.retry import retry
from isos.errors import UploadGone, UploadLocked
from isos.models import Iso, Operation, Replica, Upload
from isos.operations import endings, engine, lease
from isos.operations import receive as receiving
from isos.operations.receive import durable_offset, receive
from isos.operations.runners.ingest import IngestRunner
from isos.operations.sweep import sweep
from isos.states import OperationState, ReplicaState, UploadState
from portal.kernel.errors import Conflict, InvalidInput
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import StagedBusy, StoreFull, StoreRefused, StoreUnreachable
from zones.stores.files import FileStore

PROGRAM = b"\x7fELF"


class Killed(BaseException):
    """SIGKILL: no handler runs to good purpose."""


def fresh(upload):
    return Upload.objects.select_related("replica__iso__account", "replica__zone", "user").get(pk=upload.pk)


def failed_replica():
    replica = Replica.objects.select_related("iso__account", "zone").get()
    assert replica.state == ReplicaState.FAILED
    return replica


def later(**time):
    return time_machine.travel(timezone.now() + timedelta(**time))


@pytest.fixture
def refused(start, iso_bytes):
    """A received upload that ingest will refuse, as large as `iso_bytes`."""
    upload = start(len(iso_bytes))
    send(upload, PROGRAM.ljust(len(iso_bytes), b"x"))
    return upload


@pytest.fixture
def received_but_not_handed_over(start, iso_bytes, monkeypatch):
    """The process died between the last byte and the ingest."""

    def die(self):
        raise Killed

    upload = start(len(iso_bytes))
    with monkeypatch.context() as broken:
        broken.setattr(receiving.Writer, "_complete", die)
        with pytest.raises(Killed):
            send(upload, iso_bytes)
    assert not Operation.objects.exists()
    return upload


def test_asking_for_the_offset_hands_a_whole_file_over(received_but_not_handed_over, iso_bytes):
    assert durable_offset(fresh(received_but_not_handed_over)) == len(iso_bytes)
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY


def test_a_whole_file_is_handed_over_rather_than_expired(received_but_not_handed_over, settings):
    with later(seconds=settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 0
        run_all()
    assert Replica.objects.get().state == ReplicaState.READY


def test_a_worker_that_slept_before_its_cleanup_removes_nothing_new(refused, actor, iso_bytes, monkeypatch):
    """It sleeps past its lease; another cleans up; the user sends the right file; then it wakes up."""
    operation = Operation.objects.get()
    discard, slept = IngestRunner.discard, []

    def sleep_first(self, job):
        if not slept:
            slept.append(True)
            with later(seconds=60):
                engine.run(operation.pk)
            send(fresh(retry(actor, failed_replica())), iso_bytes)
            run_all()
        discard(self, job)

    monkeypatch.setattr(IngestRunner, "discard", sleep_first)
    engine.run(operation.pk)
    replica = Replica.objects.get()
    assert replica.state == ReplicaState.READY
    with open_store(replica.zone).open(replica.key) as stored:
        assert stored.read() == iso_bytes


def test_a_cleanup_that_fails_keeps_the_first_reason_and_never_gives_up(refused, monkeypatch, settings, account):
    operation = Operation.objects.get()
    with monkeypatch.context() as broken:

        def away(replica):
            raise StoreUnreachable

        broken.setattr(endings, "discard_bytes", away)
        for _ in range(settings.OPERATION_MAX_ATTEMPTS + 2):
            Operation.objects.update(not_before=None)
            engine.run(operation.pk)
    with monkeypatch.context() as broken:

        def hiccup(*args, **kwargs):
            raise OperationalError("database is locked")

        broken.setattr(endings, "fail_replica", hiccup)
        Operation.objects.update(not_before=None)
        engine.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "not_an_iso")
    Operation.objects.update(not_before=None)
    run_all()
    assert Replica.objects.get().error_code == "not_an_iso"
    assert not Reservation.objects.exists()


def test_retry_waits_for_the_cleanup(start, iso_bytes, actor, monkeypatch, settings):
    settings.OPERATION_MAX_ATTEMPTS = 1
    send(start(len(iso_bytes)), iso_bytes)
    with monkeypatch.context() as broken:

        def away(zone):
            raise StoreUnreachable

        broken.setattr("isos.operations.runners.ingest.open_store", away)
        run_all()
    with later(seconds=settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 1  # the clean-up waits, and the replica is Failed as before
        with pytest.raises(Conflict, match="cleaned up"):
            retry(actor, failed_replica())


def test_a_store_that_refuses_keeps_what_was_received(start, iso_bytes, actor, monkeypatch):
    send(start(len(iso_bytes)), iso_bytes)
    with monkeypatch.context() as broken:

        def read_only(self):
            raise StoreRefused

        broken.setattr("zones.stores.files.FileStaged.commit", read_only)
        run_all()
    assert failed_replica().error_code == "store_refused"
    assert Reservation.objects.exists()
    assert retry(actor, failed_replica()) is None
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY


def test_a_job_that_always_takes_its_worker_down_ends(start, iso_bytes):
    send(start(len(iso_bytes)), iso_bytes)
    operation = Operation.objects.get()
    Operation.objects.update(attempt=engine.MOST_CLAIMS)
    engine.run(operation.pk)
    assert failed_replica().error_code == "internal"


def test_another_file_is_refused_where_bytes_are_staged_whatever_the_row_says(start, actor, iso_bytes):
    upload = start(len(iso_bytes))
    pieces = iter([iso_bytes[:60_000]])

    def read(size):
        for piece in pieces:
            return piece
        raise Killed

    with pytest.raises(Killed):
        receive(upload, 0, read, len(iso_bytes), None)
    assert fresh(upload).offset == 0  # killed before the first checkpoint
    with pytest.raises(Conflict):
        replace_file(actor, fresh(upload), size=len(iso_bytes), filename="b.iso", fingerprint="")


def test_another_file_is_refused_while_a_request_writes(start, actor, settings):
    """Also when that request is so slow that its lock has run out: it still holds the staged file."""
    upload = start(3_000_000)
    calls = []

    def read(size):
        calls.append(size)
        if len(calls) == 1:
            with later(seconds=settings.UPLOAD_LOCK_SECONDS + 1), pytest.raises((StagedBusy, UploadLocked)):
                replace_file(actor, fresh(upload), size=1, filename="b.iso", fingerprint="")
        return b"x" * 1000 if len(calls) < 3 else b""

    with pytest.raises(UploadLocked):  # its lock was taken from it, so it must ask again; nothing is lost
        receive(fresh(upload), 0, read, None, None)
    assert Reservation.objects.get().bytes == 3_000_000


def test_asking_for_the_offset_beside_a_slow_writer_ends_nothing(start, settings):
    upload = start(100)
    pieces = iter([b"a" * 10, b"b" * 10, b""])

    def read(size):
        piece = next(pieces)
        if piece.startswith(b"b"):
            with later(seconds=settings.UPLOAD_LOCK_SECONDS + 2):
                durable_offset(fresh(upload))
        return piece

    with pytest.raises(UploadLocked):  # 423: the client waits and goes on
        receive(upload, 0, read, 20, None)
    assert fresh(upload).state == UploadState.RECEIVING
    assert durable_offset(fresh(upload)) == 20


def test_slow_lines_get_small_reads_and_fast_ones_large(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(receiving.time, "monotonic", lambda: now[0])

    def sizes(bytes_per_second):
        asked, left = [], 40

        def read(size):
            nonlocal left
            left -= 1
            asked.append(size)
            now[0] += size / bytes_per_second
            return b"x" * size if left else b""

        for _ in receiving.paced(read):
            pass
        return asked

    assert sizes(10_000)[-1] == receiving.SMALLEST_READ
    assert sizes(100_000_000)[-1] == receiving.LARGEST_READ


def test_retry_into_a_zone_that_takes_nothing_is_refused(refused, actor, zone_a):
    run_all()
    Zone.objects.update(state=Zone.State.DISABLED)
    with pytest.raises(InvalidInput, match="takes no new images"):
        retry(actor, failed_replica())
    assert failed_replica().error_code == "not_an_iso"


def test_a_cancel_does_not_wait_for_the_next_try(start, iso_bytes, actor, monkeypatch):
    """Cancelled while it runs, and then the store goes away: the delete follows at once, not after the backoff."""
    send(start(len(iso_bytes)), iso_bytes)
    with monkeypatch.context() as broken:

        def cancelled_and_away(zone):
            cancel(actor, Iso.objects.get())
            raise StoreUnreachable

        broken.setattr("isos.operations.runners.ingest.open_store", cancelled_and_away)
        engine.run(Operation.objects.get().pk)
    assert [(one.kind, one.state) for one in Operation.objects.order_by("id")] == [
        ("ingest", "cancelled"),
        ("delete", "queued"),
    ]
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_deleting_twice_is_deleting_once(start, iso_bytes, actor):
    send(start(len(iso_bytes)), iso_bytes)
    run_all()
    iso = Iso.objects.get()
    first, second = (list(iso.replicas.select_related("iso", "zone")) for _ in range(2))
    for replicas in (first, second):
        delete_from_zones(actor, iso, replicas, confirmation="confirm")
    assert Operation.objects.filter(kind="delete").count() == 1


def test_cancelled_at_the_last_byte_or_on_a_full_disk_it_is_gone_and_no_error(start, actor, iso_bytes, monkeypatch):
    upload = start(len(iso_bytes))
    complete = receiving.Writer._complete

    def too_late(self):
        cancel(actor, Iso.objects.get())
        complete(self)

    with monkeypatch.context() as broken:
        broken.setattr(receiving.Writer, "_complete", too_late)
        with pytest.raises(UploadGone):
            send(upload, iso_bytes)
    run_all()
    assert not Iso.objects.exists()

    def full(self, chunk):
        cancel(actor, Iso.objects.get())
        raise StoreFull

    upload = start(100)
    with monkeypatch.context() as broken:
        broken.setattr("zones.stores.files.FileStaged.append", full)
        with pytest.raises(StoreFull):
            send(upload, b"y" * 50)
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_what_a_wrong_clock_wrote_is_no_lease(start):
    send(start(4), b"1234")
    operation = Operation.objects.get()
    with later(days=30):
        assert lease.claim(operation.pk)
    assert lease.claim(operation.pk)


def test_who_moved_to_another_account_leaves_his_uploads_behind(start, owner, stranger, client):
    upload = start(100)
    owner.account = stranger.account
    owner.save()
    client.force_login(owner)
    assert client.head(upload.get_absolute_url(), headers={"Tus-Resumable": "1.0.0"}).status_code == 404


def test_a_piece_at_a_time_is_what_io_gives(start):
    """Guards the fixtures above: `send` really goes through `paced`."""
    upload = start(300_000)
    body = io.BytesIO(b"x" * 300_000)
    sizes = []
    receive(upload, 0, lambda size: sizes.append(size) or body.read(size), 300_000, None)
    assert sizes[0] == receiving.FIRST_READ
    assert len(sizes) > 2


def test_an_upload_outlives_its_user_and_expires(start, owner, settings):
    send(start(100), b"x" * 10)
    owner.delete()
    with later(seconds=settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 1
        run_all()
    assert failed_replica().error_code == "upload_expired"
    assert not Reservation.objects.exists()


def test_who_opens_staged_bytes_after_their_delete_leaves_none(start, actor, zone_a, monkeypatch):
    """Cancelled and deleted between a request's lock and its first byte."""
    upload = start(100)

    def too_late(zone):
        if Iso.objects.exists():
            cancel(actor, Iso.objects.get())
            run_all()
        return open_store(zone)

    monkeypatch.setattr(receiving, "open_store", too_late)
    with pytest.raises(UploadGone):
        send(upload, b"x" * 100)
    assert not Iso.objects.exists()
    assert not list(open_store(zone_a).list_staged())


def test_a_worker_that_slept_through_the_delete_leaves_no_staged_bytes(start, iso_bytes, actor, zone_a, monkeypatch):
    send(start(len(iso_bytes)), iso_bytes)
    operation, stage, slept = Operation.objects.get(), FileStore.stage, []

    def too_late(self, token, key):
        if not slept:
            slept.append(True)
            with later(seconds=60):
                cancel(actor, Iso.objects.get())
                engine.run(operation.pk)
                run_all()
        return stage(self, token, key)

    monkeypatch.setattr(FileStore, "stage", too_late)
    engine.run(operation.pk)
    assert not Iso.objects.exists()
    assert not list(open_store(zone_a).list_staged())

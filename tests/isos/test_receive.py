"""Receiving bytes: offsets, locks, broken lines, full disks."""

import base64
import hashlib
import io
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from isos.actions.delete_from_zones import cancel
from isos.errors import ChunkChecksumMismatch, OffsetConflict, UploadGone, UploadLocked
from isos.models import Iso, Operation, Replica, Upload
from isos.operations import receive as receiving
from isos.operations.receive import BodyTooLong, durable_offset, receive
from isos.states import ReplicaState, UploadState
from isos.tus import parse_checksum
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from zones.stores import open_store
from zones.stores.base import StagedBusy, StoreFull


class BrokenLine:
    """A body whose connection breaks after `good` bytes."""

    def __init__(self, data, good):
        self.body = io.BytesIO(data[:good])

    def __call__(self, size):
        chunk = self.body.read(min(size, 7))
        if not chunk:
            raise ConnectionResetError
        return chunk


@pytest.mark.parametrize("cut", [0, 1, 2047, 2048, 50_000])
def test_a_line_cut_at_any_byte_loses_only_what_did_not_arrive(start, iso_bytes, cut):
    upload = start(len(iso_bytes))
    assert receive(upload, 0, BrokenLine(iso_bytes, cut), len(iso_bytes), None) == cut
    upload = Upload.objects.get()
    assert (upload.offset, durable_offset(upload)) == (cut, cut)
    assert send(upload, iso_bytes[cut:], cut) == len(iso_bytes)
    run_all()
    assert Iso.objects.get().sha256 == hashlib.sha256(iso_bytes).hexdigest()


def test_a_stale_offset_is_refused_and_writes_nothing(start):
    upload = start(100)
    send(upload, b"a" * 40)
    for offset in (0, 39, 41, 100):
        with pytest.raises(OffsetConflict):
            send(upload, b"b" * 10, offset)
    assert durable_offset(upload) == 40
    with open_store(upload.replica.zone).stage(upload.replica.staging_token, upload.replica.key).open() as staged:
        assert staged.read() == b"a" * 40


def test_more_than_declared_is_refused_whether_it_says_so_or_not(start):
    upload = start(10)
    with pytest.raises(BodyTooLong):
        send(upload, b"x" * 11)
    with pytest.raises(BodyTooLong):
        receive(upload, 0, io.BytesIO(b"x" * 11).read, None, None)
    assert durable_offset(upload) == 0


def test_one_writer_at_a_time(start):
    upload = start(100)
    with receiving.Writer(upload):
        with pytest.raises(UploadLocked):
            send(upload, b"x" * 10)
        assert durable_offset(upload) == 0  # HEAD answers beside a writer
    send(upload, b"x" * 10)
    assert durable_offset(upload) == 10


def test_a_silent_writer_is_replaced_and_never_mixes_its_bytes_in(start, settings):
    """SIGSTOP beyond the lock, then SIGCONT: the old request wakes up after another took over."""
    upload = start(100)
    zombie = receiving.Writer(upload).__enter__()
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.UPLOAD_LOCK_SECONDS + 1)):
        with pytest.raises(StagedBusy):  # a process that merely sleeps still holds the file itself
            send(upload, b"new" * 10)
        zombie.staged.close()  # the process is gone, or its storage let go of it
        send(upload, b"new" * 10)
        with pytest.raises(UploadLocked):
            zombie._checkpoint(5)
    upload.refresh_from_db()
    assert upload.offset == 30


def test_a_killed_process_leaves_a_lock_that_runs_out(start, settings):
    upload = start(100)
    receiving.Writer(upload).__enter__().staged.close()
    with pytest.raises(UploadLocked):
        send(upload, b"x" * 10)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.UPLOAD_LOCK_SECONDS + 1)):
        assert send(upload, b"x" * 10) == 10


def test_cancelled_while_receiving_the_writer_stops_and_everything_comes_back(start, actor, monkeypatch):
    monkeypatch.setattr(receiving, "CHECKPOINT_SECONDS", 0)
    upload = start(100)
    chunks = iter([b"x" * 10, b"y" * 10, b"z" * 10])

    def read(size):
        chunk = next(chunks)
        if chunk.startswith(b"y"):
            cancel(actor, upload.replica.iso)
        return chunk

    with pytest.raises(UploadGone):
        receive(upload, 0, read, 30, None)
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    assert not list(open_store(upload.replica.zone).list_staged())


def test_a_full_disk_ends_the_upload_with_a_sentence_and_gives_back(start, monkeypatch):
    upload = start(100)
    send(upload, b"x" * 50)

    def full(self, chunk):
        raise StoreFull

    monkeypatch.setattr("zones.stores.files.FileStaged.append", full)
    with pytest.raises(StoreFull):
        send(upload, b"y" * 50, 50)
    run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "store_full")
    assert "out of disk space" in replica.error_message
    assert not Reservation.objects.exists()
    assert not list(open_store(replica.zone).list_staged())
    with pytest.raises(UploadGone):
        send(Upload.objects.get(), b"y" * 50, 50)


def test_a_body_with_a_wrong_checksum_leaves_no_byte(start):
    upload = start(20)
    checksum = parse_checksum("sha256 " + base64.b64encode(hashlib.sha256(b"right").digest()).decode())
    with pytest.raises(ChunkChecksumMismatch):
        receive(upload, 0, io.BytesIO(b"wrong").read, 5, checksum)
    assert durable_offset(upload) == 0
    assert receive(upload, 0, io.BytesIO(b"right").read, 5, checksum) == 5


def test_a_line_that_breaks_in_a_body_with_a_checksum_leaves_no_byte(start):
    upload = start(20)
    checksum = parse_checksum("sha256 " + base64.b64encode(hashlib.sha256(b"right").digest()).decode())
    with pytest.raises(ChunkChecksumMismatch):
        receive(upload, 0, BrokenLine(b"right", 3), 5, checksum)
    assert durable_offset(upload) == 0


def test_the_last_byte_hands_over_to_ingest_once(start, iso_bytes):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    assert upload.state == UploadState.RECEIVED
    assert Replica.objects.get().state == ReplicaState.VERIFYING
    assert Operation.objects.get().kind == "ingest"
    with pytest.raises(UploadGone):
        send(upload, b"", len(iso_bytes))

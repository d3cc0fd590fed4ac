"""Many at once on one row, each a thread with a database connection of its own."""

import io
import threading
import time
from collections import Counter

import pytest
from django.db import transaction

from isos.actions.delete_from_zones import cancel
from isos.errors import NameTaken, OffsetConflict, UploadLocked
from isos.models import Iso, Operation, Replica, Upload
from isos.operations import engine, lease
from isos.operations.queue import enqueue
from isos.operations.receive import receive
from isos.states import OperationState, ReplicaState
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from tests.parallel import WAIT, in_parallel
from zones.stores import open_store
from zones.stores.base import StagedBusy

pytestmark = pytest.mark.django_db(transaction=True)


def test_eight_workers_for_one_operation(start):
    with transaction.atomic():
        operation = enqueue(start(10).replica, Operation.Kind.INGEST)
    claims = in_parallel(*[lambda: lease.claim(operation.pk)] * 8)
    assert Counter(type(claim).__name__ for claim in claims) == {"Lease": 1, "NoneType": 7}


def test_eight_requests_for_one_upload_never_mix_their_bytes(start):
    size = 8000
    upload = start(size)

    def writer(letter):
        own = Upload.objects.select_related("replica__iso", "replica__zone", "user").get(pk=upload.pk)
        return lambda: receive(own, 0, io.BytesIO(letter * 1000).read, 1000, None)

    results = in_parallel(*[writer(bytes([65 + number])) for number in range(8)])
    refused = (UploadLocked, StagedBusy, OffsetConflict)
    assert sum(result == 1000 for result in results) == 1
    assert all(result == 1000 or isinstance(result, refused) for result in results), results
    replica = Replica.objects.select_related("iso", "zone").get()
    staged = open_store(replica.zone).stage(replica.staging_token, replica.key)
    with staged.open() as reader:
        content = reader.read()
    staged.close()
    assert len(content) == 1000
    assert len(set(content)) == 1


def test_one_name_for_eight_uploads(start, account):
    results = in_parallel(*[lambda: start(10, name="Debian 13")] * 8)
    assert sum(isinstance(result, Upload) for result in results) == 1
    assert sum(isinstance(result, NameTaken) for result in results) == 7
    assert Iso.objects.count() == Reservation.objects.count() == 1


def test_cancel_beside_a_worker_that_finishes(start, actor, iso_bytes, zone_a):
    """Whoever comes first: either Ready and then deleted, or cancelled; never a row or byte left over."""
    for number in range(6):
        upload = start(len(iso_bytes), name=f"Image {number}")
        send(upload, iso_bytes)
        operation = Operation.objects.get(replica=upload.replica)
        iso = Iso.objects.get(pk=upload.replica.iso_id)
        _, cancelled = in_parallel(lambda pk=operation.pk: engine.run(pk), lambda iso=iso: cancel(actor, iso))
        run_all()
        if cancelled == 1:
            assert not Iso.objects.filter(pk=iso.pk).exists()
            assert not Reservation.objects.filter(iso_ref=iso.public_id).exists()
        else:
            assert cancelled == 0, cancelled
            assert Replica.objects.get(iso=iso).state == ReplicaState.READY
    store = open_store(zone_a)
    assert not list(store.list_staged())
    assert len(list(store.list())) == Replica.objects.count()
    assert not Operation.objects.filter(state__in=[OperationState.QUEUED, OperationState.RUNNING]).exists()


def test_cancel_of_an_arrival_beside_the_delete_of_what_waits_for_it(start, actor, zone_a, zone_b):
    """The delete holds its operation and wants the ISO, as it does at its end; the cancel wants both of them too."""
    iso = start(10, zone=zone_a, more_zones=(zone_b,)).replica.iso
    cancel(actor, iso, [zone_b])
    operation = Operation.objects.get(kind=Operation.Kind.DELETE)
    held = threading.Event()

    def end_delete():
        claimed = lease.claim(operation.pk)
        with transaction.atomic():
            claimed.end(OperationState.SUCCEEDED)
            held.set()
            time.sleep(0.5)  # the cancel waits by now
            return Iso.objects.select_for_update().get(pk=iso.pk)

    def cancel_all():
        held.wait(WAIT)
        return cancel(actor, iso)

    assert in_parallel(end_delete, cancel_all) == [iso, 1]

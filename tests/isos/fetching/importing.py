"""What the tests of whole imports ask and do: run one attempt, look whether all of it is there."""

from __future__ import annotations

import hashlib

from isos.models import Iso, Operation, Replica
from isos.operations import engine
from isos.states import ReplicaState
from quotas.models import Reservation
from zones.stores import open_store

PATH = "/image.iso"


def downloads(site):
    return [request for request in site.requests if request.path == PATH]


def attempt():
    """One run of the waiting operation, its pause aside."""
    operation = Operation.objects.latest("id")
    Operation.objects.filter(pk=operation.pk).update(not_before=None)
    engine.run(operation.pk)
    operation.refresh_from_db()
    return operation


def is_ready(data, zone):
    replica = Replica.objects.get()
    assert (replica.state, replica.error_message) == (ReplicaState.READY, "")
    with open_store(zone).open(replica.key) as stored:
        assert stored.read() == data
    iso = Iso.objects.get()
    assert (iso.size, iso.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert not list(open_store(zone).list_staged())
    reservation = Reservation.objects.get()
    return (reservation.state, reservation.bytes) == ("used", len(data))


def nothing_left(zone):
    store = open_store(zone)
    return not list(store.list()) and not list(store.list_staged()) and not Reservation.objects.exists()

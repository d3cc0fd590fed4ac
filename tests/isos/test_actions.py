"""Verbs on ISOs: who may, in which states, and what is left afterwards."""

import pytest

from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.rename import rename
from isos.actions.retry import retry
from isos.audit import Actor
from isos.errors import NameTaken
from isos.models import Event, Iso, Operation, Replica, Upload
from isos.operations import engine, lease
from isos.states import OperationState, ReplicaState, UploadState
from portal.kernel.errors import Conflict, InvalidInput, NotAllowed
from quotas.errors import OverQuota, TooManyIsos
from quotas.models import QuotaLimit, Reservation
from tests.isos.conftest import run_all, send
from zones.stores import open_store
from zones.stores.base import StoreUnreachable


@pytest.fixture
def ready(start, iso_bytes):
    def ready(**fields):
        upload = start(len(iso_bytes), **fields)
        send(upload, iso_bytes)
        run_all()
        return Iso.objects.get(pk=upload.replica.iso_id)

    return ready


def everything(zone):
    store = open_store(zone)
    return [*store.list(), *store.list_staged()]


def delete(actor, iso, word="confirm"):
    delete_from_zones(actor, iso, iso.replicas.select_related("iso", "zone"), confirmation=word)


def test_a_started_upload_that_is_refused_leaves_nothing(start, account):
    QuotaLimit.objects.create(account=account, max_isos=1)
    start(10, name="One")
    with pytest.raises(TooManyIsos):
        start(10, name="Two")
    assert Iso.objects.count() == Replica.objects.count() == Upload.objects.count() == 1
    assert Reservation.objects.count() == Event.objects.count() == 1


def test_names_are_unique_in_the_account_and_case_does_not_count(start, stranger, zone_b):
    start(10, name="Debian 13")
    with pytest.raises(NameTaken, match=r"Try “debian 13 \(2\)”"):
        start(10, name="debian 13")
    start(10, name="Debian 13", by=Actor(stranger), zone=zone_b)  # another account's names do not matter


def test_rename_works_while_bytes_travel_and_is_recorded(start, actor):
    iso = start(10).replica.iso
    rename(actor, iso, "New name")
    assert Iso.objects.get().name == "New name"
    event = Event.objects.get(verb="renamed")
    assert (event.data, event.actor_name, event.address) == (
        {"before": "Image", "after": "New name"}, actor.user.display_name(), "192.0.2.7",
    )  # fmt: skip
    rename(actor, iso, "new NAME")  # only the case changes: the name is its own


def test_rename_to_a_taken_name_is_refused(start, actor):
    start(10, name="One")
    two = start(10, name="Two").replica.iso
    with pytest.raises(NameTaken):
        rename(actor, two, "ONE")
    assert two.name == "Two"


@pytest.mark.parametrize(
    "change",
    [
        lambda actor, iso: rename(actor, iso, "Mine now"),
        lambda actor, iso: cancel(actor, iso),
        lambda actor, iso: delete(actor, iso),
        lambda actor, iso: retry(actor, iso.replicas.get()),
    ],
)
def test_strangers_change_nothing_even_of_public_isos(ready, stranger, change):
    iso = ready(is_public=True)
    with pytest.raises(NotAllowed):
        change(Actor(stranger), iso)
    assert Replica.objects.get().state == ReplicaState.READY


def test_delete_needs_the_word(ready, actor):
    iso = ready()
    for word in ("", "Confirm", "confirmed", "yes"):
        with pytest.raises(InvalidInput, match="confirm"):
            delete(actor, iso, word)
    assert Replica.objects.get().state == ReplicaState.READY


def test_delete_removes_bytes_rows_and_quota_with_the_last_replica(ready, actor, zone_a, account):
    delete(actor, ready())
    assert Replica.objects.get().state == ReplicaState.DELETING
    assert Reservation.objects.exists()  # held until the bytes are gone
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    assert everything(zone_a) == []
    event = Event.objects.get(verb="deleted")
    assert (event.iso, event.iso_name, event.zone_name) == (None, "Image", "zone-a")
    assert Operation.objects.get(kind="delete").state == OperationState.SUCCEEDED


def test_a_delete_waits_for_a_store_that_is_away_and_says_so(ready, actor, monkeypatch, settings):
    delete(actor, ready())
    operation = Operation.objects.get(kind="delete")

    def away(zone):
        raise StoreUnreachable

    with monkeypatch.context() as broken:
        broken.setattr("isos.operations.endings.open_store", away)
        for _ in range(settings.OPERATION_MAX_ATTEMPTS + 3):
            Operation.objects.update(not_before=None)
            engine.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "store_unreachable")
    assert Replica.objects.get().state == ReplicaState.DELETING
    Operation.objects.update(not_before=None)
    run_all()
    assert not Iso.objects.exists()


def test_cancel_in_every_unfinished_state(start, iso_bytes, actor, zone_a):
    receiving = start(len(iso_bytes), name="receiving")
    send(receiving, iso_bytes[:100])
    verifying = start(len(iso_bytes), name="verifying")
    send(verifying, iso_bytes)
    for upload in (receiving, verifying):
        assert cancel(actor, upload.replica.iso) == 1
        assert cancel(actor, upload.replica.iso) == 0
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    assert everything(zone_a) == []


def test_cancel_while_a_worker_verifies(start, iso_bytes, actor, zone_a, monkeypatch):
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    from isos.operations import verifying

    def cancel_then_read(reader, stream):
        cancel(actor, upload.replica.iso)
        stream.feed(reader.read(100_000))

    monkeypatch.setattr(verifying, "read_through", cancel_then_read)
    run_all()
    assert [(op.kind, op.state) for op in Operation.objects.order_by("id")] == [
        ("ingest", "cancelled"),
        ("delete", "succeeded"),
    ]
    assert not Iso.objects.exists()
    assert everything(zone_a) == []


def test_cancel_of_a_job_whose_worker_is_dead_goes_on_when_its_lease_runs_out(start, iso_bytes, actor, zone_a):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    operation = Operation.objects.get()
    lease.claim(operation.pk)  # and never heard of again
    cancel(actor, upload.replica.iso)
    Operation.objects.update(lease_expires=operation.created_at)
    engine.run(operation.pk)
    run_all()
    assert not Iso.objects.exists()
    assert everything(zone_a) == []


def test_retry_after_bad_content_asks_for_the_file_again(start, actor, account):
    upload = start(100)
    send(upload, bytes(100))
    run_all()
    replica = Replica.objects.select_related("iso__account", "zone").get()
    assert replica.state == ReplicaState.FAILED
    assert not Reservation.objects.exists()
    again = retry(actor, replica)
    assert again is not None
    assert (again.offset, again.length, again.public_id != upload.public_id) == (0, 100, True)
    assert Replica.objects.get().state == ReplicaState.RECEIVING
    assert Reservation.objects.get().bytes == 100
    with pytest.raises(Conflict):
        retry(actor, replica)


def test_retry_goes_on_with_bytes_that_were_kept(start, iso_bytes, actor, monkeypatch, settings):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    settings.OPERATION_MAX_ATTEMPTS = 1
    with monkeypatch.context() as broken:
        broken.setattr(
            "isos.operations.runners.ingest.open_store", lambda zone: (_ for _ in ()).throw(StoreUnreachable())
        )
        run_all()
    replica = Replica.objects.select_related("iso__account", "zone").get()
    assert replica.state == ReplicaState.FAILED
    assert retry(actor, replica) is None
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY
    assert Upload.objects.get().state == UploadState.FINISHED


def test_retry_over_quota_changes_nothing(start, actor, account):
    upload = start(100)
    send(upload, bytes(100))
    run_all()
    QuotaLimit.objects.create(account=account, max_bytes=50)
    with pytest.raises(OverQuota):
        retry(actor, Replica.objects.select_related("iso__account", "zone").get())
    assert Replica.objects.get().state == ReplicaState.FAILED
    assert Upload.objects.get().state == UploadState.FINISHED


def test_events_are_append_only(start):
    start(10)
    event = Event.objects.get()
    with pytest.raises(TypeError):
        event.save()

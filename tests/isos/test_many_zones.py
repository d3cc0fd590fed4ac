"""One upload for several zones: it arrives in one, the others wait for it and are copied from there."""

import hashlib
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.drain_zone import Drain, Standing
from isos.actions.replace_file import replace_file
from isos.actions.retry import retry
from isos.audit import Actor
from isos.models import Event, Iso, Operation, Replica, Upload
from isos.operations import engine, queue, verifying, waiting
from isos.operations.receive import receive
from isos.operations.runners.ingest import IngestRunner
from isos.operations.sweep import RESEND_SECONDS, sweep
from isos.operations.waiting import stranded
from isos.states import UNFINISHED_REPLICA, OperationState, ReplicaState
from portal.kernel.errors import Conflict, InvalidInput
from quotas.errors import OverStorage, TooManyUploads
from quotas.models import QuotaLimit, Reservation
from quotas.usage import usage_of
from tests.conftest import make_file_zone
from tests.isos.conftest import run_all, send
from tests.isos.copies import content, held, make_zone, replica_in, staged_in
from tests.parallel import in_parallel
from tests.s3 import s3_server
from zones.models import Zone
from zones.stores import files, open_store
from zones.stores.base import StoreFull, StoreUnreachable

__all__ = ["s3_server"]


class Killed(BaseException):
    """SIGKILL: no handler runs to good purpose."""


@pytest.fixture
def zone_c(db, tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c")


@pytest.fixture
def begin(start, iso_bytes, zone_a, zone_b, zone_c):
    """Start an upload to zone A, for zones B and C too."""

    def begin(size=None, **fields):
        return start(size or len(iso_bytes), **({"zone": zone_a, "more_zones": (zone_b, zone_c)} | fields))

    return begin


def states():
    return {replica.zone.slug: str(replica.state) for replica in Replica.objects.select_related("zone")}


def everywhere(state):
    return dict.fromkeys(("zone-a", "zone-b", "zone-c"), state)


def in_zone(zone):
    return Replica.objects.select_related("iso__account", "zone").get(zone=zone)


def fresh(upload):
    return Upload.objects.select_related("replica__iso__account", "replica__zone", "user").get(pk=upload.pk)


def later(seconds):
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds))


def quota_is_true():
    """What is reserved is what is there or on its way: nothing for what failed and kept nothing."""
    living = Replica.objects.exclude(state=ReplicaState.FAILED)
    return set(living.values_list("public_id", flat=True)) == set(
        Reservation.objects.values_list("replica_ref", flat=True)
    )


def nothing_is_left(*zones):
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    return not any([*open_store(zone).list(), *staged_in(zone)] for zone in zones)


@pytest.fixture
def away(monkeypatch):
    """While this is entered, zone A's storage does not answer its ingest, and nothing is tried twice."""

    def away(settings):
        settings.OPERATION_MAX_ATTEMPTS = 1
        context = monkeypatch.context()
        broken = context.__enter__()

        def unreachable(zone):
            raise StoreUnreachable

        broken.setattr("isos.operations.runners.ingest.open_store", unreachable)
        run_all()
        context.__exit__(None, None, None)

    return away


# --- the first click -------------------------------------------------------------------------


def test_quota_and_rows_for_all_zones_are_there_before_a_byte(begin, account, iso_bytes):
    upload = begin()
    assert states() == {"zone-a": "receiving", "zone-b": "waiting", "zone-c": "waiting"}
    assert not Operation.objects.exists()
    usage = usage_of(account)
    assert (usage.isos, usage.bytes, usage.uploads) == (1, 3 * len(iso_bytes), 1)
    assert Event.objects.get().data == {"size": len(iso_bytes), "copies_to": "zone-b and zone-c"}
    assert upload.replica.iso.state == "In progress"
    assert not stranded().exists()
    sweep()
    assert states()["zone-b"] == "waiting"


def test_all_or_nothing(begin, account, iso_bytes):
    size = len(iso_bytes)
    limit = QuotaLimit.objects.create(account=account, max_bytes=3 * size - 1, max_isos=1, max_uploads=1)
    with pytest.raises(OverStorage, match=r"In 3 zones this ISO needs .* Choose fewer zones") as refused:
        begin()
    assert refused.value.field == "zones"
    with pytest.raises(OverStorage, match="This ISO needs") as refused:
        begin(3 * size)
    assert refused.value.field == "file"
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    limit.max_bytes += 1
    limit.save()
    begin()
    assert Reservation.objects.count() == 3
    with pytest.raises(TooManyUploads):
        begin(name="Two")


@pytest.mark.parametrize("closed", ["zone-a", "zone-c"])
def test_a_closed_zone_stops_all_of_it(begin, closed):
    zone = Zone.objects.get(slug=closed)
    zone.state = Zone.State.MAINTENANCE
    zone.save()
    field = "zone" if closed == "zone-a" else "more_zones"
    with pytest.raises(InvalidInput, match=f"{closed} takes no new images"):
        begin(**{field: zone if field == "zone" else (zone,)})
    assert not Iso.objects.exists()


def test_a_zone_that_is_named_twice_counts_once(begin, zone_a, zone_b):
    begin(more_zones=(zone_b, zone_a, zone_b))
    assert states() == {"zone-a": "receiving", "zone-b": "waiting"}


@pytest.mark.django_db(transaction=True)
def test_uploads_to_several_zones_beside_each_other_never_pass_the_quota(
    actor, account, start, zone_a, zone_b, iso_bytes
):
    size = len(iso_bytes)
    QuotaLimit.objects.create(account=account, max_bytes=5 * size)
    jobs = [lambda n=n: start(size, name=f"Image {n}", zone=zone_a, more_zones=(zone_b,)) for n in range(6)]
    results = in_parallel(*jobs)
    assert sum(isinstance(result, Upload) for result in results) == 2
    assert sum(isinstance(result, OverStorage) for result in results) == 4
    assert usage_of(account).bytes == 4 * size


# --- Ready ---------------------------------------------------------------------------------------


KINDS = [
    pytest.param(*kinds, marks=[pytest.mark.services] if "s3" in kinds else [])
    for kinds in (("files", "s3", "any"), ("s3", "files", "s3"), ("any", "any", "files"))
]


@pytest.mark.parametrize(("first", "second", "third"), KINDS)
def test_every_zone_becomes_ready_with_the_same_bytes(start, actor, iso_bytes, first, second, third, tmp_path, request):
    zones = [
        make_zone(kind, slug, tmp_path, request)
        for kind, slug in zip((first, second, third), ("one", "two", "three"), strict=True)
    ]
    upload = start(len(iso_bytes), zone=zones[0], more_zones=tuple(zones[1:]))
    send(upload, iso_bytes)
    engine.run(Operation.objects.get().pk)
    assert states() == {"one": "ready", "two": "queued", "three": "queued"}
    assert Operation.objects.filter(kind="copy", bytes_total=len(iso_bytes)).count() == 2
    run_all()
    iso = Iso.objects.get()
    assert (iso.state, iso.status) == ("Ready", "Available in 3 of 3 zones")
    for zone in zones:
        replica = replica_in(iso, zone)
        assert hashlib.sha256(content(replica)).hexdigest() == iso.sha256
        assert held(replica)[:2] == ("used", len(iso_bytes))
        assert staged_in(zone) == []
    copies = Event.objects.filter(verb="copy_started")
    assert sorted(copies.values_list("zone_name", "actor_name")) == [("three", ""), ("two", "")]
    delete_from_zones(actor, iso, iso.replicas.select_related("iso", "zone"), confirmation="confirm")
    run_all()
    assert nothing_is_left(*zones)


def test_a_worker_that_dies_before_the_copies_are_written_down_leaves_nothing_half(begin, iso_bytes, monkeypatch):
    """Ready and the copies' operations are one step: either of them alone is never seen."""
    send(begin(), iso_bytes)
    with monkeypatch.context() as broken:

        def die(iso, size):
            raise Killed

        broken.setattr(waiting, "start", die)
        with pytest.raises(Killed):
            engine.run(Operation.objects.get().pk)
    assert states() == {"zone-a": "verifying", "zone-b": "waiting", "zone-c": "waiting"}
    assert Iso.objects.get().ready_at is None
    Operation.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
    engine.run(Operation.objects.get().pk)
    run_all()
    assert states() == everywhere("ready")


def test_a_worker_that_dies_between_ready_and_the_messages_only_delays(
    begin, iso_bytes, monkeypatch, django_capture_on_commit_callbacks
):
    told = []
    monkeypatch.setattr(queue, "_publish", lambda pk, name, delay: told.append(pk))
    send(begin(), iso_bytes)
    engine.run(Operation.objects.get().pk)  # and nothing that it wanted to send on commit went out
    copies = set(Operation.objects.filter(kind="copy").values_list("pk", flat=True))
    assert len(copies) == 2
    with later(RESEND_SECONDS + 1), django_capture_on_commit_callbacks(execute=True):
        assert sweep()["sent"] == 2
    assert set(told[-2:]) == copies


def test_the_sweep_starts_what_was_left_waiting(begin, iso_bytes, monkeypatch):
    send(begin(), iso_bytes)
    with monkeypatch.context() as broken:
        broken.setattr(verifying.waiting, "start", lambda iso, size: None)
        run_all()
    assert states() == {"zone-a": "ready", "zone-b": "waiting", "zone-c": "waiting"}
    Reservation.objects.filter(source="copy").update(bytes=1)  # also where the size was not known in time
    assert stranded().count() == 2
    assert sweep()["waited"] == 2
    assert sweep()["waited"] == 0
    run_all()
    assert states() == everywhere("ready")
    assert set(Reservation.objects.values_list("state", "bytes")) == {("used", len(iso_bytes))}


def test_a_copy_never_begins_with_less_quota_than_it_needs(begin, iso_bytes):
    """As when a zone began to wait in the moment in which the size became known: the sweep puts that right first."""
    send(begin(), iso_bytes)
    Reservation.objects.filter(source="copy").update(bytes=1)
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "waiting", "zone-c": "waiting"}
    assert sweep()["waited"] == 2
    assert set(Reservation.objects.values_list("bytes", flat=True)) == {len(iso_bytes)}
    run_all()
    assert states() == everywhere("ready")


def test_the_sweep_says_so_where_there_is_no_room_for_what_was_left_waiting(begin, account, iso_bytes, monkeypatch):
    send(begin(), iso_bytes)
    with monkeypatch.context() as broken:
        broken.setattr(verifying.waiting, "start", lambda iso, size: None)
        run_all()
    Reservation.objects.filter(source="copy").update(bytes=1)
    QuotaLimit.objects.create(account=account, max_bytes=2 * len(iso_bytes) + 1)
    sweep()
    assert sorted(states().values()) == ["failed", "queued", "ready"]
    assert Replica.objects.get(state="failed").error_code == "over_quota"
    assert quota_is_true()


# --- the arrival fails ------------------------------------------------------------------------------


def test_those_that_wait_fail_with_the_first_and_say_where_to_retry(begin, actor, iso_bytes, zone_a, zone_b, account):
    send(begin(), bytes(len(iso_bytes)))
    run_all()
    assert states() == everywhere("failed")
    assert Iso.objects.get().state == "Failed"
    copy = in_zone(zone_b)
    assert copy.error_code == "not_copied"
    assert copy.error_message == (
        "Not copied: the upload to zone-a failed. Choose Retry there, and it is copied here afterwards."
    )
    assert not Reservation.objects.exists()
    with pytest.raises(Conflict, match="This waits for the upload to zone-a"):
        retry(actor, copy)
    assert not Event.objects.filter(verb="retried").exists()
    again = retry(actor, in_zone(zone_a))
    assert states() == {"zone-a": "receiving", "zone-b": "waiting", "zone-c": "waiting"}
    assert in_zone(zone_b).error_message == ""
    assert usage_of(account).bytes == 3 * len(iso_bytes)
    send(again, iso_bytes)
    run_all()
    assert states() == everywhere("ready")
    assert quota_is_true()


def test_bytes_that_are_kept_are_gone_on_with_for_all_zones(begin, actor, iso_bytes, zone_a, away, settings):
    send(begin(), iso_bytes)
    away(settings)
    assert states() == everywhere("failed")
    assert Reservation.objects.get().replica_ref == in_zone(zone_a).public_id  # what holds no byte holds no quota
    assert retry(actor, in_zone(zone_a)) is None
    run_all()
    assert states() == everywhere("ready")
    assert quota_is_true()


def test_retry_without_room_for_the_copies_goes_on_with_the_upload(
    begin, actor, account, iso_bytes, zone_a, zone_b, zone_c, away, settings
):
    send(begin(), iso_bytes)
    away(settings)
    limit = QuotaLimit.objects.create(account=account, max_bytes=len(iso_bytes))
    Zone.objects.filter(pk=zone_c.pk).update(state=Zone.State.MAINTENANCE)
    retry(actor, in_zone(zone_a))
    assert states() == {"zone-a": "queued", "zone-b": "failed", "zone-c": "failed"}
    assert "storage is full" in in_zone(zone_b).error_message
    assert in_zone(zone_c).error_message == (
        "zone-c took no new images when this was tried again. Choose Retry here when it does."
    )
    assert quota_is_true()
    limit.delete()
    retry(actor, in_zone(zone_b))  # while it arrives: it waits again
    assert states()["zone-b"] == "waiting"
    run_all()
    Zone.objects.update(state=Zone.State.ACTIVE)
    retry(actor, in_zone(zone_c))  # once it is Ready: it is copied
    run_all()
    assert states() == everywhere("ready")


def test_a_full_disk_or_a_cancel_there_ends_all_of_it_but_the_rows(begin, iso_bytes, monkeypatch):
    upload = begin()

    def full(self, chunk):
        raise StoreFull

    with monkeypatch.context() as broken:
        broken.setattr("zones.stores.files.FileStaged.append", full)
        with pytest.raises(StoreFull):
            send(upload, iso_bytes)
    run_all()
    assert states() == everywhere("failed")
    assert not Reservation.objects.exists()


def test_an_upload_that_expires_takes_the_waiting_with_it(begin, settings, iso_bytes):
    send(begin(), iso_bytes[:100])
    with later(settings.UPLOAD_EXPIRES_SECONDS + 60):
        sweep()
        run_all()
    assert states() == everywhere("failed")
    assert set(Replica.objects.values_list("error_code", flat=True)) == {"upload_expired", "not_copied"}
    assert not Reservation.objects.exists()


def test_kept_bytes_that_expire_leave_the_sentences_as_they_are(begin, iso_bytes, zone_b, away, settings):
    send(begin(), iso_bytes)
    away(settings)
    said = in_zone(zone_b).error_message
    with later(settings.UPLOAD_EXPIRES_SECONDS + 60):
        assert sweep()["expired"] == 1
        run_all()
        assert sweep() == {"sent": 0, "expired": 0, "waited": 0}
    assert in_zone(zone_b).error_message == said
    assert not Reservation.objects.exists()


def test_one_copys_failure_is_its_own(begin, iso_bytes, zone_b, monkeypatch):
    send(begin(), iso_bytes)
    original = files.FileStore.copy_from

    def full(self, *arguments):
        if "zone-b" in str(self.root.path):
            raise StoreFull
        return original(self, *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(files.FileStore, "copy_from", full)
        run_all()
    assert states() == {"zone-a": "ready", "zone-b": "failed", "zone-c": "ready"}


def test_the_sweep_fails_what_waits_for_nothing(begin, iso_bytes, zone_a, monkeypatch):
    """As if the failure of the first had not reached the others: they must not wait for ever."""
    send(begin(), bytes(len(iso_bytes)))
    with monkeypatch.context() as broken:
        broken.setattr(waiting, "fail", lambda receiver: None)
        run_all()
    assert states() == {"zone-a": "failed", "zone-b": "waiting", "zone-c": "waiting"}
    assert stranded().count() == 2
    assert sweep()["waited"] == 2
    assert states() == everywhere("failed")
    assert quota_is_true()


# --- cancel and delete ----------------------------------------------------------------------------------


def test_one_waiting_zone_can_be_cancelled_alone(begin, actor, iso_bytes, zone_b):
    upload = begin()
    assert cancel(actor, upload.replica.iso, [zone_b]) == 1
    run_all()
    assert states() == {"zone-a": "receiving", "zone-c": "waiting"}
    assert Reservation.objects.count() == 2
    send(upload, iso_bytes)
    run_all()
    assert states() == {"zone-a": "ready", "zone-c": "ready"}


@pytest.mark.parametrize("how", ["cancel", "cancel there", "delete there"])
def test_with_the_arrival_everything_goes(begin, actor, iso_bytes, zone_a, zone_b, zone_c, how):
    upload = begin()
    send(upload, iso_bytes[:1000])
    iso = Iso.objects.get()
    if how == "delete there":
        gone = delete_from_zones(
            actor, iso, iso.replicas.select_related("iso", "zone").filter(zone=zone_a), confirmation="confirm"
        )
        assert {replica.zone.slug for replica in gone} == set(everywhere(""))
    else:
        assert cancel(actor, iso, None if how == "cancel" else [zone_a]) == 3
    assert states() == everywhere("deleting")
    run_all()
    assert nothing_is_left(zone_a, zone_b, zone_c)


def test_deleting_what_failed_takes_along_what_waited_for_it(begin, actor, iso_bytes, zone_a, zone_b, zone_c):
    send(begin(), bytes(len(iso_bytes)))
    run_all()
    delete_from_zones(actor, Iso.objects.get(), [in_zone(zone_a)], confirmation="confirm")
    run_all()
    assert nothing_is_left(zone_a, zone_b, zone_c)


def test_a_failed_arrival_is_not_cancelled_and_takes_nothing_along(begin, actor, iso_bytes, zone_a):
    send(begin(), bytes(len(iso_bytes)))
    run_all()
    assert cancel(actor, Iso.objects.get(), [zone_a]) == 0
    assert states() == everywhere("failed")


def test_once_it_is_ready_the_others_stay_and_the_delete_waits_for_them(begin, actor, iso_bytes, zone_a):
    send(begin(), iso_bytes)
    engine.run(Operation.objects.get().pk)
    delete_from_zones(actor, Iso.objects.get(), [in_zone(zone_a)], confirmation="confirm")
    assert states() == {"zone-a": "deleting", "zone-b": "queued", "zone-c": "queued"}
    for _ in range(3):
        run_all()
        Operation.objects.update(not_before=None)
    assert states() == {"zone-b": "ready", "zone-c": "ready"}


def test_cancelled_while_it_is_verified(begin, actor, iso_bytes, zone_a, zone_b, zone_c, monkeypatch):
    """The mark comes before the last step: nothing becomes Ready, no copy begins."""
    send(begin(), iso_bytes)
    verified = IngestRunner._verified

    def cancelled(self, job, store):
        found = verified(self, job, store)
        cancel(actor, Iso.objects.get(), [zone_a])
        return found

    monkeypatch.setattr(IngestRunner, "_verified", cancelled)
    run_all()
    assert not Operation.objects.filter(kind="copy").exists()
    assert nothing_is_left(zone_a, zone_b, zone_c)


@pytest.mark.django_db(transaction=True)
def test_a_cancel_of_one_zone_beside_ready(begin, actor, iso_bytes, zone_b):
    """Whoever comes first: the zone is gone in the end, with its quota, and the others are Ready."""
    for number in range(4):
        upload = begin(name=f"Image {number}")
        send(upload, iso_bytes)
        iso, operation = upload.replica.iso, Operation.objects.get(replica=upload.replica)
        results = in_parallel(
            lambda pk=operation.pk: engine.run(pk), lambda iso=iso: cancel(actor, Iso.objects.get(pk=iso.pk), [zone_b])
        )
        assert not [one for one in results if isinstance(one, Exception)], results
        run_all()
        left = {replica.zone.slug: replica.state for replica in iso.replicas.select_related("zone")}
        assert left == {"zone-a": "ready", "zone-c": "ready"}
    assert quota_is_true()


@pytest.mark.django_db(transaction=True)
def test_a_cancel_of_the_arrival_beside_ready(begin, actor, iso_bytes, zone_a):
    """Either all of it goes, or it was Ready before and all of it stays."""
    for number in range(4):
        upload = begin(name=f"Image {number}")
        send(upload, iso_bytes)
        iso, operation = upload.replica.iso, Operation.objects.get(replica=upload.replica)
        results = in_parallel(
            lambda pk=operation.pk: engine.run(pk), lambda iso=iso: cancel(actor, Iso.objects.get(pk=iso.pk), [zone_a])
        )
        assert not [one for one in results if isinstance(one, Exception)], results
        run_all()
        left = {replica.zone.slug: str(replica.state) for replica in iso.replicas.select_related("zone")}
        assert left in ({}, everywhere("ready"))
    assert quota_is_true()


@pytest.mark.django_db(transaction=True)
def test_retry_of_one_zone_beside_the_failure_of_the_arrival(begin, actor, iso_bytes, zone_b, account):
    """Nothing waits for what has failed, whoever comes first; at the latest once the sweep has looked."""
    for number in range(4):
        upload = begin(name=f"Image {number}")
        send(upload, bytes(len(iso_bytes)))
        copy = Replica.objects.select_related("iso__account", "zone").get(iso=upload.replica.iso, zone=zone_b)
        Replica.objects.filter(pk=copy.pk).update(state=ReplicaState.FAILED)
        Reservation.objects.filter(replica_ref=copy.public_id).delete()
        operation = Operation.objects.get(replica=upload.replica)
        in_parallel(lambda pk=operation.pk: engine.run(pk), lambda copy=copy: retry(actor, copy))
        run_all()
        assert not Replica.objects.filter(state__in=UNFINISHED_REPLICA).exists()
    assert not Reservation.objects.exists()


# --- what else touches it ---------------------------------------------------------------------------------


def test_another_file_has_its_quota_in_all_zones_or_is_refused(begin, actor, account, zone_a):
    send(begin(1000), b"x" * 1000)
    run_all()
    upload = retry(actor, in_zone(zone_a))
    limit = QuotaLimit.objects.create(account=account, max_bytes=5999)
    with pytest.raises(OverStorage):
        replace_file(actor, fresh(upload), size=2000, filename="b.iso", fingerprint="")
    assert set(Reservation.objects.values_list("bytes", flat=True)) == {1000}
    limit.max_bytes += 1
    limit.save()
    replace_file(actor, fresh(upload), size=2000, filename="b.iso", fingerprint="")
    assert list(Reservation.objects.values_list("bytes", flat=True)) == [2000] * 3


def test_a_zone_that_waits_is_arriving_for_a_drain(begin, iso_bytes, zone_a, zone_b, zone_c):
    upload = begin()
    drain = Drain(zone_b, [zone_c], safe_in=[zone_a, zone_c])
    assert [step.standing for step in drain.steps()] == [Standing.ARRIVING]
    send(upload, iso_bytes)
    run_all()
    assert [step.standing for step in drain.steps()] == [Standing.SAFE]


def test_an_operators_upload_waits_too(account, iso_bytes, start, zone_a, zone_b):
    upload = start(len(iso_bytes), by=Actor(operates_for=account), zone=zone_a, more_zones=(zone_b,))
    send(upload, iso_bytes)
    run_all()
    assert states() == {"zone-a": "ready", "zone-b": "ready"}
    assert Operation.objects.filter(state=OperationState.SUCCEEDED).count() == 2


def test_waiting_takes_no_slot(begin, start, iso_bytes, zone_b):
    """What waits for an upload that nobody goes on with holds nobody up in its zone."""
    Zone.objects.update(max_operations=1)
    begin()
    send(start(len(iso_bytes), name="Other", zone=zone_b), iso_bytes)
    run_all()
    assert Replica.objects.get(iso__name="Other").state == ReplicaState.READY


def test_the_last_byte_of_a_reader_that_stops_changes_nothing_for_the_others(begin, iso_bytes):
    upload = begin()
    with pytest.raises(Killed):
        receive(upload, 0, _dies, len(iso_bytes), None)
    assert states() == {"zone-a": "receiving", "zone-b": "waiting", "zone-c": "waiting"}


def _dies(size):
    raise Killed

"""Copies between zones: from a verified replica only, verified at the end, each zone on its own."""

import hashlib
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from isos.actions.copy_to_zones import CopyRefused, copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.retry import retry
from isos.audit import Actor
from isos.models import Event, Iso, Operation, Replica
from isos.operations import copying, engine, lease, pumping
from isos.operations.sweep import sweep
from isos.states import OperationState, ReplicaState
from portal.kernel.errors import Conflict, InvalidInput, NotAllowed
from quotas.errors import OverStorage
from quotas.models import QuotaLimit, Reservation
from tests.conftest import make_file_zone
from tests.isos.conftest import run_all
from tests.isos.copies import (
    content,
    damage,
    held,
    make_zone,
    operation_of,
    path_of,
    put_ready,
    replica_in,
    staged_in,
    uploaded,
)
from tests.media import big_iso
from tests.parallel import in_parallel
from tests.s3 import s3_server
from zones.models import Zone
from zones.stores import files, open_store
from zones.stores.base import StoreFull, StoreUnreachable

__all__ = ["s3_server"]


class Killed(BaseException):
    """SIGKILL: no handler runs to good purpose."""


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """Large enough for some flushes and parts: 40 MiB and a bit."""
    return big_iso(tmp_path_factory.mktemp("image") / "image.iso", (40 << 20) + 6144).read_bytes()


@pytest.fixture
def zone_c(db, tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c")


@pytest.fixture
def iso(start, iso_bytes, zone_a):
    """Ready in zone A."""
    return uploaded(start, iso_bytes, zone_a)


@pytest.fixture
def streamed(monkeypatch):
    """No fast path between these zones."""
    monkeypatch.setattr(files.FileStore, "copy_from", lambda *_: False)


@pytest.fixture
def two_good(iso, iso_bytes, zone_b):
    """Ready in zones A and B."""
    put_ready(Replica.objects.create(iso=iso, zone=zone_b), iso_bytes, iso.sha256)
    return iso


def due():
    Operation.objects.update(not_before=None)


def delete(actor, iso, *zones):
    chosen = iso.replicas.select_related("iso", "zone").filter(zone__in=zones)
    delete_from_zones(actor, iso, chosen, confirmation="confirm")


# --- every way ---------------------------------------------------------------------------

WAYS = [
    pytest.param(source, target, marks=[pytest.mark.services] if "s3" in (source, target) else [])
    for source in ("files", "s3", "any")
    for target in ("files", "s3", "any")
]


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_copy_holds_the_same_bytes_and_is_verified(start, actor, image, source, target, tmp_path, request):
    here, there = make_zone(source, "here", tmp_path, request), make_zone(target, "there", tmp_path, request)
    iso = uploaded(start, image, here)
    [operation] = copy_to_zones(actor, iso, [there])
    copy = replica_in(iso, there)
    assert (copy.state, held(copy)) == (ReplicaState.QUEUED, ("held", len(image), "copy"))
    run_all()
    copy.refresh_from_db()
    assert (copy.state, copy.error_message) == (ReplicaState.READY, "")
    assert copy.verified_at is not None
    assert hashlib.sha256(content(copy)).hexdigest() == iso.sha256
    assert held(copy) == ("used", len(image), "copy")
    operation.refresh_from_db()
    assert (operation.state, operation.kind, operation.source) == (OperationState.SUCCEEDED, "copy", here)
    assert staged_in(there) == []
    event = Event.objects.filter(verb="ready").latest("id")
    assert (event.zone_name, event.data["copied_from"]) == ("there", "here")
    delete(actor, iso, here, there)
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_a_copy_killed_in_the_middle_goes_on(start, actor, image, source, target, tmp_path, request, monkeypatch):
    """Killed after some durable bytes; what is there is not sent again, and the whole is verified."""
    here, there = make_zone(source, "here", tmp_path, request), make_zone(target, "there", tmp_path, request)
    iso = uploaded(start, image, here)
    [operation] = copy_to_zones(actor, iso, [there])
    store, copy = open_store(there), replica_in(iso, there)
    staged = store.stage(copy.staging_token, copy.key)
    staged.append(image[: 25 << 20])
    durable = staged.flush()
    staged.close()
    lease.claim(operation.pk)  # by a worker that is no more
    Operation.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
    begins = []
    opens = type(open_store(here)).open
    monkeypatch.setattr(type(open_store(here)), "open", lambda *args: begins.append(args[2:]) or opens(*args))
    engine.run(operation.pk)
    copy.refresh_from_db()
    assert (copy.state, copy.error_message) == (ReplicaState.READY, "")
    assert hashlib.sha256(content(copy)).hexdigest() == iso.sha256
    if (source, target) not in (("files", "files"), ("s3", "s3")):
        assert (durable,) in begins


def test_an_ingested_iso_and_its_copies_have_the_same_facts(iso, actor, zone_b):
    before = Iso.objects.get()
    copy_to_zones(actor, iso, [zone_b])
    run_all()
    after = Iso.objects.get()
    assert (after.inspection, after.sha256, after.ready_at) == (before.inspection, before.sha256, before.ready_at)
    assert after.status == "Available in 2 of 2 zones"


def test_copies_say_what_they_do(iso, actor, zone_b, streamed, monkeypatch):
    seen = []
    renew = lease.Lease.renew

    def note(self, **fields):
        if "phase" in fields:
            seen.append((str(fields["phase"]), fields.get("bytes_total")))
        renew(self, **fields)

    monkeypatch.setattr(lease.Lease, "renew", note)
    copy_to_zones(actor, iso, [zone_b])
    run_all()
    assert seen == [("copying", iso.size), ("verifying", iso.size)]


# --- who may, where to -----------------------------------------------------------------------


def test_strangers_copy_nothing_even_of_public_isos(iso, stranger, zone_b):
    Iso.objects.update(is_public=True)
    with pytest.raises(NotAllowed):
        copy_to_zones(Actor(stranger), iso, [zone_b])
    assert Replica.objects.count() == 1


def test_no_zone_is_no_copy(iso, actor):
    with pytest.raises(InvalidInput, match="at least one zone"):
        copy_to_zones(actor, iso, [])


def test_what_is_not_ready_is_not_copied(start, actor, zone_b):
    upload = start(100)
    with pytest.raises(Conflict, match="No zone holds this ISO ready"):
        copy_to_zones(actor, upload.replica.iso, [zone_b])
    assert Replica.objects.count() == 1


def test_each_zone_says_why_not_and_nothing_is_started(iso, actor, account, zone_a, zone_b, zone_c, tmp_path):
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.MAINTENANCE)
    zone_b.refresh_from_db()
    failed = make_file_zone("zone-f", tmp_path / "zone-f")
    Replica.objects.create(iso=iso, zone=failed, state=ReplicaState.FAILED)
    with pytest.raises(CopyRefused) as refused:
        copy_to_zones(actor, iso, [zone_a, zone_b, zone_c, failed])
    problems = refused.value.problems
    assert set(problems) == {"zone-a", "zone-b", "zone-f"}
    assert "holds this ISO already" in problems["zone-a"]
    assert "takes no new images" in problems["zone-b"]
    assert "Choose Retry" in problems["zone-f"]
    assert not Replica.objects.filter(zone=zone_c).exists()
    assert Reservation.objects.count() == 1


def test_quota_for_all_zones_or_for_none(iso, actor, account, zone_b, zone_c):
    limit = QuotaLimit.objects.create(account=account, max_bytes=iso.size * 3 - 1)
    with pytest.raises(OverStorage, match="The 2 copies need"):
        copy_to_zones(actor, iso, [zone_b, zone_c])
    assert Reservation.objects.count() == Replica.objects.count() == 1
    assert not Event.objects.filter(verb="copy_started").exists()
    limit.max_bytes += 1
    limit.max_isos = 1  # a copy is no further ISO
    limit.save()
    assert len(copy_to_zones(actor, iso, [zone_b, zone_c])) == 2


def test_a_second_click_changes_nothing(iso, actor, zone_b, zone_c):
    first = copy_to_zones(actor, iso, [zone_b])
    second = copy_to_zones(actor, iso, [zone_c, zone_b, zone_b])
    assert [operation.zone for operation in second] == [zone_c, zone_b]
    assert second[1] == first[0]
    assert Replica.objects.count() == Reservation.objects.count() == 3
    assert Event.objects.filter(verb="copy_started").count() == 2


@pytest.mark.django_db(transaction=True)
def test_eight_clicks_at_once_are_one_copy(iso, actor, zone_b):
    results = in_parallel(*[lambda: copy_to_zones(actor, Iso.objects.get(), [zone_b])] * 8)
    assert len({operation.pk for [operation] in results}) == 1
    assert Replica.objects.filter(zone=zone_b).count() == 1
    assert Reservation.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_copies_beside_each_other_never_pass_the_quota(start, actor, account, iso_bytes, zone_a, zone_b):
    isos = [uploaded(start, iso_bytes, zone_a, f"Image {number}") for number in range(6)]
    QuotaLimit.objects.create(account=account, max_bytes=len(iso_bytes) * 8)
    results = in_parallel(*[lambda iso=iso: copy_to_zones(actor, iso, [zone_b]) for iso in isos])
    assert sum(isinstance(result, list) for result in results) == 2
    assert sum(isinstance(result, OverStorage) for result in results) == 4
    assert sum(Reservation.objects.values_list("bytes", flat=True)) == len(iso_bytes) * 8


# --- one zone's trouble ------------------------------------------------------------------------


def test_one_zones_failure_leaves_the_others_alone_and_retry_heals_it(
    iso, actor, zone_b, zone_c, streamed, monkeypatch
):
    append = files.FileStaged.append

    def full(self, chunk):
        if "zone-b" in str(self._store.root.path):
            raise StoreFull
        append(self, chunk)

    with monkeypatch.context() as broken:
        broken.setattr(files.FileStaged, "append", full)
        copy_to_zones(actor, iso, [zone_b, zone_c])
        run_all()
    failed = replica_in(iso, zone_b)
    assert (failed.state, failed.error_code) == (ReplicaState.FAILED, "store_full")
    assert held(failed)[0] == "held"
    assert replica_in(iso, zone_c).state == ReplicaState.READY
    assert retry(actor, failed) is None
    run_all()
    failed.refresh_from_db()
    assert failed.state == ReplicaState.READY
    assert held(failed)[0] == "used"


def test_retry_goes_on_with_the_bytes_that_were_kept(start, actor, image, zone_a, zone_b, streamed, monkeypatch):
    iso = uploaded(start, image, zone_a)
    monkeypatch.setattr(pumping, "FLUSH_BYTES", 4 << 20)
    append, taken = files.FileStaged.append, []

    def breaks(self, chunk):
        if self.offset >= 20 << 20:
            raise StoreFull
        append(self, chunk)

    with monkeypatch.context() as broken:
        broken.setattr(files.FileStaged, "append", breaks)
        copy_to_zones(actor, iso, [zone_b])
        run_all()
    failed = replica_in(iso, zone_b)
    assert failed.state == ReplicaState.FAILED
    assert staged_in(zone_b)[0].size >= 16 << 20
    monkeypatch.setattr(files.FileStaged, "append", lambda self, chunk: taken.append(len(chunk)) or append(self, chunk))
    retry(actor, failed)
    run_all()
    failed.refresh_from_db()
    assert failed.state == ReplicaState.READY
    assert sum(taken) <= len(image) - (16 << 20)
    assert hashlib.sha256(content(failed)).hexdigest() == iso.sha256


def test_kept_bytes_expire_and_retry_begins_anew(iso, actor, zone_b, settings, streamed, monkeypatch):
    def full(self, chunk):
        raise StoreFull

    with monkeypatch.context() as broken:
        broken.setattr(files.FileStaged, "append", full)
        copy_to_zones(actor, iso, [zone_b])
        run_all()
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS + 60)):
        assert sweep()["expired"] == 1
        run_all()
        assert sweep()["expired"] == 0
    failed = replica_in(iso, zone_b)
    assert (failed.error_code, held(failed), staged_in(zone_b)) == ("copy_expired", None, [])
    before = failed.public_id
    retry(actor, failed)
    run_all()
    failed = replica_in(iso, zone_b)
    assert failed.state == ReplicaState.READY
    assert failed.public_id != before  # a worker that slept may still remove what bears the old name


def test_retry_over_quota_changes_nothing(iso, actor, account, zone_b):
    failed = Replica.objects.create(iso=iso, zone=zone_b, state=ReplicaState.FAILED)
    QuotaLimit.objects.create(account=account, max_bytes=iso.size)
    with pytest.raises(OverStorage):
        retry(actor, failed)
    failed.refresh_from_db()
    assert failed.state == ReplicaState.FAILED


def test_a_target_that_is_away_is_tried_again(iso, actor, zone_b, monkeypatch):
    def away(*_):
        raise StoreUnreachable

    [operation] = copy_to_zones(actor, iso, [zone_b])
    with monkeypatch.context() as broken:
        broken.setattr(files.FileStaged, "flush", away)
        run_all()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "store_unreachable")
    due()
    run_all()
    assert replica_in(iso, zone_b).state == ReplicaState.READY


# --- sources ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast", [True, False])
def test_a_damaged_source_is_found_out_marked_and_another_is_taken(two_good, actor, zone_a, zone_c, fast, request):
    if not fast:
        request.getfixturevalue("streamed")
    bad = replica_in(two_good, zone_a)
    damage(bad)
    copy_to_zones(actor, two_good, [zone_c])
    run_all()
    bad.refresh_from_db()
    assert (bad.state, bad.error_code, bad.verified_at) == (ReplicaState.FAILED, "replica_damaged", None)
    assert "zone-a" in bad.error_message
    event = Event.objects.get(verb="damaged")
    assert (event.zone_name, event.actor) == ("zone-a", None)
    copy = replica_in(two_good, zone_c)
    assert copy.state == ReplicaState.READY
    assert hashlib.sha256(content(copy)).hexdigest() == two_good.sha256
    assert operation_of(copy).attempt == 1  # within one run, nothing blindly repeated


def test_a_damaged_replica_is_repaired_by_retry(two_good, actor, zone_a, zone_c):
    bad = replica_in(two_good, zone_a)
    damage(bad)
    copy_to_zones(actor, two_good, [zone_c])
    run_all()
    bad.refresh_from_db()
    before = Reservation.objects.count()
    assert retry(actor, bad) is None
    run_all()
    bad = replica_in(two_good, zone_a)
    assert bad.state == ReplicaState.READY
    assert hashlib.sha256(content(bad)).hexdigest() == two_good.sha256
    assert Reservation.objects.count() == before


def test_what_is_damaged_everywhere_is_not_copied(iso, actor, zone_a, zone_b):
    damage(replica_in(iso, zone_a))
    copy_to_zones(actor, iso, [zone_b])
    run_all()
    copy = replica_in(iso, zone_b)
    assert (copy.state, copy.error_code) == (ReplicaState.FAILED, "no_good_copy")
    assert (held(copy), staged_in(zone_b)) == (None, [])
    assert replica_in(iso, zone_a).state == ReplicaState.FAILED
    with pytest.raises(Conflict, match="No zone holds"):
        retry(actor, copy)


def test_a_vanished_source_is_marked_and_another_is_taken(two_good, actor, zone_a, zone_c):
    path_of(replica_in(two_good, zone_a)).unlink()
    copy_to_zones(actor, two_good, [zone_c])
    run_all()
    assert replica_in(two_good, zone_a).error_code == "replica_missing"
    assert replica_in(two_good, zone_c).state == ReplicaState.READY


def test_a_source_of_another_size_is_damaged(two_good, actor, zone_a, zone_c):
    with path_of(replica_in(two_good, zone_a)).open("ab") as file:
        file.write(b"more")
    copy_to_zones(actor, two_good, [zone_c])
    run_all()
    assert replica_in(two_good, zone_a).error_code == "replica_damaged"
    assert replica_in(two_good, zone_c).state == ReplicaState.READY


def test_a_source_that_is_away_is_not_marked(two_good, actor, zone_a, zone_c, tmp_path):
    (tmp_path / "zone-a").rename(tmp_path / "elsewhere")
    copy_to_zones(actor, two_good, [zone_c])
    run_all()
    assert replica_in(two_good, zone_a).state == ReplicaState.READY
    assert replica_in(two_good, zone_c).state == ReplicaState.READY


def test_when_every_source_is_away_the_copy_waits_and_says_so(iso, actor, zone_b, tmp_path):
    [operation] = copy_to_zones(actor, iso, [zone_b])
    (tmp_path / "zone-a").rename(tmp_path / "elsewhere")
    run_all()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_unreadable")
    assert "zone-a" in operation.error_message
    (tmp_path / "elsewhere").rename(tmp_path / "zone-a")
    due()
    run_all()
    assert replica_in(iso, zone_b).state == ReplicaState.READY


def test_a_source_that_breaks_in_the_middle_hands_over(
    start, actor, image, zone_a, zone_b, zone_c, streamed, monkeypatch
):
    iso = uploaded(start, image, zone_a)
    put_ready(Replica.objects.create(iso=iso, zone=zone_b), image, iso.sha256)
    fill, broken = pumping._fill, []

    def breaks(reader, buffer):
        if not broken and reader.tell() > 10 << 20:
            broken.append(reader.tell())
            raise StoreUnreachable
        return fill(reader, buffer)

    monkeypatch.setattr(pumping, "_fill", breaks)
    begins, opens = [], files.FileStore.open
    monkeypatch.setattr(files.FileStore, "open", lambda *args: begins.append(args[2:]) or opens(*args))
    [operation] = copy_to_zones(actor, iso, [zone_c])
    run_all()
    assert broken
    assert replica_in(iso, zone_c).state == ReplicaState.READY
    assert begins[-1][0] >= 9 << 20  # the other source goes on where the first one stopped
    operation.refresh_from_db()
    assert (operation.attempt, operation.source) == (1, zone_b)


def test_damage_on_the_way_blames_nobody_and_is_tried_again(iso, actor, zone_a, zone_b, streamed, monkeypatch):
    fill, spoiled = pumping._fill, []

    def spoil(reader, buffer):
        count = fill(reader, buffer)
        if not spoiled and count:
            spoiled.append(True)
            buffer[5] ^= 1
        return count

    monkeypatch.setattr(pumping, "_fill", spoil)
    [operation] = copy_to_zones(actor, iso, [zone_b])
    run_all()
    operation.refresh_from_db()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "copy_damaged")
    assert replica_in(iso, zone_a).state == ReplicaState.READY
    assert staged_in(zone_b) == []
    due()
    run_all()
    assert replica_in(iso, zone_b).state == ReplicaState.READY
    assert content(replica_in(iso, zone_b)) == content(replica_in(iso, zone_a))


def test_tainted_bytes_of_an_earlier_attempt_are_thrown_away(iso, actor, zone_b, streamed):
    copy_to_zones(actor, iso, [zone_b])
    copy = replica_in(iso, zone_b)
    staged = open_store(zone_b).stage(copy.staging_token, copy.key)
    staged.append(b"x" * iso.size)
    staged.close()
    run_all()
    copy.refresh_from_db()
    assert copy.state == ReplicaState.READY
    assert hashlib.sha256(content(copy)).hexdigest() == iso.sha256


def test_the_same_kind_of_storage_then_the_idle_zone_is_read(
    start, actor, iso_bytes, zone_a, zone_b, zone_c, tmp_path, request
):
    other = make_zone("any", "other", tmp_path, request)
    iso = uploaded(start, iso_bytes, other)
    for zone in (zone_a, zone_b):
        put_ready(Replica.objects.create(iso=iso, zone=zone), iso_bytes, iso.sha256)
    busy = start(10, name="Busy", zone=zone_a).replica
    Operation.objects.create(
        replica=busy, account=busy.iso.account, zone=zone_a, iso_name="Busy", kind="ingest", state="running",
        lease_expires=timezone.now() + timedelta(seconds=20),
    )  # fmt: skip
    [operation] = copy_to_zones(actor, iso, [zone_c])
    engine.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.state, operation.source) == (OperationState.SUCCEEDED, zone_b)


# --- cancel and delete ------------------------------------------------------------------------------


def test_cancel_of_one_zone_or_of_all(iso, actor, account, zone_a, zone_b, zone_c):
    copy_to_zones(actor, iso, [zone_b, zone_c])
    assert cancel(actor, iso, [zone_b]) == 1
    run_all()
    assert set(iso.replicas.values_list("zone__slug", "state")) == {("zone-a", "ready"), ("zone-c", "ready")}
    delete(actor, iso, zone_c)
    run_all()
    copy_to_zones(actor, iso, [zone_b, zone_c])
    assert cancel(actor, iso) == 2
    run_all()
    assert list(iso.replicas.values_list("zone__slug", flat=True)) == ["zone-a"]
    assert Reservation.objects.count() == 1


@pytest.mark.parametrize("fast", [True, False])
def test_cancel_while_it_copies(start, actor, image, zone_a, zone_b, fast, request, monkeypatch):
    if not fast:
        request.getfixturevalue("streamed")
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    monkeypatch.setattr(engine, "WAIT_SECONDS", 0.01)
    iso = uploaded(start, image, zone_a)
    copy_to_zones(actor, iso, [zone_b])
    bring = copying.Copying._bring

    def cancelled(self, *args):
        cancel(actor, iso)
        return bring(self, *args)

    monkeypatch.setattr(copying.Copying, "_bring", cancelled)
    run_all()
    assert [(op.kind, op.state) for op in Operation.objects.filter(zone=zone_b).order_by("id")] == [
        ("copy", "cancelled"),
        ("delete", "succeeded"),
    ]
    assert list(iso.replicas.values_list("zone__slug", flat=True)) == ["zone-a"]
    assert [*open_store(zone_b).list(), *staged_in(zone_b)] == []


def test_copy_then_delete_moves_an_iso(iso, actor, zone_a, zone_b):
    """The delete comes to a worker first, and waits: nothing else holds the bytes."""
    [copy] = copy_to_zones(actor, iso, [zone_b])
    delete(actor, iso, zone_a)
    removal = Operation.objects.get(kind="delete")
    engine.run(removal.pk)
    removal.refresh_from_db()
    assert (removal.state, removal.error_code) == (OperationState.QUEUED, "still_needed")
    assert path_of(replica_in(iso, zone_a)).exists()
    engine.run(copy.pk)
    removal.refresh_from_db()
    assert removal.not_before is None  # woken, it need not wait for its next try
    run_all()
    assert list(iso.replicas.values_list("zone__slug", "state")) == [("zone-b", "ready")]
    assert hashlib.sha256(content(replica_in(iso, zone_b))).hexdigest() == iso.sha256


def test_a_waiting_delete_goes_on_when_the_copies_are_cancelled(iso, actor, zone_a, zone_b, zone_c):
    copy_to_zones(actor, iso, [zone_b, zone_c])
    delete(actor, iso, zone_a)
    engine.run(Operation.objects.get(kind="delete").pk)
    cancel(actor, iso)
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_two_waiting_deletes_do_not_wake_each_other_for_ever(two_good, actor, zone_a, zone_b, zone_c):
    copy_to_zones(actor, two_good, [zone_c])
    delete(actor, two_good, zone_a, zone_b)
    waiting = list(Operation.objects.filter(kind="delete"))
    for operation in waiting:
        engine.run(operation.pk)
    assert not Operation.objects.filter(kind="delete", not_before=None).exists()
    run_all()
    due()
    run_all()
    assert list(Replica.objects.values_list("zone__slug", flat=True)) == ["zone-c"]


def test_a_delete_does_not_wait_where_another_zone_holds_the_iso(two_good, actor, zone_a, zone_b, zone_c):
    [copy] = copy_to_zones(actor, two_good, [zone_c])
    delete(actor, two_good, zone_a)
    engine.run(Operation.objects.get(kind="delete").pk)
    assert not Replica.objects.filter(zone=zone_a).exists()
    engine.run(copy.pk)
    assert replica_in(two_good, zone_c).state == ReplicaState.READY


def test_what_is_being_deleted_is_the_last_choice(two_good, actor, zone_a, zone_b, zone_c):
    [copy] = copy_to_zones(actor, two_good, [zone_c])
    delete(actor, two_good, zone_a)
    engine.run(copy.pk)
    copy.refresh_from_db()
    assert (copy.state, copy.source) == (OperationState.SUCCEEDED, zone_b)


def test_a_source_deleted_in_the_middle_of_a_copy_is_replaced(
    two_good, actor, zone_a, zone_b, zone_c, streamed, monkeypatch
):
    """Read to its half, deleted, and the rest can't be read: as an object store does it."""
    [copy] = copy_to_zones(actor, two_good, [zone_c])
    fill, deleted = pumping._fill, []

    def delete_meanwhile(reader, buffer):
        if deleted:
            return fill(reader, buffer)
        deleted.append(True)
        path_of(replica_in_a).unlink()
        raise StoreUnreachable

    replica_in_a = replica_in(two_good, zone_a)
    delete(actor, two_good, zone_a)
    Replica.objects.filter(pk=replica_in_a.pk).update(state=ReplicaState.READY)  # chosen before it was marked
    choose = copying.sources.choose

    def chosen(target, besides):
        source = choose(target, besides)
        Replica.objects.filter(pk=replica_in_a.pk).update(state=ReplicaState.DELETING)
        return source

    monkeypatch.setattr(copying.sources, "choose", chosen)
    monkeypatch.setattr(pumping, "_fill", delete_meanwhile)
    engine.run(copy.pk)
    assert deleted
    assert replica_in(two_good, zone_c).state == ReplicaState.READY
    assert Replica.objects.get(pk=replica_in_a.pk).state == ReplicaState.DELETING
    assert not Event.objects.filter(verb="damaged").exists()


def test_no_source_left_is_said_and_costs_no_quota(iso, actor, zone_a, zone_b):
    copy_to_zones(actor, iso, [zone_b])
    Replica.objects.filter(zone=zone_a).delete()
    run_all()
    copy = replica_in(iso, zone_b)
    assert (copy.state, copy.error_code, held(copy)) == (ReplicaState.FAILED, "no_good_copy", None)


def test_a_copy_cannot_begin_behind_a_delete_that_took_the_last_replica(iso, actor, zone_a, zone_b):
    delete(actor, iso, zone_a)
    with pytest.raises(Conflict, match="No zone holds"):
        copy_to_zones(actor, iso, [zone_b])
    run_all()
    with pytest.raises(Conflict, match="deleted meanwhile"):
        copy_to_zones(actor, iso, [zone_b])


def test_a_worker_that_lost_its_lease_leaves_the_copy_to_its_heir(iso, actor, zone_a, zone_b, streamed, monkeypatch):
    """It sleeps past its lease in the middle; another one brings the copy; then it wakes up."""
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    [operation] = copy_to_zones(actor, iso, [zone_b])
    bring, slept = copying.Copying._bring, []

    def sleep_first(self, source, staged):
        if not slept:
            slept.append(True)
            staged.close()
            with time_machine.travel(timezone.now() + timedelta(seconds=60)):
                engine.run(operation.pk)
            assert replica_in(iso, zone_b).state == ReplicaState.READY
        return bring(self, source, staged)

    monkeypatch.setattr(copying.Copying, "_bring", sleep_first)
    engine.run(operation.pk)
    copy = replica_in(iso, zone_b)
    assert slept
    assert (copy.state, hashlib.sha256(content(copy)).hexdigest()) == (ReplicaState.READY, iso.sha256)
    operation.refresh_from_db()
    assert operation.state == OperationState.SUCCEEDED


def test_deleting_what_is_being_copied_to_stops_the_writer_first(iso, actor, zone_b, streamed, monkeypatch):
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    copy_to_zones(actor, iso, [zone_b])
    bring = copying.Copying._bring

    def deleted(self, *args):
        delete(actor, iso, zone_b)
        return bring(self, *args)

    monkeypatch.setattr(copying.Copying, "_bring", deleted)
    run_all()
    assert not Replica.objects.filter(zone=zone_b).exists()
    assert [*open_store(zone_b).list(), *staged_in(zone_b)] == []
    assert Reservation.objects.count() == 1

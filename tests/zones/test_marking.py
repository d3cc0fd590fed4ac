"""A directory is taken for a zone's storage only while it bears the zone's marker."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from isos.actions.delete_from_zones import delete_from_zones
from isos.models import Iso, Operation, Replica
from portal.embedded import first_start
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from zones.health import probe_zone
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import StoreFull, StoreRefused, StoreUnreachable

KEY = "isos/one/1.iso"


def root_of(zone):
    return Path(zone.options["location"])


def marker_of(zone):
    return (root_of(zone) / ".zone").read_text().strip()


@contextmanager
def unmounted(zone):
    """Meanwhile the zone's location is an empty directory, as a mount point without its disk."""
    root, away = root_of(zone), root_of(zone).with_name("away")
    root.rename(away)
    root.mkdir()
    yield
    assert list(root.iterdir()) == [], "something was written to the wrong disk"
    root.rmdir()
    away.rename(root)


def unmark(zone):
    """As an earlier version left it."""
    (root_of(zone) / ".zone").unlink()
    Zone.objects.filter(pk=zone.pk).update(marked_at=None)
    zone.refresh_from_db()


def put(zone, key=KEY):
    staged = open_store(zone).stage("put", key)
    staged.append(b"bytes")
    staged.commit()


def files_of(zone):
    return list(root_of(zone).rglob("*.iso"))


@pytest.fixture
def new_zone(db, tmp_path):
    (tmp_path / "new").mkdir()
    return Zone.objects.create(slug="new", name="New", options={"location": str(tmp_path / "new")})


def test_a_delete_waits_for_the_disk(start, actor, iso_bytes, zone_a):
    send(start(len(iso_bytes)), iso_bytes)
    run_all()
    iso = Iso.objects.get()
    with unmounted(zone_a):
        replicas = list(iso.replicas.select_related("iso", "zone"))
        delete_from_zones(actor, iso, replicas, confirmation="confirm")
        run_all()
        assert Replica.objects.get().state == "deleting"
        assert Reservation.objects.exists()
    assert len(files_of(zone_a)) == 1
    Operation.objects.update(not_before=None)
    run_all()
    assert not files_of(zone_a)
    assert not Replica.objects.exists()
    assert not Reservation.objects.exists()


def test_an_upload_never_lands_on_the_wrong_disk(start, iso_bytes, zone_a):
    upload = start(len(iso_bytes))
    with unmounted(zone_a), pytest.raises(StoreUnreachable):
        send(upload, iso_bytes)
    send(upload, iso_bytes)
    run_all()
    assert Replica.objects.get().state == "ready"
    assert len(files_of(zone_a)) == 1


def test_a_disk_that_goes_away_in_the_middle_of_an_upload_keeps_what_it_has(start, iso_bytes, zone_a):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes[:1000])
    with unmounted(zone_a), pytest.raises(StoreUnreachable):
        send(upload, iso_bytes[1000:], 1000)
    upload.refresh_from_db()
    send(upload, iso_bytes[1000:], 1000)
    run_all()
    assert Replica.objects.get().state == "ready"


USES = {
    "stage": lambda store: store.stage("token", KEY),
    "open": lambda store: store.open(KEY),
    "size": lambda store: store.size(KEY),
    "delete": lambda store: store.delete(KEY),
    "list": lambda store: list(store.list()),
    "list_staged": lambda store: list(store.list_staged()),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_every_use_asks_for_the_marker(zone_a, use):
    put(zone_a)
    store = open_store(zone_a)  # opened before the disk went away
    with unmounted(zone_a), pytest.raises(StoreUnreachable) as refusal:
        use(store)
    assert str(zone_a.public_id) in refusal.value.reason
    assert str(zone_a.public_id) not in refusal.value.message
    assert open_store(zone_a).size(KEY) == 5


def test_a_commit_to_a_disk_that_went_away_can_be_made_good(zone_a):
    staged = open_store(zone_a).stage("token", KEY)
    staged.append(b"x")
    with unmounted(zone_a), pytest.raises(StoreUnreachable):
        staged.commit()
    staged.commit()
    assert open_store(zone_a).size(KEY) == 1


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_disk_of_another_zone_is_refused(zone_a, zone_b, use):
    put(zone_a)
    a, b, between = root_of(zone_a), root_of(zone_b), root_of(zone_a).with_name("between")
    for source, target in ((a, between), (b, a), (between, b)):
        source.rename(target)
    for zone, other in ((zone_a, zone_b), (zone_b, zone_a)):
        with pytest.raises(StoreUnreachable) as refusal:
            use(open_store(zone))
        assert f"names {other.public_id} where {zone.public_id} was expected" in refusal.value.reason
        assert marker_of(zone) == str(other.public_id)
    assert len(files_of(zone_b)) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda marker: marker.write_text(""),
        lambda marker: marker.write_bytes(b"\xff" * 5000),
        lambda marker: (marker.unlink(), marker.mkdir()),
        lambda marker: (marker.unlink(), os.mkfifo(marker)),
        lambda marker: (marker.rename(marker.with_name("real")), marker.symlink_to("real")),
    ],
    ids=["empty", "noise", "directory", "pipe", "link"],
)
def test_what_is_no_marker_does_not_count(zone_a, spoil):
    spoil(root_of(zone_a) / ".zone")
    with pytest.raises(StoreUnreachable, match="can't be reached") as refusal:
        open_store(zone_a).stage("token", KEY)
    assert "names no zone" in refusal.value.reason


def test_the_marker_is_no_object(zone_a):
    put(zone_a)
    assert [info.key for info in open_store(zone_a).list()] == [KEY]


def test_a_new_zone_is_marked_by_the_test_of_its_connection(new_zone):
    assert probe_zone(new_zone).ok
    assert marker_of(new_zone) == str(new_zone.public_id)
    assert Zone.objects.get(pk=new_zone.pk).marked_at == new_zone.marked_at is not None


def test_opening_a_marked_zone_asks_the_database_nothing(zone_a, django_assert_num_queries):
    zone = Zone.objects.get(pk=zone_a.pk)
    with django_assert_num_queries(0):
        list(open_store(zone).list())


def test_a_row_read_before_the_zone_was_marked_does_not_mark_another_disk(new_zone):
    stale = Zone.objects.get(pk=new_zone.pk)
    open_store(new_zone)
    with unmounted(new_zone), pytest.raises(StoreUnreachable):
        list(open_store(stale).list())


def test_a_marker_written_just_before_a_crash_is_taken(new_zone):
    open_store(new_zone)
    Zone.objects.update(marked_at=None)
    assert open_store(Zone.objects.get()).list_staged()
    assert Zone.objects.get().marked_at


def test_a_new_zone_does_not_take_the_directory_of_another(new_zone, zone_a):
    (root_of(new_zone) / ".zone").write_text(marker_of(zone_a))
    with pytest.raises(StoreUnreachable, match="can't be reached"):
        open_store(new_zone)
    assert Zone.objects.get(slug="new").marked_at is None


def test_a_directory_that_is_not_there_marks_nothing(new_zone):
    root_of(new_zone).rmdir()
    with pytest.raises(StoreUnreachable):
        open_store(new_zone)
    assert Zone.objects.get().marked_at is None


def test_a_disk_that_can_not_be_written_to_marks_nothing(new_zone, mounts):
    mounts.read_only(root_of(new_zone))
    with pytest.raises(StoreRefused):
        open_store(new_zone)
    assert Zone.objects.get().marked_at is None


def test_a_full_disk_is_left_without_half_a_marker(new_zone, mounts):
    root = mounts.tmpfs(size=65536)
    Zone.objects.update(options={"location": str(root)})
    with pytest.raises(OSError, match="No space left"):
        (root / "filler").write_bytes(bytes(100_000))
    with pytest.raises(StoreFull):
        open_store(Zone.objects.get())
    assert [path.name for path in root.iterdir()] == ["filler"]
    (root / "filler").unlink()
    assert probe_zone(Zone.objects.get()).ok


@pytest.mark.django_db(transaction=True)
def test_first_opens_at_the_same_time_agree(new_zone):
    together = Barrier(8)

    def first_open(_):
        try:
            zone = Zone.objects.get(pk=new_zone.pk)
            together.wait(20)
            return list(open_store(zone).list()), zone.marked_at
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(first_open, range(8)))
    assert found == [([], Zone.objects.get().marked_at)] * 8
    assert found[0][1]
    assert marker_of(new_zone) == str(new_zone.public_id)
    assert [path.name for path in root_of(new_zone).iterdir()] == [".zone"]


def test_a_zone_with_iso_images_that_was_never_marked_is_not_marked_by_itself(start, iso_bytes, zone_a):
    send(start(len(iso_bytes)), iso_bytes)
    run_all()
    unmark(zone_a)
    with unmounted(zone_a):
        with pytest.raises(StoreUnreachable) as refusal:
            open_store(zone_a)
        assert "manage.py mark_zone zone-a" in refusal.value.reason
        assert not probe_zone(zone_a).ok
        with pytest.raises(CommandError, match="holds no file"):
            call_command("mark_zone", "zone-a")
    with pytest.raises(StoreUnreachable):
        open_store(zone_a)
    call_command("mark_zone", "zone-a", stdout=StringIO())
    zone_a.refresh_from_db()
    assert len(list(open_store(zone_a).list())) == 1


def test_the_command_marks_a_restored_disk_and_an_empty_one_on_request(start, zone_a):
    start(100)
    (root_of(zone_a) / ".zone").unlink()
    with pytest.raises(CommandError, match="holds no file"):
        call_command("mark_zone", "zone-a")
    out = StringIO()
    call_command("mark_zone", "zone-a", "--empty", stdout=out)
    assert "zone-a is marked" in out.getvalue()
    assert marker_of(zone_a) == str(zone_a.public_id)


def test_the_command_replaces_no_marker_and_knows_what_it_can_mark(zone_a, zone_b):
    (root_of(zone_a) / ".zone").write_text(marker_of(zone_b))
    with pytest.raises(CommandError, match="was expected"):
        call_command("mark_zone", "zone-a", "--empty")
    assert marker_of(zone_a) == str(zone_b.public_id)
    with pytest.raises(CommandError, match="no zone zone-x"):
        call_command("mark_zone", "zone-x")
    Zone.objects.filter(pk=zone_b.pk).update(backend="storages.backends.s3.S3Storage")
    with pytest.raises(CommandError, match="not a zone on a directory"):
        call_command("mark_zone", "zone-b")


@pytest.mark.django_db
def test_the_first_start_marks_its_zones_and_a_later_one_those_of_an_earlier_version(tmp_path):
    first_start.make_zones(tmp_path)
    zones = list(Zone.objects.all())
    assert [marker_of(zone) for zone in zones] == [str(zone.public_id) for zone in zones]
    unmark(zones[0])
    first_start.make_zones(tmp_path)
    assert marker_of(zones[0]) == str(zones[0].public_id)
    assert all(Zone.objects.values_list("marked_at", flat=True))


def test_a_start_does_not_mark_the_mount_point_of_a_zone_with_iso_images(start, zone_a, tmp_path):
    start(100)
    unmark(zone_a)
    first_start.make_zones(tmp_path)
    assert not (tmp_path / "zone-a/.zone").exists()
    assert Zone.objects.get().marked_at is None

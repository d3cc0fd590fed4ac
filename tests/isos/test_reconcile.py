"""What disagrees between rows and stores, or among rows, is found, looked at again, and put right."""

import json
import os
import uuid
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from isos.actions.delete_from_zones import delete_from_zones
from isos.models import Event, Iso, Operation, Replica, Upload
from isos.operations.reconcile import objects
from isos.operations.reconcile import run as running
from isos.states import ReplicaState, UploadState
from quotas import reservations
from quotas.models import Reservation
from tests.isos.conftest import run_all, send
from tests.isos.copies import content, held, make_zone, path_of, put_ready, replica_in, staged_in, uploaded
from tests.s3 import s3_server
from zones.models import Zone
from zones.stores import files, open_store
from zones.stores.leftovers import discard_staged, is_staged

__all__ = ["s3_server"]
KINDS = ["files", pytest.param("s3", marks=pytest.mark.services), "any"]


@pytest.fixture
def iso(start, iso_bytes, zone_a):
    return uploaded(start, iso_bytes, zone_a)


@pytest.fixture
def two_good(iso, iso_bytes, zone_b):
    replica = Replica.objects.create(iso=iso, zone=zone_b)
    with transaction.atomic():
        reservations.reserve_copies(iso.account, iso_ref=iso.public_id, replica_refs=[replica.public_id], size=iso.size)
    put_ready(replica, iso_bytes, iso.sha256)
    return iso


def reconcile(*arguments, min_age="0"):
    """The JSON of a run and its exit code."""
    output = StringIO()
    code = 0
    try:
        call_command(
            "reconcile", "--format", "json", "--min-age", min_age, *arguments, stdout=output, stderr=StringIO()
        )
    except CommandError as error:
        code = error.returncode
    return json.loads(output.getvalue()), code


def kinds(*arguments, **options):
    """(kind, zone) of what is found."""
    return [(found["kind"], found["zone"]) for found in reconcile(*arguments, **options)[0]["findings"]]


def table(*arguments):
    """What people read, also where it ends with an exit code."""
    output = StringIO()
    try:
        call_command("reconcile", "--min-age", "0", *arguments, stdout=output, stderr=StringIO())
    except CommandError as error:
        return f"{output.getvalue()}\n{error}"
    return output.getvalue()


def fixed(kind, zone="zone-a"):
    """Fix the one finding that there must be, first only looked at; then nothing is left. What was done."""
    report, code = reconcile()
    assert [(found["kind"], found["zone"], found["done"]) for found in report["findings"]] == [(kind, zone, None)]
    assert code == 1
    before = snapshot()
    assert reconcile()[0] == report  # looking changes nothing
    assert snapshot() == before
    report, code = reconcile("--fix")
    assert [(found["kind"], found["left"]) for found in report["findings"]] == [(kind, False)], report
    assert (report["left"], code) == (0, 0)
    return report["findings"][0]["done"]


def snapshot():
    tables = (Iso, Replica, Upload, Operation, Reservation, Event)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def agree():
    """Whether nothing is found."""
    report, code = reconcile()
    return (report["findings"], code) == ([], 0)


def put(zone, key, data=b"somebody's", token=None):
    """A committed object that no row knows."""
    staged = open_store(zone).stage(token or str(uuid.uuid4()), key)
    staged.append(data)
    staged.commit()


def stage(zone, token=None, key=None, data=b"half"):
    token = token or str(uuid.uuid4())
    staged = open_store(zone).stage(token, key or f"isos/{uuid.uuid4()}/{token}.iso")
    staged.append(data)
    staged.flush()
    staged.close()
    return token


def stray_key():
    return f"isos/{uuid.uuid4()}/{uuid.uuid4()}.iso"


def keys(zone):
    return {info.key for info in open_store(zone).list()}


# --- nothing to find ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_portal_in_use_agrees_with_itself(start, iso_bytes, actor, kind, tmp_path, request):
    zone = make_zone(kind, "here", tmp_path, request)
    uploaded(start, iso_bytes, zone)
    going = uploaded(start, iso_bytes, zone, name="Being deleted")
    delete_from_zones(actor, going, going.replicas.all(), confirmation="confirm")
    half = start(len(iso_bytes), name="Half sent", zone=zone)
    send(half, iso_bytes[: len(iso_bytes) // 2])
    for name, data in (("Waiting to be verified", iso_bytes), ("No ISO", os.urandom(5000))):
        send(start(len(data), name=name, zone=zone), data)
    report, code = reconcile()
    assert (report["findings"], code) == ([], 0)
    here = next(each for each in report["zones"] if each["slug"] == "here")
    assert (here["objects"], here["ready"], here["staged"]) == (2, 1, 3)
    run_all()
    assert agree()


def test_without_zones_there_is_nothing_to_compare(db):
    assert "Nothing disagrees." in table()


# --- the database against a store --------------------------------------------------------------


def test_a_missing_file_is_marked_and_comes_back_from_a_good_copy(two_good, iso_bytes, zone_a):
    replica = replica_in(two_good, zone_a)
    path_of(replica).unlink()
    assert "copied again" in fixed("missing")
    assert Event.objects.filter(verb="damaged").count() == 1
    run_all()
    assert content(replica_in(two_good, zone_a)) == iso_bytes
    assert agree()


@pytest.mark.parametrize("size", ["shorter", "longer"])
def test_a_file_of_another_size_is_found_and_healed(two_good, iso_bytes, zone_a, size):
    path_of(replica_in(two_good, zone_a)).write_bytes(iso_bytes[:-1] if size == "shorter" else iso_bytes + b"x")
    detail = reconcile()[0]["findings"][0]["detail"]
    assert f"instead of {len(iso_bytes)}" in detail
    fixed("wrong_size")
    run_all()
    assert content(replica_in(two_good, zone_a)) == iso_bytes


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_copy_is_marked_and_its_loss_stays_a_matter_for_people(start, iso_bytes, kind, tmp_path, request):
    zone = make_zone(kind, "here", tmp_path, request)
    replica = uploaded(start, iso_bytes, zone).replicas.select_related("iso", "zone").get()
    open_store(zone).delete(replica.key)
    assert kinds() == [("missing", "here")]
    report, code = reconcile("--fix")
    assert (code, report["left"]) == (1, 1)
    assert "no good copy" in report["findings"][0]["done"]
    replica.refresh_from_db()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "replica_missing")
    assert agree()  # rows and storage do again


@pytest.mark.parametrize("kind", KINDS)
def test_files_of_no_replica_are_deleted(start, iso_bytes, kind, tmp_path, request):
    zone = make_zone(kind, "here", tmp_path, request)
    iso = uploaded(start, iso_bytes, zone)
    put(zone, stray_key())
    assert fixed("orphaned", "here") == "deleted"
    assert keys(zone) == {iso.replicas.get().key}


def test_a_replica_owns_a_file_in_its_own_zone_only(two_good, zone_a, zone_b):
    replica = replica_in(two_good, zone_a)
    two_good.replicas.filter(zone=zone_b).delete()
    Reservation.objects.exclude(replica_ref=replica.public_id).delete()
    put(zone_b, replica.key)
    assert set(kinds()) == {("orphaned", "zone-b")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_staged_for_nobody_is_given_back(start, iso_bytes, kind, tmp_path, request):
    zone = make_zone(kind, "here", tmp_path, request)
    upload = start(len(iso_bytes), zone=zone)
    send(upload, iso_bytes[:4000])
    stage(zone)
    assert fixed("stale", "here") == "given back"
    assert [info.key for info in staged_in(zone)] == [upload.replica.staging_token]
    send(upload, iso_bytes[4000:], offset=4000)
    run_all()
    assert content(upload.replica) == iso_bytes


def test_what_a_failure_kept_stays_and_what_it_gave_back_does_not(start, iso_bytes, zone_a):
    kept, gone = start(len(iso_bytes), name="Kept"), start(len(iso_bytes), name="Gone")
    send(kept, iso_bytes)
    Operation.objects.update(state="failed")
    Replica.objects.filter(pk=kept.replica_id).update(state=ReplicaState.FAILED)
    Replica.objects.filter(pk=gone.replica_id).update(state=ReplicaState.FAILED)
    Upload.objects.filter(pk=gone.pk).update(state=UploadState.FINISHED)
    with transaction.atomic():
        reservations.release(gone.replica.public_id)
    stage(zone_a, gone.replica.staging_token, gone.replica.key)
    report, _ = reconcile("--fix")
    assert [(found["kind"], found["about"]) for found in report["findings"]] == [("stale", gone.replica.staging_token)]
    assert [info.key for info in staged_in(zone_a)] == [kept.replica.staging_token]


def test_a_writer_keeps_what_it_stages(zone_a):
    token = stage(zone_a)
    writer = open_store(zone_a).stage(token, "isos/x/y.iso")
    report, code = reconcile("--fix")
    assert code == 1
    assert "still running" in report["findings"][0]["done"]
    writer.close()
    assert len(staged_in(zone_a)) == 1


def test_strange_files_are_said_and_never_touched(iso, zone_a):
    root = Path(zone_a.options["location"])
    strange = [root / "isos" / "notes.txt", root / ".staging" / "mine", root / "isos" / "wei\x1b[31mrd\n.iso"]
    for path in strange:
        path.write_text("mine")
    with (root / "isos" / os.fsdecode(b"\xff.iso")).open("w") as undecodable:
        undecodable.write("mine")
    report, code = reconcile("--fix", "--however-many")
    assert {found["kind"] for found in report["findings"]} == {"foreign"}
    assert (len(report["findings"]), report["left"], code) == (4, 4, 1)
    assert all(path.exists() for path in strange)
    shown = table()
    assert "\x1b" not in shown
    assert "wei\N{REPLACEMENT CHARACTER}[31mrd" in shown
    shown.encode()


def test_a_symbolic_link_is_not_followed(iso, zone_a, tmp_path):
    precious = tmp_path / "precious.iso"
    precious.write_text("precious")
    link = Path(zone_a.options["location"]) / stray_key()
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    assert agree()
    assert reconcile("--fix")[1] == 0
    assert precious.read_text() == "precious"


def test_a_storage_that_is_away_is_said_and_the_others_are_compared(two_good, zone_a, zone_b, tmp_path):
    put(zone_b, stray_key())
    Path(zone_a.options["location"]).rename(tmp_path / "unplugged")
    report, code = reconcile("--fix")
    assert code == 3
    assert [(found["kind"], found["zone"]) for found in report["findings"]] == [
        ("away", "zone-a"),
        ("orphaned", "zone-b"),
    ]
    assert not Replica.objects.exclude(state=ReplicaState.READY).exists()
    assert {zone["slug"]: zone["whole"] for zone in report["zones"]} == {"zone-a": False, "zone-b": True}
    text = table()
    assert "the storage is away: zone-a" in text
    assert "zone-a: not compared to the end." in text


def test_an_empty_mount_point_is_away_and_not_empty(iso, zone_a, tmp_path):
    root = Path(zone_a.options["location"])
    root.rename(tmp_path / "unplugged")
    root.mkdir()
    assert kinds("--fix") == [("away", "zone-a")]
    assert iso.replicas.get().state == ReplicaState.READY


@pytest.mark.parametrize("what", ["lost", "orphaned", "stale"])
def test_most_of_a_zone_is_not_thrown_away_without_a_word(start, iso_bytes, zone_a, zone_b, what):
    for number in range(running.FEW):
        if what == "lost":
            path_of(uploaded(start, iso_bytes, zone_a, name=f"Image {number}").replicas.get()).unlink()
        elif what == "orphaned":
            put(zone_a, stray_key())
        else:
            stage(zone_a)
    put(zone_b, stray_key())  # one of one is not many
    before = keys(zone_a), len(staged_in(zone_a))
    report, code = reconcile("--fix")
    assert (code, report["left"]) == (1, running.FEW)
    assert "--however-many" in report["findings"][0]["done"]
    assert (keys(zone_a), len(staged_in(zone_a))) == before
    assert not Replica.objects.exclude(state=ReplicaState.READY).exists()
    reconcile("--fix", "--however-many")
    assert agree()


def test_young_files_are_left_alone(iso, zone_a):
    key, token = stray_key(), stage(zone_a)
    put(zone_a, key)
    assert kinds(min_age="1h") == []
    root = Path(zone_a.options["location"])
    old = (timezone.now() - timedelta(hours=1, minutes=1)).timestamp()
    for path in (root / key, root / ".staging" / token):
        os.utime(path, (old, old))
    assert kinds(min_age="2h") == []
    assert kinds(min_age="1h") == [("orphaned", "zone-a"), ("stale", "zone-a")]


def test_a_test_of_the_zone_that_was_killed_leaves_nothing_for_good(iso, zone_a):
    root = Path(zone_a.options["location"])
    name = f"probe-{'0a' * 8}"
    put(zone_a, f"probe/{name}", token=name)
    stage(zone_a, f"probe-{'0b' * 8}", "probe/other")
    assert agree()  # it may be going on
    old = (timezone.now() - timedelta(minutes=11)).timestamp()
    for path in (root / "probe" / name, root / ".staging" / f"probe-{'0b' * 8}"):
        os.utime(path, (old, old))
    assert kinds("--fix") == [("orphaned", "zone-a"), ("stale", "zone-a")]
    assert agree()
    assert staged_in(zone_a) == []


# --- what changes between two looks ------------------------------------------------------------


def at_the_look(monkeypatch, place, name, happens):
    """Let something happen once, just before that function looks."""
    look = getattr(place, name)
    once = iter([happens])

    def looks(*arguments):
        for it in once:
            it()
        return look(*arguments)

    monkeypatch.setattr(place, name, looks)


def test_an_upload_that_becomes_ready_meanwhile_left_nothing(start, iso_bytes, monkeypatch, zone_a):
    send(start(len(iso_bytes)), iso_bytes)
    at_the_look(monkeypatch, objects, "owned_tokens", run_all)
    assert kinds("--fix") == []
    assert Replica.objects.get().state == ReplicaState.READY


def test_what_is_deleted_meanwhile_is_no_orphan(iso, actor, monkeypatch):
    def delete():
        delete_from_zones(actor, iso, iso.replicas.all(), confirmation="confirm")
        run_all()

    at_the_look(monkeypatch, objects, "replicas_by_key", delete)
    assert kinds() == []
    assert not Iso.objects.exists()


def test_what_begins_to_be_deleted_meanwhile_is_not_lost(iso, actor, zone_a, monkeypatch):
    replica = replica_in(iso, zone_a)
    path_of(replica).unlink()
    delete = lambda: delete_from_zones(actor, iso, [replica], confirmation="confirm")  # noqa: E731
    at_the_look(monkeypatch, files.FileStore, "size", delete)
    assert kinds("--fix") == []
    assert replica_in(iso, zone_a).state == ReplicaState.DELETING


def test_what_comes_back_before_it_is_fixed_is_not_marked(two_good, iso_bytes, zone_a, monkeypatch):
    path = path_of(replica_in(two_good, zone_a))
    path.unlink()
    at_the_look(monkeypatch, running, "_too_many", lambda: path.write_bytes(iso_bytes))
    report, code = reconcile("--fix")
    assert [found["done"] for found in report["findings"]] == ["gone meanwhile"]
    assert (code, replica_in(two_good, zone_a).state) == (0, ReplicaState.READY)


@pytest.mark.parametrize("kind", KINDS)
def test_staged_bytes_whose_owner_turns_up_stay(kind, tmp_path, request, db):
    zone = make_zone(kind, "here", tmp_path, request)
    token = stage(zone)
    store = open_store(zone)
    assert is_staged(store, token)
    assert discard_staged(store, token, lambda: False) is False
    assert [(info.key, info.size) for info in staged_in(zone)] == [(token, 4)]
    assert discard_staged(store, token, lambda: True) is True
    assert not is_staged(store, token)
    assert discard_staged(store, token, lambda: True) is True  # idempotent
    assert (staged_in(zone), keys(zone)) == ([], set())


# --- the database against itself ---------------------------------------------------------------


def test_quota_of_no_replica_is_released(iso, account):
    Reservation.objects.create(
        account=account, iso_ref=uuid.uuid4(), replica_ref=uuid.uuid4(), bytes=5, source=Reservation.Source.COPY
    )
    assert fixed("reservation_unused", "") == "released"
    assert Reservation.objects.count() == 1


@pytest.mark.parametrize("when", ["ready", "sent", "half"])
def test_a_replica_without_quota_gets_it_back_beyond_the_limits(start, iso_bytes, when, settings):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes[:5000] if when == "half" else iso_bytes)
    if when == "ready":
        run_all()
    Reservation.objects.all().delete()
    settings.QUOTA_DEFAULTS = settings.QUOTA_DEFAULTS | {"max_bytes": 1}
    fixed("reservation_missing")
    assert held(upload.replica) == ("used" if when == "ready" else "held", len(iso_bytes), "upload")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"bytes": 7}, "7 bytes count"),
        ({"state": "held"}, "held instead of used"),
        ({"iso_ref": uuid.UUID(int=5)}, "another ISO"),
        ({"account": "other"}, "another account"),
    ],
)
def test_wrong_quota_is_put_right(iso, zone_a, stranger, wrong, says):
    if "account" in wrong:
        wrong = {"account": stranger.account}
    Reservation.objects.update(**wrong)
    assert says in reconcile()[0]["findings"][0]["detail"]
    fixed("reservation_wrong")
    row = Reservation.objects.get()
    assert (row.account, row.iso_ref, row.bytes, row.state) == (iso.account, iso.public_id, iso.size, "used")


def test_quota_that_a_failed_upload_gave_back_does_not_count(start, zone_a):
    upload = start(5000)
    Upload.objects.update(state=UploadState.FINISHED)
    Replica.objects.update(state=ReplicaState.FAILED)
    assert held(upload.replica) is not None
    assert fixed("reservation_wrong") == "released"
    assert Reservation.objects.count() == 0


def test_unfinished_work_that_counts_as_used_is_held_again(start, zone_a):
    upload = start(5000)
    Reservation.objects.update(state="used")
    fixed("reservation_wrong")
    assert held(upload.replica) == ("held", 5000, "upload")


def test_received_bytes_that_nobody_verifies_are_verified(start, iso_bytes):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes)
    Operation.objects.all().delete()
    assert fixed("stuck") == "ingest goes on"
    run_all()
    assert content(upload.replica) == iso_bytes


def test_a_delete_that_nobody_does_is_done(iso, zone_a):
    Replica.objects.update(state=ReplicaState.DELETING)
    assert fixed("stuck") == "delete goes on"
    run_all()
    assert not Iso.objects.exists()
    assert keys(zone_a) == set()
    assert agree()


def test_a_copy_that_nobody_makes_is_made(two_good, iso_bytes, zone_b):
    replica = replica_in(two_good, zone_b)
    open_store(zone_b).delete(replica.key)
    Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.QUEUED)
    assert fixed("stuck", "zone-b") == "copy goes on"
    run_all()
    assert content(replica) == iso_bytes


def test_what_can_not_go_on_fails_and_can_be_retried(start, iso_bytes, zone_a, signed_in):
    upload = start(len(iso_bytes))
    send(upload, iso_bytes[:5000])
    Upload.objects.update(state=UploadState.FINISHED)
    assert "given back" in fixed("stuck")
    run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "lost_track")
    assert staged_in(zone_a) == []
    assert agree()
    signed_in.post(f"/isos/{replica.iso.public_id}/retry/", {"zone": "zone-a"})
    upload = Upload.objects.get()
    assert upload.is_receiving
    send(upload, iso_bytes)
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY


def test_replicas_that_wait_for_an_upload_are_well(start, iso_bytes, zone_b):
    upload = start(len(iso_bytes), more_zones=(zone_b,))
    assert agree()
    send(upload, iso_bytes)
    assert agree()
    run_all()
    assert set(Replica.objects.values_list("state", flat=True)) == {"ready"}
    assert agree()


def test_a_replica_that_waits_for_nothing_is_taken_up(iso, iso_bytes, zone_b):
    replica = Replica.objects.create(iso=iso, zone=zone_b, state=ReplicaState.WAITING)
    with transaction.atomic():
        reservations.reserve_copies(iso.account, iso_ref=iso.public_id, replica_refs=[replica.public_id], size=5)
    assert fixed("stuck", "zone-b") == "taken up"
    run_all()
    assert content(replica) == iso_bytes
    assert agree()


@pytest.mark.parametrize("how", ["ready", "gone", "failed", "delete"])
def test_an_operation_with_nothing_to_do_is_ended(iso, zone_a, how):
    replica = iso.replicas.get()
    kind = Operation.Kind.DELETE if how == "delete" else Operation.Kind.INGEST
    operation = Operation.objects.create(
        replica=None if how == "gone" else replica, account=iso.account, zone=zone_a, iso_name=iso.name, kind=kind
    )
    if how == "failed":
        Replica.objects.update(state=ReplicaState.FAILED, error_code="replica_missing")
    assert fixed("operation_adrift") == "ended"
    operation.refresh_from_db()
    assert operation.state == "cancelled"
    run_all()
    assert Replica.objects.exists()


def test_an_operation_that_a_worker_holds_is_the_workers(iso, zone_a):
    soon = timezone.now() + timedelta(seconds=20)
    Operation.objects.create(
        replica=None, account=iso.account, zone=zone_a, iso_name="x", kind="copy", state="running", lease_expires=soon
    )
    assert agree()


@pytest.mark.parametrize("state", [UploadState.RECEIVING, UploadState.RECEIVED])
def test_an_open_upload_of_a_ready_replica_is_closed_before_it_takes_the_bytes_along(iso, iso_bytes, state):
    Upload.objects.update(state=state, expires_at=timezone.now() - timedelta(hours=1))
    assert fixed("upload_adrift") == "closed"
    call_command("sweep", stdout=StringIO())
    run_all()
    assert content(iso.replicas.get()) == iso_bytes


def test_an_open_upload_of_a_failed_replica_gives_back_what_it_holds(start, zone_a):
    upload = start(5000)
    send(upload, b"x" * 4000)
    Replica.objects.update(state=ReplicaState.FAILED, error_code="why", error_message="Because.")
    assert "given back" in fixed("upload_adrift")
    run_all()
    assert (Reservation.objects.count(), staged_in(zone_a)) == (0, [])
    assert Replica.objects.get().error_message == "Because."
    assert agree()


# --- the command -------------------------------------------------------------------------------


def test_one_zone_is_compared_with_its_own_rows(two_good, zone_a, zone_b, account):
    put(zone_a, stray_key())
    put(zone_b, stray_key())
    Reservation.objects.update(bytes=1)
    Reservation.objects.create(
        account=account, iso_ref=uuid.uuid4(), replica_ref=uuid.uuid4(), bytes=5, source=Reservation.Source.COPY
    )
    assert kinds("--zone", "zone-b") == [("reservation_wrong", "zone-b"), ("orphaned", "zone-b")]
    assert len(kinds("--zone", "zone-a", "--zone", "zone-b")) == 4
    assert len(kinds()) == 5


def test_a_disabled_zone_is_compared_when_it_is_named(iso, zone_a):
    put(zone_a, stray_key())
    Zone.objects.update(state=Zone.State.DISABLED)
    assert kinds() == []
    assert kinds("--zone", "zone-a") == [("orphaned", "zone-a")]


@pytest.mark.parametrize("arguments", [["--zone", "zone-x"], ["--min-age", "soon"], ["--min-age", "-1"]])
def test_what_can_not_be_meant_is_refused(zone_a, arguments):
    with pytest.raises(CommandError) as refusal:
        call_command("reconcile", *(f"{arguments[0]}={arguments[1]}",))
    assert refusal.value.returncode == 2
    assert arguments[1] in str(refusal.value)


def test_people_read_a_table(iso, zone_a):
    key = stray_key()
    put(zone_a, key)
    text = table()
    assert text.splitlines()[0].split() == ["ZONE", "WHAT", "WHICH", "DETAIL"]
    assert key in text
    assert "zone-a: 2 files, 1 Ready replicas and 0 staged files compared." in text
    assert "1 of 1 are left; see above." in text
    done = table("--fix")
    assert done.splitlines()[0].split()[-1] == "DONE"
    assert "1 found, 0 left." in done
    assert table().rstrip().endswith("Nothing disagrees.")

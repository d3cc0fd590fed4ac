"""`manage.py zones`: what operators see of zones, and how they empty one."""

import json
import shutil
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from isos.actions import drain_zone
from isos.actions.copy_to_zones import copy_to_zones
from isos.audit import Actor
from isos.management import drain_run
from isos.models import Event, Iso, Operation, Replica
from isos.states import ReplicaState
from quotas.models import QuotaLimit, Reservation
from tests.conftest import make_file_zone
from tests.isos.conftest import run_all, send
from tests.isos.copies import content, held, make_zone, path_of, put_ready, replica_in, s3_zone, uploaded
from tests.parallel import in_parallel
from zones.models import Zone, ZoneCheck
from zones.stores import files, open_store
from zones.stores.base import StoreFull


def zones(*arguments):
    output = StringIO()
    call_command("zones", *arguments, stdout=output, stderr=StringIO(), no_color=True)
    return output.getvalue()


def drain(*arguments):
    return zones("drain", "zone-a", *arguments)


@pytest.fixture
def iso(start, iso_bytes, zone_a):
    return uploaded(start, iso_bytes, zone_a)


@pytest.fixture
def zone_c(db, tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c", position=3)


@pytest.fixture
def working(monkeypatch):
    """Whenever the command waits, the workers work."""
    pauses = []

    def work(seconds):
        assert len(pauses) < 20, "the command waits for ever"
        pauses.append(seconds)
        run_all()

    monkeypatch.setattr(drain_run, "pause", work)
    return pauses


def state(slug):
    return Zone.objects.get(slug=slug).state


# --- list -----------------------------------------------------------------------------------


def test_list_tells_what_each_zone_holds_and_does(iso, zone_a, zone_b, actor, settings):
    copy_to_zones(actor, iso, [zone_b])
    Zone.objects.filter(pk=zone_b.pk).update(max_operations=1)
    Operation.objects.filter(kind="copy").update(error_message="The storage sleeps.")
    first, second = json.loads(zones("list", "--format", "json"))
    assert (first["slug"], first["state"], first["replicas"]["ready"]) == ("zone-a", "active", 1)
    assert first["ready_bytes"] == iso.size
    assert first["where"] == zone_a.options["location"]
    assert (first["running"], first["queued"], first["limit"]) == (0, 0, settings.ZONE_MAX_OPERATIONS)
    assert first["check"] is None
    assert (second["replicas"]["queued"], second["ready_bytes"], second["queued"]) == (1, 0, 1)
    assert second["limit"] == 1
    assert second["oldest_waiting"] == Operation.objects.get(kind="copy").created_at.isoformat()
    head, *lines = zones("list").splitlines()
    assert head.split()[:4] == ["SLUG", "NAME", "STATE", "STORAGE"]
    assert "FileSystemStorage" in lines[0]
    assert "1 ready" in lines[0]
    assert lines[0].endswith("never")
    assert "1 queued" in lines[1]


def test_list_checks_on_request(zone_a, zone_b, tmp_path):
    shutil.rmtree(tmp_path / "zone-b")
    first, second = json.loads(zones("list", "--check", "--format", "json"))
    assert first["check"]["ok"]
    assert first["check"]["free_bytes"] > 0
    assert not second["check"]["ok"]
    lines = zones("list").splitlines()
    assert "works, " in lines[1]
    assert "fails, " in lines[2]


def test_list_takes_as_many_queries_for_many_zones(iso, tmp_path, django_assert_num_queries):
    for number in range(5):
        make_file_zone(f"more-{number}", tmp_path / f"more-{number}")
    with django_assert_num_queries(4):
        assert len(zones("list").splitlines()) == 7


def test_list_shows_no_secret(db):
    options = {"location": "ftp://user:hunter2@ftp.example.org/isos", "base_url": "env:NOWHERE"}
    Zone.objects.create(slug="f", name="F", backend="storages.backends.ftp.FTPStorage", options=options)
    for form in ("table", "json"):
        text = zones("list", "--format", form)
        assert "ftp://ftp.example.org/isos" in text
        assert "hunter2" not in text


def test_list_without_zones(db):
    assert zones("list") == "There are no zones yet. Add one in admin.\n"


# --- check ----------------------------------------------------------------------------------


def test_check_says_what_works_what_fails_and_why(zone_a, zone_b, tmp_path):
    assert "Writing, reading and deleting work" in zones("check")
    (tmp_path / "zone-b/.zone").unlink()
    output = StringIO()
    with pytest.raises(CommandError, match=r"^1 of 2 zones failed: zone-b\.$"):
        call_command("zones", "check", stdout=output)
    assert "its file .zone, which should name" in output.getvalue()
    assert zones("check", "zone-a").splitlines()[1].split()[:2] == ["zone-a", "works"]
    checks = {check.zone.slug: check for check in ZoneCheck.objects.select_related("zone")}
    assert (checks["zone-a"].ok, checks["zone-b"].ok) == (True, False)
    assert list(open_store(zone_a).list()) == []


def test_check_leaves_disabled_zones_alone_unless_named(zone_a, zone_b, tmp_path):
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.DISABLED)
    shutil.rmtree(tmp_path / "zone-b")
    assert len(json.loads(zones("check", "--format", "json"))) == 1
    with pytest.raises(CommandError, match="zone-b"):
        zones("check", "zone-b")


@pytest.mark.services
def test_check_of_an_s3_zone(db, s3_server):
    zone = s3_zone("s3", s3_server)
    [found] = json.loads(zones("check", "--format", "json"))
    assert (found["ok"], found["free_bytes"]) == (True, None)
    Zone.objects.filter(pk=zone.pk).update(options=zone.options | {"secret_key": "wrong"})
    with pytest.raises(CommandError):
        zones("check")
    assert "SignatureDoesNotMatch" in ZoneCheck.objects.get().sentence


@pytest.mark.parametrize("verb", ["check", "drain", "activate"])
def test_zones_that_are_not_there(zone_a, verb):
    with pytest.raises(CommandError, match=r"^There is no zone “nowhere”\. There are: zone-a\.$"):
        zones(verb, "nowhere")


# --- drain ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["files", pytest.param("s3", marks=pytest.mark.services)])
def test_a_zone_is_emptied_into_another(iso, iso_bytes, kind, tmp_path, request, working):
    target = make_zone(kind, "there", tmp_path, request)
    text = drain("--wait", "--delete", "--reason", "New disks on Monday.")
    assert text == "zone-a holds no ISO image.\n"
    [copy] = Replica.objects.select_related("iso", "zone")
    assert (copy.zone, copy.state) == (target, ReplicaState.READY)
    assert content(copy) == iso_bytes
    zone = Zone.objects.get(slug="zone-a")
    assert (zone.state, zone.state_reason) == ("maintenance", "New disks on Monday.")
    assert list(open_store(zone).list()) == []
    assert [held(copy)[0], Reservation.objects.count()] == ["used", 1]
    started = Event.objects.get(verb="copy_started")
    assert started.actor_name == "Operator (command line)"


def test_step_by_step_it_is_safe_to_run_again(iso, zone_b):
    assert "1 being copied" in drain()
    assert "1 being copied" in drain()
    assert Operation.objects.filter(kind="copy").count() == 1
    assert "being copied" in drain("--delete")  # nothing is deleted before its copy is Ready
    assert Replica.objects.filter(state="deleting").count() == 0
    run_all()
    text = drain()
    assert "1 safe elsewhere" in text
    assert "--delete" in text
    assert Replica.objects.count() == 2
    assert "1 being deleted" in drain("--delete")
    assert "1 being deleted" in drain("--delete")
    assert Operation.objects.filter(kind="delete").count() == 1
    run_all()
    assert drain("--delete") == "zone-a holds no ISO image.\n"
    assert zones("activate", "zone-a") == "zone-a takes new images again.\n"
    assert zones("activate", "zone-a") == "zone-a was active already.\n"
    zone = Zone.objects.get(slug="zone-a")
    assert (zone.state, zone.state_reason) == ("active", "")


def test_what_is_ready_elsewhere_is_not_copied_unless_all_is(iso, iso_bytes, zone_b, zone_c):
    put_ready(Replica.objects.create(iso=iso, zone=zone_b), iso_bytes, iso.sha256)
    assert "1 safe elsewhere" in drain("--to", "zone-c")
    assert not replica_in_or_none(iso, zone_c)
    with pytest.raises(CommandError, match="--all needs --to"):
        drain("--all")
    assert "1 being copied" in drain("--all", "--to", "zone-c")
    assert replica_in(iso, zone_c).state == ReplicaState.QUEUED


def replica_in_or_none(iso, zone):
    return Replica.objects.filter(iso=iso, zone=zone).first()


def test_a_copy_in_a_closed_zone_is_not_safe(iso, iso_bytes, zone_b, zone_c):
    put_ready(Replica.objects.create(iso=iso, zone=zone_b), iso_bytes, iso.sha256)
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.MAINTENANCE)
    assert "1 being copied" in drain("--delete")
    assert replica_in(iso, zone_c).state == ReplicaState.QUEUED
    assert replica_in(iso, Zone.objects.get(slug="zone-a")).state == ReplicaState.READY


def test_targets_are_filled_evenly(start, iso_bytes, zone_a, zone_b, zone_c):
    for number in range(4):
        uploaded(start, iso_bytes, zone_a, f"Image {number}")
    drain()
    assert Replica.objects.filter(zone=zone_b).count() == Replica.objects.filter(zone=zone_c).count() == 2


def test_an_account_without_room_stops_only_its_own(iso, start, iso_bytes, account, stranger, zone_a, zone_b, working):
    other = uploaded(start, iso_bytes, zone_a, "Other's")
    assert other.account == account
    theirs = start(len(iso_bytes), name="Theirs", zone=zone_a, by=Actor(stranger))
    send(theirs, iso_bytes)
    run_all()
    QuotaLimit.objects.create(account=account, max_bytes=iso.size * 2)
    output = StringIO()
    with pytest.raises(CommandError, match="2 of 3 can't be taken away"):
        call_command("zones", "drain", "zone-a", "--wait", stdout=output, stderr=StringIO())
    text = output.getvalue()
    assert "1 safe elsewhere" in text
    assert "2 can't be copied" in text
    assert "Account Demo: Your storage is full" in text
    assert "--beyond-quota" in text
    assert Reservation.objects.filter(account=account).count() == 2
    drain("--wait", "--delete", "--beyond-quota")
    assert set(Replica.objects.values_list("zone__slug", "state")) == {("zone-b", "ready")}
    used = Reservation.objects.filter(account=account).values_list("bytes", flat=True)
    assert sum(used) == iso.size * 2  # back within its limit


def test_a_copy_that_fails_is_tried_in_each_target_and_then_said(iso, zone_b, zone_c, monkeypatch, working):
    def full(self, chunk):
        raise StoreFull

    with monkeypatch.context() as broken:
        broken.setattr(files.FileStaged, "append", full)
        broken.setattr(files.FileStore, "copy_from", lambda *_: False)
        output = StringIO()
        with pytest.raises(CommandError, match="1 of 1 can't be taken away"):
            call_command("zones", "drain", "zone-a", "--wait", "--delete", stdout=output, stderr=StringIO())
    assert "out of disk space" in output.getvalue()
    assert {each.state for each in Replica.objects.exclude(zone__slug="zone-a")} == {"failed"}
    assert replica_in(iso, Zone.objects.get(slug="zone-a")).state == ReplicaState.READY
    drain("--wait", "--delete")  # what failed is tried again
    assert Replica.objects.filter(state="ready").count() == 1
    assert not Replica.objects.filter(zone__slug="zone-a").exists()


@pytest.mark.parametrize("harm", ["missing", "short", "away"])
def test_nothing_is_deleted_for_a_copy_that_is_not_really_there(iso, zone_b, harm, tmp_path):
    drain()
    run_all()
    copy = path_of(replica_in(iso, zone_b))
    if harm == "missing":
        copy.unlink()
    elif harm == "short":
        copy.write_bytes(b"short")
    else:
        (tmp_path / "zone-b/.zone").unlink()
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("zones", "drain", "zone-a", "--delete", stdout=output, stderr=StringIO())
    assert "It is not deleted here, because its copy in zone-b" in output.getvalue()
    assert replica_in(iso, Zone.objects.get(slug="zone-a")).state == ReplicaState.READY


def test_what_arrives_and_what_failed_is_left_and_said(start, zone_a, zone_b, account):
    start(100, name="On its way")
    failed = Replica.objects.create(
        iso=Iso.objects.create(account=account, name="Broken", size=5),
        zone=zone_a,
        state=ReplicaState.FAILED,
        error_message="This ISO image is incomplete.",
    )
    output = StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("zones", "drain", "zone-a", "--delete", stdout=output, stderr=StringIO())
    assert "1 still arriving" in output.getvalue()
    assert "“Broken” of Demo (failed here, Ready nowhere): This ISO image is incomplete." in output.getvalue()
    failed.refresh_from_db()
    assert failed.state == ReplicaState.FAILED
    assert Replica.objects.count() == 2


def test_what_can_not_be_meant_changes_nothing(iso, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.MAINTENANCE)
    for arguments, why in (
        (["--to", "zone-a"], "into itself"),
        (["--to", "zone-b"], "zone-b takes no new images now"),
        ([], "There is no other active zone"),
    ):
        with pytest.raises(CommandError, match=why):
            drain(*arguments)
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.ACTIVE)
    with pytest.raises(CommandError, match="too long"):
        drain("--reason", "x" * 201)
    assert state("zone-a") == "active"
    Zone.objects.filter(slug="zone-a").update(state=Zone.State.DISABLED)
    with pytest.raises(CommandError, match="zone-a is disabled"):
        drain()
    assert Replica.objects.count() == 1


def test_a_reason_stays_until_another_is_given(iso, zone_b):
    drain("--reason", "New disks.")
    drain()
    assert Zone.objects.get(slug="zone-a").state_reason == "New disks."
    drain("--reason", "Later.")
    assert Zone.objects.get(slug="zone-a").state_reason == "Later."


def test_a_zone_whose_storage_fails_is_not_opened(zone_a, tmp_path):
    Zone.objects.filter(pk=zone_a.pk).update(state=Zone.State.MAINTENANCE)
    shutil.rmtree(tmp_path / "zone-a")
    with pytest.raises(CommandError, match="zone-a stays closed"):
        zones("activate", "zone-a")
    assert state("zone-a") == "maintenance"


def test_the_summary_for_programs(iso, zone_b):
    summary = json.loads(drain("--format", "json"))
    assert summary["replicas"] == {
        "safe": 0, "copying": 1, "refused": 0, "arriving": 0, "failed": 0, "leaving": 0
    }  # fmt: skip
    assert summary["bytes"]["copying"] == iso.size
    assert (summary["done"], summary["stuck"]) == (False, [])
    run_all()
    drain("--delete")
    run_all()
    assert json.loads(drain("--delete", "--format", "json"))["done"]


@pytest.mark.django_db(transaction=True)
def test_the_last_good_copy_is_never_deleted_by_two_drains_at_once(start, iso_bytes, zone_a, zone_b):
    """Each zone is safe in the other as long as nothing has happened."""
    for number in range(4):
        iso = uploaded(start, iso_bytes, zone_a, f"Image {number}")
        put_ready(Replica.objects.create(iso=iso, zone=zone_b), iso_bytes, iso.sha256)
    there, back = (
        drain_zone.Drain(zone_a, [zone_b], safe_in=[zone_b]),
        drain_zone.Drain(zone_b, [zone_a], safe_in=[zone_a]),
    )
    first, second = list(there.steps()), list(back.steps())
    in_parallel(
        lambda: [there.remove(step.replica) for step in first], lambda: [back.remove(step.replica) for step in second]
    )
    for iso in Iso.objects.all():
        assert iso.replicas.filter(state="ready").count() == 1

"""Stored bytes are read again: what is damaged or gone is found, said, and comes back from a good copy."""

import json
import logging
import os
import subprocess
import sys
from datetime import timedelta
from fractions import Fraction
from io import StringIO

import pytest
from celery.schedules import crontab
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from isos import tasks
from isos.actions.delete_from_zones import delete_from_zones
from isos.models import Event, Operation, Replica
from isos.operations import nightly, rehash
from isos.operations.damage import write_down
from isos.operations.rehash import Pace, Verdict, verify
from isos.operations.rounds import Round
from isos.operations.sources import ReplicaDamaged
from isos.states import ReplicaState
from portal.environment import BASE_DIR
from quotas import reservations
from quotas.models import Reservation
from tests import s3
from tests.contracts.kits import Spec
from tests.isos.conftest import run_all
from tests.isos.copies import content, damage, held, make_zone, path_of, put_ready, replica_in, s3_zone, uploaded
from tests.media import big_iso
from tests.parallel import in_parallel
from tests.s3 import s3_server
from zones.models import Zone
from zones.stores import files, open_store
from zones.stores.base import StoreUnreachable

__all__ = ["s3_server"]
NOBODY = lambda replica, done: None  # noqa: E731


@pytest.fixture
def iso(start, iso_bytes, zone_a):
    return uploaded(start, iso_bytes, zone_a)


@pytest.fixture
def two_good(iso, iso_bytes, zone_b):
    put_copy(iso, zone_b, iso_bytes)
    return iso


def put_copy(iso, zone, data):
    """A verified copy with its quota, made without a worker."""
    replica = Replica.objects.create(iso=iso, zone=zone)
    with transaction.atomic():
        reservations.reserve_copies(iso.account, iso_ref=iso.public_id, replica_refs=[replica.public_id], size=iso.size)
    put_ready(replica, data, iso.sha256)


@pytest.fixture
def alarms(caplog):
    """What was logged as an error."""
    caplog.set_level(logging.ERROR)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def verify_isos(*arguments):
    output = StringIO()
    call_command("verify_isos", *arguments, stdout=output, stderr=StringIO(), no_color=True)
    return output.getvalue()


def troubled(*arguments):
    """The summary of a run that ends with exit code 1."""
    output = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_isos", *arguments, "--format", "json", stdout=output, stderr=StringIO())
    return json.loads(output.getvalue())


def aged(replica, days):
    """Verified so many days ago."""
    Replica.objects.filter(pk=replica.pk).update(verified_at=timezone.now() - timedelta(days=days))


def is_fresh(replica):
    return Replica.objects.get(pk=replica.pk).verified_at > timezone.now() - timedelta(minutes=5)


def harm(replica, how):
    path = path_of(replica)
    if how == "damaged":
        damage(replica)
    elif how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])


# --- what is good ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["files", pytest.param("s3", marks=pytest.mark.services), "any"])
def test_good_ones_are_verified_anew_and_nothing_else_happens(start, iso_bytes, kind, tmp_path, request, alarms):
    iso = uploaded(start, iso_bytes, make_zone(kind, "here", tmp_path, request))
    replica = iso.replicas.get()
    aged(replica, 40)
    before = Event.objects.count(), Operation.objects.count()
    text = verify_isos("--all")
    assert text.startswith("1 good; ")
    assert is_fresh(replica)
    assert (Event.objects.count(), Operation.objects.count()) == before
    assert Replica.objects.get().state == ReplicaState.READY
    assert alarms() == []


# --- what is not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "code", "reads"), [("damaged", "damaged", 3), ("missing", "missing", 1), ("short", "damaged", 1)]
)
def test_what_is_lost_is_marked_said_and_comes_back(two_good, iso_bytes, zone_a, how, code, reads, alarms):
    bad = replica_in(two_good, zone_a)
    harm(bad, how)
    summary = troubled("--all", "--zone", "zone-a")
    assert summary["counts"][code] == 1
    assert summary["counts"]["good"] == 1  # the source was read before anything was thrown away
    assert summary["bytes"] == reads * len(iso_bytes)
    [found] = summary["found"]
    assert (found["zone"], found["verdict"], found["healing"]) == ("zone-a", code, True)
    event = Event.objects.get(verb="damaged")
    assert (event.zone_name, event.actor, event.actor_name) == ("zone-a", None, "")
    assert Event.objects.get(verb="retried").actor_name == ""  # the portal itself
    [alarm] = alarms()
    assert f"replica {bad.public_id} of ISO {two_good.public_id} in zone zone-a is {code}." in alarm
    run_all()
    healed = replica_in(two_good, zone_a)
    assert (healed.state, healed.error_message) == (ReplicaState.READY, "")
    assert content(healed) == iso_bytes
    assert held(healed) == ("used", len(iso_bytes), "upload")
    assert Reservation.objects.count() == 2
    assert verify_isos("--all").startswith("2 good; ")


@pytest.mark.services
@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_the_same_in_s3(iso, iso_bytes, s3_server, how):
    zone = s3_zone("s3", s3_server)
    put_copy(iso, zone, iso_bytes)
    replica, store = replica_in(iso, zone), open_store(zone)
    client = s3.client(Spec(zone.backend, zone.options))
    if how == "damaged":
        client.put_object(Bucket=store.bucket, Key=store.name(replica.key), Body=iso_bytes[:-1] + b"!")
    else:
        client.delete_object(Bucket=store.bucket, Key=store.name(replica.key))
    assert troubled("--all")["counts"][how] == 1
    run_all()
    replica.refresh_from_db()
    assert replica.state == ReplicaState.READY
    assert content(replica) == iso_bytes


def test_the_only_copy_is_marked_and_what_is_left_of_it_stays(iso, zone_a, alarms):
    replica = replica_in(iso, zone_a)
    damage(replica)
    left = path_of(replica).read_bytes()
    output = StringIO()
    with pytest.raises(CommandError, match="1 of 1 are not good"):
        call_command("verify_isos", "--all", stdout=output, stderr=StringIO())
    assert "“Image” in zone-a: damaged. Its SHA-256 is not the one" in output.getvalue()
    assert "copied again" not in output.getvalue()
    run_all()
    replica.refresh_from_db()
    assert (replica.state, replica.error_code, replica.verified_at) == (ReplicaState.FAILED, "replica_damaged", None)
    assert path_of(replica).read_bytes() == left
    assert any("no good copy could be read" in alarm for alarm in alarms())
    assert held(replica)[0] == "used"


def test_where_all_are_damaged_nothing_is_thrown_away(two_good, zone_a, zone_b):
    replicas = [replica_in(two_good, zone) for zone in (zone_a, zone_b)]
    for replica in replicas:
        damage(replica)
    left = [path_of(replica).read_bytes() for replica in replicas]
    summary = troubled("--limit", "1")  # both are read all the same
    assert summary["counts"]["damaged"] == 2
    run_all()
    assert {replica.state for replica in Replica.objects.all()} == {ReplicaState.FAILED}
    assert [path_of(replica).read_bytes() for replica in replicas] == left


def test_a_closed_zone_is_read_but_nothing_is_copied_there(two_good, zone_a):
    Zone.objects.filter(pk=zone_a.pk).update(state=Zone.State.MAINTENANCE)
    damage(replica_in(two_good, zone_a))
    assert [found["healing"] for found in troubled("--all")["found"]] == [False]
    assert replica_in(two_good, zone_a).state == ReplicaState.FAILED
    Zone.objects.filter(pk=zone_a.pk).update(state=Zone.State.ACTIVE)
    summary = troubled("--limit", "1")  # found before, and now there is a way
    assert summary["found"] == [summary["found"][0] | {"verdict": "lost", "healing": True}]
    run_all()
    assert replica_in(two_good, zone_a).state == ReplicaState.READY


def test_disabled_zones_are_left_alone_unless_named(two_good, zone_a):
    Zone.objects.filter(pk=zone_a.pk).update(state=Zone.State.DISABLED)
    damage(replica_in(two_good, zone_a))
    assert verify_isos("--all").startswith("1 good; ")
    assert troubled("--all", "--zone", "zone-a")["counts"]["damaged"] == 1


def test_what_a_copy_found_damaged_is_healed_too(two_good, zone_a, iso_bytes):
    bad = replica_in(two_good, zone_a)
    damage(bad)
    with transaction.atomic():
        assert write_down(bad, ReplicaDamaged.of(bad))
    assert troubled("--limit", "0")["counts"]["lost"] == 1
    run_all()
    assert content(replica_in(two_good, zone_a)) == iso_bytes


def test_without_its_quota_nothing_is_copied_again(two_good, zone_a):
    bad = replica_in(two_good, zone_a)
    damage(bad)
    Reservation.objects.filter(replica_ref=bad.public_id).delete()
    assert troubled("--all", "--zone", "zone-a")["found"][0]["healing"] is False
    assert not Operation.objects.filter(kind="copy").exists()


# --- nobody is blamed or disturbed ----------------------------------------------------------------


def test_one_bad_read_blames_nobody(iso, zone_a, monkeypatch, alarms):
    opens, reads = files.FileStore.open, []

    def flaky(self, key, offset=0):
        reads.append(key)
        reader = opens(self, key, offset)
        if len(reads) == 1:
            reader.seek(1)
        return reader

    monkeypatch.setattr(files.FileStore, "open", flaky)
    assert verify_isos("--all").startswith("1 good; ")
    assert len(reads) == 2
    assert alarms() == []


def test_a_replica_that_is_deleted_while_it_is_read_is_no_error(start, actor, zone_a, tmp_path, monkeypatch, alarms):
    image = big_iso(tmp_path / "image.iso", 9 << 20).read_bytes()
    iso, pace = uploaded(start, image, zone_a), Pace()
    replica = replica_in(iso, zone_a)
    monkeypatch.setattr(rehash, "LOOK_SECONDS", 0)

    def deleted(read, done):
        if Replica.objects.filter(pk=replica.pk, state=ReplicaState.READY).exists():
            delete_from_zones(actor, iso, [replica_in(iso, zone_a)], confirmation="confirm")
            run_all()

    [found] = verify(replica, pace, deleted)
    assert found.verdict == Verdict.CHANGED
    assert pace.bytes == 1 << 20  # nobody reads on what nobody needs
    assert not Replica.objects.filter(pk=replica.pk).exists()
    assert alarms() == []
    assert not Event.objects.filter(verb="damaged").exists()


@pytest.mark.parametrize("bad", [True, False])
def test_what_somebody_else_verified_meanwhile_is_believed(two_good, zone_a, bad):
    replica = replica_in(two_good, zone_a)
    if bad:
        damage(replica)
    later = timezone.now() + timedelta(seconds=1)
    [found] = verify(replica, Pace(), lambda *_: Replica.objects.filter(pk=replica.pk).update(verified_at=later))
    assert found.verdict == Verdict.CHANGED
    replica.refresh_from_db()
    assert (replica.state, replica.verified_at) == (ReplicaState.READY, later)


@pytest.mark.django_db(transaction=True)
def test_a_delete_does_not_wait_for_a_reading(two_good, actor, zone_a):
    """Nothing is locked: another connection deletes in the middle of it."""
    replica = replica_in(two_good, zone_a)

    def delete():
        delete_from_zones(actor, two_good, [replica_in(two_good, zone_a)], confirmation="confirm")
        run_all()

    def in_the_middle(read, done):
        if done and Replica.objects.filter(pk=replica.pk).exists():
            assert in_parallel(delete) == [None]

    assert verify(replica, Pace(), in_the_middle)[0].verdict == Verdict.CHANGED
    assert not Replica.objects.filter(pk=replica.pk).exists()


def test_a_storage_that_is_away_is_said_and_stops_no_other(two_good, zone_a, zone_b, tmp_path, alarms):
    aged(replica_in(two_good, zone_a), 9)
    (tmp_path / "zone-a/.zone").unlink()
    summary = troubled("--limit", "1")
    assert (summary["counts"]["away"], summary["counts"]["good"]) == (1, 1)
    assert "is the disk mounted?" in summary["found"][0]["reason"]
    assert replica_in(two_good, zone_a).state == ReplicaState.READY
    assert is_fresh(replica_in(two_good, zone_b))


def test_an_absent_zone_is_asked_once_a_round(start, iso_bytes, zone_a, tmp_path):
    for number in range(3):
        uploaded(start, iso_bytes, zone_a, f"Image {number}")
    (tmp_path / "zone-a/.zone").unlink()
    assert troubled("--all")["counts"]["away"] == 1


def test_a_file_that_can_not_be_read_is_an_alarm_and_does_not_stop_the_rest(
    start, iso_bytes, zone_a, monkeypatch, alarms
):
    first, _ = (uploaded(start, iso_bytes, zone_a, f"Image {number}") for number in range(2))
    aged(first.replicas.get(), 9)
    opens = files.FileStore.open

    class BadSector:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def readinto(self, buffer):
            raise StoreUnreachable(reason="EIO: Input/output error")

    bad = replica_in(first, zone_a).key
    monkeypatch.setattr(
        files.FileStore, "open", lambda self, key, *o: BadSector() if key == bad else opens(self, key, *o)
    )
    summary = troubled("--limit", "1")
    assert (summary["counts"]["unreadable"], summary["counts"]["good"]) == (1, 1)
    assert first.replicas.get().state == ReplicaState.READY
    assert "EIO" in alarms()[0]


def test_a_surprise_at_one_does_not_stop_the_rest(start, iso_bytes, zone_a, monkeypatch, alarms):
    first, _ = (uploaded(start, iso_bytes, zone_a, f"Image {number}") for number in range(2))
    aged(first.replicas.get(), 9)
    sizes, bad = files.FileStore.size, replica_in(first, zone_a).key

    def size(self, key):
        if key == bad:
            raise RuntimeError("a bug")
        return sizes(self, key)

    monkeypatch.setattr(files.FileStore, "size", size)
    counts = troubled("--limit", "1")["counts"]
    assert (counts["unreadable"], counts["good"]) == (1, 1)
    assert any("could not be verified" in alarm for alarm in alarms())


# --- which, and how much ----------------------------------------------------------------------------


@pytest.fixture
def six(start, iso_bytes, zone_a):
    """Replicas, the one that was verified longest ago first."""
    isos = [uploaded(start, iso_bytes, zone_a, f"Image {number}") for number in range(6)]
    replicas = [iso.replicas.get() for iso in (isos[3], isos[0], isos[5], isos[1], isos[4], isos[2])]
    for days, replica in enumerate(reversed(replicas), 1):
        aged(replica, days)
    return replicas


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--share", "1/3"], 2),
        (["--share", "1/30"], 1),
        (["--share", "0.99"], 6),
        (["--limit", "4"], 4),
        (["--limit", "0"], 0),
        (["--max-bytes", "1"], 1),
        (["--all"], 6),
        ([], 1),
    ],
)
def test_the_oldest_come_first(six, options, count):
    verify_isos(*options)
    assert [is_fresh(replica) for replica in six] == [True] * count + [False] * (6 - count)


def test_as_many_as_fit_into_the_bytes(six, iso_bytes):
    verify_isos("--max-bytes", str(len(iso_bytes) * 3 - 1))
    assert sum(map(is_fresh, six)) == 2
    verify_isos("--max-bytes", str(len(iso_bytes) * 3))
    assert sum(map(is_fresh, six)) == 5


def test_as_many_nights_as_the_share_says_cover_everything(six):
    for _ in range(3):
        verify_isos("--share", "1/3")
    assert all(map(is_fresh, six))


def test_one_zone_or_one_iso(two_good, zone_a, zone_b):
    for replica in Replica.objects.all():
        aged(replica, 9)
    verify_isos("--zone", "zone-b", "--all")
    assert (is_fresh(replica_in(two_good, zone_a)), is_fresh(replica_in(two_good, zone_b))) == (False, True)
    assert verify_isos("--iso", str(two_good.public_id)).startswith("2 good; ")
    assert is_fresh(replica_in(two_good, zone_a))


def test_never_verified_counts_as_oldest(six):
    Replica.objects.filter(pk=six[-1].pk).update(verified_at=None)
    verify_isos("--limit", "1")
    assert Replica.objects.get(pk=six[-1].pk).verified_at is not None
    assert not is_fresh(six[0])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--share", "2"], "“2” is not a part of the whole"),
        (["--share", "x"], "is not a part of the whole"),
        (["--share", "1/0"], "is not a part of the whole"),
        (["--max-bytes", "lots"], "“lots” is not a size"),
        (["--zone", "nowhere"], "There is no zone “nowhere”"),
        (["--iso", "1"], "“1” is not the id of an ISO"),
        (["--iso", "00000000-0000-0000-0000-000000000000"], "There is no ISO"),
        (["--rate", "1 kB"], "at least 1.00 MB per second"),
        (["--share", "1/3", "--limit", "1"], "not allowed with"),
    ],
)
def test_what_can_not_be_meant(zone_a, options, why):
    with pytest.raises(CommandError, match=why):
        verify_isos(*options)


def test_nothing_to_do_is_said(zone_a, settings):
    assert verify_isos() == "There was nothing to verify.\n"
    settings.VERIFY_SHARE = Fraction(0)
    with pytest.raises(CommandError, match="VERIFY_SHARE is 0"):
        verify_isos()


class Clock:
    """Time that passes only in sleep."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_the_pace_is_kept_and_idle_time_is_not_made_up_for():
    clock = Clock()
    pace = Pace(10_000_000, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        pace.took(1_000_000)
    assert clock.now - 100 == pytest.approx(10, abs=0.2)
    clock.now += 1000
    began = clock.now
    for _ in range(50):
        pace.took(1_000_000)
    assert clock.now - began == pytest.approx(5, abs=0.2)
    assert pace.bytes == 150_000_000


def test_the_commands_rate_reaches_the_reading(iso, iso_bytes, monkeypatch):
    clock = Clock()
    paces = lambda rate: Pace(rate, clock=clock, sleep=clock.sleep)  # noqa: E731
    monkeypatch.setattr("isos.management.commands.verify_isos.Pace", paces)
    verify_isos("--all", "--rate", "1 MB")
    assert clock.now - 100 == pytest.approx(len(iso_bytes) / 1_000_000, abs=0.1)
    verify_isos("--all")
    assert clock.now - 100 == pytest.approx(len(iso_bytes) / 1_000_000, abs=0.1)


# --- every night ------------------------------------------------------------------------------------


@pytest.fixture
def messages(monkeypatch):
    """What was sent: (queue, message as it arrives)."""
    sent = []
    monkeypatch.setattr(
        nightly, "_publish", lambda rest, queue: sent.append((queue, json.loads(json.dumps(rest.as_message()))))
    )
    return sent


def deliver(messages, capture):
    """Let workers do what was sent until nothing is sent any more; the queues in order."""
    queues = []
    while messages:
        queue, message = messages.pop(0)
        queues.append(queue)
        with capture(execute=True):
            tasks.verify_next(message)
        assert len(queues) < 50
    return queues


def test_a_night_reads_its_share_from_task_to_task(six, messages, django_capture_on_commit_callbacks, settings):
    settings.VERIFY_SHARE = Fraction(1, 2)
    with django_capture_on_commit_callbacks(execute=True):
        tasks.verify_isos()
    assert len(messages) == 1
    assert deliver(messages, django_capture_on_commit_callbacks) == ["portal"] * 4
    assert [is_fresh(replica) for replica in six] == [True] * 3 + [False] * 3


def test_a_night_finds_and_heals(two_good, messages, django_capture_on_commit_callbacks, zone_a, settings, alarms):
    settings.VERIFY_SHARE = Fraction(1)
    damage(replica_in(two_good, zone_a))
    with django_capture_on_commit_callbacks(execute=True):
        nightly.begin()
    deliver(messages, django_capture_on_commit_callbacks)
    assert len(alarms()) == 1
    run_all()
    assert replica_in(two_good, zone_a).state == ReplicaState.READY


def test_zones_with_workers_of_their_own_are_read_by_them(
    two_good, messages, django_capture_on_commit_callbacks, settings
):
    settings.ZONE_QUEUES, settings.VERIFY_SHARE = True, Fraction(1)
    for replica in Replica.objects.all():
        aged(replica, 9)
    with django_capture_on_commit_callbacks(execute=True):
        assert nightly.begin() == 2
    queues = deliver(messages, django_capture_on_commit_callbacks)
    assert sorted(queues) == ["zone.zone-a"] * 2 + ["zone.zone-b"] * 2
    assert all(map(is_fresh, Replica.objects.all()))


def test_a_night_goes_on_after_a_storage_that_is_away(
    six, two_good, messages, django_capture_on_commit_callbacks, settings
):
    settings.VERIFY_SHARE = Fraction(1)
    path_of(replica_in(two_good, Zone.objects.get(slug="zone-a"))).parents[2].joinpath(".zone").unlink()
    aged(replica_in(two_good, Zone.objects.get(slug="zone-b")), 1)
    with django_capture_on_commit_callbacks(execute=True):
        nightly.begin()
    assert len(deliver(messages, django_capture_on_commit_callbacks)) == 3
    assert is_fresh(replica_in(two_good, Zone.objects.get(slug="zone-b")))


def test_the_nights_pace_is_the_settings(iso, settings, monkeypatch):
    paces = []
    monkeypatch.setattr(Round, "step", lambda self, pace, progress: (paces.append(pace._rate), None))
    settings.VERIFY_BYTES_PER_SECOND = 7_000_000
    nightly.go_on(Round.of().as_message())
    assert paces == [7_000_000]


def test_share_zero_switches_it_off(iso, messages, settings):
    settings.VERIFY_SHARE = Fraction(0)
    assert nightly.begin() == 0
    assert messages == []


def test_a_message_of_the_night_is_not_delivered_twice():
    assert tasks.verify_next.acks_late is False
    assert tasks.run_operation.acks_late is not False


def test_beat_sends_it_every_night(settings):
    entry = settings.CELERY_BEAT_SCHEDULE["verify"]
    assert entry["schedule"] == crontab(minute="0", hour="2")
    assert entry["task"] == tasks.verify_isos.name
    assert entry["options"]["queue"] == "portal.light"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VERIFY_SHARE", "often", "VERIFY_SHARE is often. Write a part of the whole such as 1/30, or 0 for none."),
        ("VERIFY_SHARE", "31/30", "VERIFY_SHARE is 31/30."),
        ("VERIFY_SHARE", "1/0", "VERIFY_SHARE is 1/0."),
        ("VERIFY_HOUR", "24", "VERIFY_HOUR is 24. Write an hour of the day in UTC, from 0 to 23."),
        ("VERIFY_SHARE", "0", ""),
    ],
)
def test_what_is_misspelt_is_said_at_the_start(tmp_path, name, value, said):
    environment = {**os.environ, "PORTAL_DATA_DIR": str(tmp_path), "SECRET_KEY": "x" * 64, name: value}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    code = "from portal import settings; print('verify' in settings.CELERY_BEAT_SCHEDULE)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BASE_DIR, env=environment, capture_output=True, text=True, check=False
    )
    assert said in done.stderr
    assert done.stdout == ("" if said else "False\n")

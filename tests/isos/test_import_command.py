"""`manage.py import_iso`: real files, a real web server, real zones; the workers' part is run while it waits."""

import errno
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import unicodedata
import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from isos import local_files
from isos.actions import import_once, import_path_once, send_file
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.import_url import import_url
from isos.actions.start_upload import NewIso, start_upload
from isos.audit import Actor
from isos.local_files import LocalFile
from isos.management import import_run
from isos.management.progress import Bar, Moment, Speed, bar_line, display_on
from isos.models import Event, Iso, Operation, Replica, Upload, UrlImport
from isos.operations import receive
from isos.states import OperationState, ReplicaState
from quotas.models import QuotaLimit, Reservation
from tests import media
from tests.factories import make_version
from tests.isos.conftest import run_all
from tests.isos.fetching.site import File, Site
from tests.running import ROOT, portal
from tests.uploading import query
from zones.models import Zone
from zones.stores import open_store

MOST_PAUSES = 50
SIZE = "373 kB"


@pytest.fixture
def site(settings):
    """A web server that the operator allows, with three images."""
    site = Site()
    settings.IMPORT_ALLOWED_NETWORKS = [f"{site.host}/32"]
    settings.IMPORT_PORTS = [site.port]
    settings.IMPORT_READ_SECONDS = 5
    for number in range(3):
        site.routes[f"/image-{number}.iso"] = File(image(number))
    yield site
    site.close()


def image(number=0):
    return media.iso(f"IMPORTED {number}", bios=True, padding=300_000)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def pauses(monkeypatch):
    """What happens while the command pauses; the last thing again and again. At first: workers do their work."""
    acts = [run_all]
    count = itertools.count()

    def pause(seconds):
        assert next(count) < MOST_PAUSES, "it waits for ever"
        (acts.pop(0) if len(acts) > 1 else acts[0])()

    monkeypatch.setattr(import_run, "pause", pause)
    return acts


class Ran:
    """How a run of the command ended and what it said."""

    def __init__(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        self.error, self.code = "", 0
        try:
            call_command("import_iso", *map(str, arguments), stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            self.error, self.code = str(error), error.returncode
        except SystemExit as end:
            self.code = end.code
        self.out, self.err = out.getvalue(), err.getvalue()


@pytest.fixture
def imported(account, zone_a, pauses):
    """Run the command where there is one account and one zone."""
    return Ran


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "files" / "local-image.iso"
    path.parent.mkdir()
    path.write_bytes(image())
    return path


@pytest.fixture
def listing(tmp_path):
    def listing(*lines):
        path = tmp_path / "list.txt"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return listing


def stored(iso, zone):
    with open_store(zone).open(iso.replicas.get(zone=zone).key) as found:
        return found.read()


def nothing_there():
    return not any(model.objects.exists() for model in (Iso, Operation, Reservation, Event))


# --- from a web address ---


def test_an_address_becomes_a_ready_iso(imported, site, account, zone_a):
    ran = imported(
        site.url("/image-0.iso"), "--public", "--featured", "--extractable", "--description", "From a mirror"
    )
    iso = Iso.objects.get()
    assert (ran.error, ran.code) == ("", 0)
    assert ran.out == f"“image-0” in zone-a: ready, {SIZE}, SHA-256 {sha256(image())}.\n"
    assert stored(iso, zone_a) == image()
    assert (iso.name, iso.account, iso.created_by, iso.source) == ("image-0", account, None, Iso.Source.URL)
    assert (iso.is_public, iso.is_featured, iso.is_extractable) == (True, True, True)
    assert (iso.description, iso.source_name) == ("From a mirror", "image-0.iso")


def test_the_activity_says_that_an_operator_did_it(imported, site, owner):
    imported(site.url("/image-0.iso"))
    started = Event.objects.get(verb=Event.Verb.IMPORT_STARTED)
    assert (started.actor, started.actor_name) == (None, "Operator (command line)")
    assert Event.objects.get(verb=Event.Verb.READY).actor_name == ""


def test_the_system_is_guessed_from_the_image(imported, site):
    version = make_version("Imported Linux 0", "imported-0", match="^IMPORTED 0$", os_type="bsd")
    imported(site.url("/image-0.iso"))
    imported(site.url("/image-1.iso"), "--os-type", "windows")
    imported(site.url("/image-2.iso"), "--os-version", "imported linux 0")
    found = {iso.name: (iso.os_type, iso.os_version) for iso in Iso.objects.all()}
    assert found == {"image-0": ("bsd", version), "image-1": ("windows", None), "image-2": ("bsd", version)}


def test_twice_imports_once(imported, site):
    first, second = (imported(site.url("/image-0.iso")) for _ in range(2))
    assert (first.error, second.error) == ("", "")
    assert "already there" in second.out
    assert Iso.objects.count() == Operation.objects.count() == 1
    assert site.paths().count("/image-0.iso") == 2  # the check and the download of the first run


def test_it_is_known_by_its_source_whatever_it_is_called_now(imported, site, settings):
    site.routes["/image-0.iso?part=1"] = File(image())
    imported(site.url("/image-0.iso?part=1"))
    Iso.objects.update(name="Renamed")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" + "y" * 40
    ran = imported(site.url("/image-0.iso?part=1").replace("http", "HTTP"))
    assert "“Renamed” in zone-a: already there" in ran.out
    site.routes["/image-0.iso?part=2"] = File(image(1))
    assert "“image-0” in zone-a: ready," in imported(site.url("/image-0.iso?part=2")).out  # another file


def test_what_is_under_way_is_joined(imported, site):
    started = imported(site.url("/image-0.iso"), "--no-wait")
    assert "started" in started.out
    assert Replica.objects.get().state == ReplicaState.QUEUED
    assert "in progress" in imported(site.url("/image-0.iso"), "--no-wait").out
    joined = imported(site.url("/image-0.iso"))
    assert "under way already" in joined.err
    assert ": ready," in joined.out
    assert Operation.objects.count() == 1


def test_two_runs_at_once_import_once(imported, site, monkeypatch):
    check = import_once.preflight.check
    others = []

    def slow_check(*arguments, **options):
        monkeypatch.setattr(import_once.preflight, "check", check)
        others.append(imported(site.url("/image-0.iso"), "--no-wait"))  # begins while the first looks
        return check(*arguments, **options)

    monkeypatch.setattr(import_once.preflight, "check", slow_check)
    ran = imported(site.url("/image-0.iso"))
    assert ("started" in others[0].out, "under way already" in ran.err, ran.error) == (True, True, "")
    assert Iso.objects.count() == Operation.objects.count() == 1


def test_what_failed_is_tried_again_with_the_corrected_checksum(imported, site):
    wrong, right = "0" * 64, sha256(image())
    for _ in range(2):
        failed = imported(site.url("/image-0.iso"), "--checksum", wrong)
        assert failed.code == 1
        assert "SHA-256" in failed.error
        assert Replica.objects.get().state == ReplicaState.FAILED
    ran = imported(site.url("/image-0.iso"), "--checksum", right)
    assert (ran.error, Replica.objects.get().state) == ("", ReplicaState.READY)
    assert "failed before; started again" in ran.err
    assert Event.objects.filter(verb=Event.Verb.RETRIED, actor_name="Operator (command line)").count() == 2


def test_a_retry_that_another_run_began_is_joined(imported, site, monkeypatch):
    imported(site.url("/image-0.iso"), "--checksum", "0" * 64)
    retried = import_once.retried

    def late(request, replica):
        monkeypatch.setattr(import_once, "retried", retried)
        imported(site.url("/image-0.iso"), "--no-wait")  # has begun it before we hold the account
        return retried(request, replica)

    monkeypatch.setattr(import_once, "retried", late)
    ran = imported(site.url("/image-0.iso"), "--checksum", sha256(image()))
    assert "under way already" in ran.err


def test_other_content_than_before_is_said(imported, site):
    imported(site.url("/image-0.iso"))
    ran = imported(site.url("/image-0.iso"), "--checksum", "ab" * 32)
    assert ran.error.startswith("“image-0” came from this source before and is Ready, but with other content.")
    assert imported(site.url("/image-0.iso"), "--checksum", sha256(image())).error == ""


def test_again_imports_it_under_another_name(imported, site):
    imported(site.url("/image-0.iso"))
    site.routes["/image-0.iso"] = File(image(1), etag='"v2"')
    for _ in range(2):
        assert imported(site.url("/image-0.iso"), "--again", "--name", "Tomorrow").error == ""
    assert {iso.name: iso.sha256 for iso in Iso.objects.all()} == {
        "image-0": sha256(image()), "Tomorrow": sha256(image(1))
    }  # fmt: skip


def test_into_another_zone_it_is_copied(imported, site, file, zone_b):
    for source in (site.url("/image-1.iso"), file):
        imported(source, "--zone", "zone-a", "--no-wait")
        early = imported(source, "--zone", "zone-b")
        assert (
            "into zone-a and is not Ready there. Run this again when it is: then it is copied to zone-b." in early.error
        )
        run_all()
        other = imported(source, "--zone", "zone-b", "--checksum", "ab" * 32)
        assert "but with other content" in other.error
        ran = imported(source, "--zone", "zone-b")
        assert ("is in another zone already; its copy to zone-b started." in ran.err, ran.error) == (True, "")
        assert "already there" in imported(source, "--zone", "zone-b").out
    assert [stored(iso, zone_b) for iso in Iso.objects.order_by("name")] == [image(1), image()]
    assert site.paths().count("/image-1.iso") == 2  # once checked, once fetched


def test_a_name_that_something_else_has(imported, site, file):
    imported(site.url("/image-0.iso"), "--name", "Taken")
    for source in (site.url("/image-1.iso"), file):
        if source == file:
            file.write_bytes(image(2))
        ran = imported(source, "--name", "taken")
        assert ran.error.lower().startswith("the account has an iso “taken” already, from another source.")
    assert Iso.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("/nothing.iso", "no file at this address"), ("/page.iso", "web page"), ("/zip.iso", "not an ISO image")],
)
def test_a_wrong_address_is_refused_at_once(imported, site, path, sentence, pauses):
    site.routes["/page.iso"] = File(b"<!doctype html><html></html>")
    site.routes["/zip.iso"] = File(b"PK\x03\x04" + bytes(70_000))
    pauses[:] = [lambda: pytest.fail("it waits")]
    ran = imported(site.url(path))
    assert (sentence in ran.error, ran.code, nothing_there()) == (True, 1, True)


def test_the_guard_holds_for_operators_too(imported, site, settings):
    settings.IMPORT_ALLOWED_NETWORKS = []
    assert "not on the public internet" in imported(site.url("/image-0.iso")).error
    assert (site.connections, nothing_there()) == (0, True)


def test_deleted_while_it_waits(imported, site, pauses):
    pauses.insert(0, lambda: cancel(Actor(operates_for=Iso.objects.get().account), Iso.objects.get()))
    ran = imported(site.url("/image-0.iso"))
    assert (ran.error, ran.code) == ("It was cancelled or deleted meanwhile.", 1)
    assert "is being deleted. Run this again" in imported(site.url("/image-0.iso")).error


# --- waiting ---


def test_no_worker_is_said_once(imported, site, pauses, monkeypatch):
    seconds = itertools.count(0, 10)
    monkeypatch.setattr(import_run, "clock", lambda: next(seconds))
    pauses[:0] = [lambda: None] * 6
    ran = imported(site.url("/image-0.iso"))
    assert ran.err.count("no worker has begun for 15 s. Is one running for zone-a?") == 1
    assert ran.error == ""


def test_a_busy_worker_is_no_missing_worker(imported, site, pauses, monkeypatch, account, zone_a):
    Operation.objects.create(
        account=account, zone=zone_a, iso_name="Other", kind=Operation.Kind.FETCH, state=OperationState.RUNNING,
        lease_expires=timezone.now() + timedelta(seconds=20),
    )  # fmt: skip
    seconds = itertools.count(0, 10)
    monkeypatch.setattr(import_run, "clock", lambda: next(seconds))
    pauses[:0] = [lambda: None] * 6
    assert "no worker" not in imported(site.url("/image-0.iso")).err


def test_a_missing_worker_of_a_zone_is_named_by_its_queue(imported, site, pauses, monkeypatch, settings):
    settings.ZONE_QUEUES = True
    seconds = itertools.count(0, 10)
    monkeypatch.setattr(import_run, "clock", lambda: next(seconds))
    pauses[:0] = [lambda: None] * 6
    assert "It must read the queue zone.zone-a." in imported(site.url("/image-0.iso")).err


def test_why_it_waits_for_its_next_try(imported, site, pauses):
    def busy():
        later = timezone.now() + timedelta(seconds=60)
        Operation.objects.update(not_before=later, error_message="The server is too busy right now.")

    pauses[:0] = [busy, lambda: None, lambda: Operation.objects.update(not_before=None)]
    assert imported(site.url("/image-0.iso")).err.count("too busy right now. Trying again by itself.") == 1


def test_ctrl_c_leaves_it_to_the_workers(imported, site, pauses):
    def interrupt():
        raise KeyboardInterrupt

    pauses.insert(0, interrupt)
    ran = imported(site.url("/image-0.iso"))
    assert ran.code == 130
    assert "The workers go on with image-0; the portal shows how far they are." in ran.err
    assert Operation.objects.get().state == OperationState.QUEUED
    assert ": ready," in imported(site.url("/image-0.iso")).out


def test_what_is_secret_in_an_address_is_never_printed(imported, site):
    site.routes["/image-0.iso?token=topsecret"] = File(image())
    ran = [imported(site.url(f"/{path}.iso?token=topsecret"), "--format", "json") for path in ("image-0", "nothing")]
    assert "topsecret" not in "".join(each.out + each.err + each.error for each in ran)
    assert json.loads(ran[0].out)[0]["source"] == site.url("/image-0.iso?token=…")


def test_json(imported, site, listing):
    ran = imported("--list", listing(site.url("/image-0.iso"), site.url("/nothing.iso")), "--format", "json")
    ready, failed = json.loads(ran.out)
    iso = Iso.objects.get()
    assert ready == {
        "line": 1, "source": site.url("/image-0.iso"), "account": "Demo", "zone": "zone-a", "name": "image-0",
        "id": str(iso.public_id), "result": "ready", "size": len(image()), "sha256": sha256(image()), "error": None,
    }  # fmt: skip
    assert (failed["line"], failed["result"], failed["id"]) == (2, "failed", None)
    assert "no file at this address" in failed["error"]
    assert ran.code == 1


# --- a list ---


def test_many_from_a_list(imported, site, listing, zone_b, file):
    path = listing(
        "\ufeff# Images of the lab",
        "",
        site.url("/image-0.iso"),
        f'{site.url("/image-1.iso")} Second image --zone zone-b --no-public --description "It\'s the second"',
        f'files/local-image.iso --name "Third" --checksum {sha256(image())}',
    )
    ran = imported("--list", path, "--zone", "zone-a", "--public")
    assert ran.out.splitlines() == [
        "LINE  NAME          ZONE    SIZE    RESULT",
        f"3     image-0       zone-a  {SIZE}  ready",
        f"4     Second image  zone-b  {SIZE}  ready",
        f"5     Third         zone-a  {SIZE}  ready",
    ]
    assert [(iso.name, iso.is_public) for iso in Iso.objects.order_by("name")] == [
        ("Second image", False), ("Third", True), ("image-0", True)
    ]  # fmt: skip
    again = imported("--list", path, "--zone", "zone-a", "--public")
    assert [line.split("  ")[-1].strip() for line in again.out.splitlines()[1:]] == ["already there"] * 3
    assert (again.code, Iso.objects.count(), Operation.objects.count()) == (0, 3, 3)


def test_a_list_with_mistakes_starts_nothing(imported, site, listing):
    ran = imported(
        "--list",
        listing(
            site.url("/image-0.iso"),
            "http://user@example.org/a.iso",
            f"{site.url('/image-1.iso')} --zone nowhere",
            f"{site.url('/image-1.iso')} Peter's",
            f"{site.url('/image-1.iso')} --checksum 123",
            f"{site.url('/image-1.iso')} --colour red",
            f"{site.url('/image-1.iso')} Name --name Other",
            "--public",
            f"{site.url('/image-1.iso')} --os-version none",
            f"{site.url('/image-1.iso')} --account Nobody",
            f"{site.url('/image-1.iso')} --again",
            f"{site.url('/image-1.iso')} --os-type beos",
        ),
    )
    said = dict(line.split(": ", 1) for line in ran.err.splitlines())
    assert ran.error == "11 lines have a mistake. Nothing was started; correct the list and run this again."
    assert list(said) == [f"Line {number}" for number in range(2, 13)]
    assert "There is no zone nowhere. There are: zone-a." in said["Line 3"]
    assert "quotation mark" in said["Line 4"]
    assert "--colour" in said["Line 6"]
    assert said["Line 8"] == "Give a web address or the path of a file."
    assert (site.connections, nothing_there()) == (0, True)


def test_one_bad_line_does_not_stop_the_rest(imported, site, listing, tmp_path):
    ran = imported("--list", listing("gone.iso", site.url("/nothing.iso"), site.url("/image-0.iso")))
    assert [line.split()[-1] for line in ran.out.splitlines()[1:4]] == ["failed", "failed", "ready"]
    assert ran.out.splitlines()[4] == f"Line 1: There is no file {tmp_path / 'gone.iso'}. Check the path."
    assert (ran.error, ran.code) == ("2 of 3 imports failed.", 1)


def test_quota_is_said_per_line(imported, site, listing, account):
    QuotaLimit.objects.create(account=account, max_isos=1)
    ran = imported("--list", listing(site.url("/image-0.iso"), site.url("/image-1.iso")))
    assert ran.out.splitlines()[-1].startswith("Line 2: You have 1 of 1 ISO images.")
    assert Reservation.objects.count() == 1


def test_a_list_from_the_input(imported, site, monkeypatch, tmp_path, file):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{site.url('/image-1.iso')}\nlocal-image.iso\n"))
    monkeypatch.chdir(file.parent)
    assert imported("--list", "-").error == ""
    assert Iso.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Give either a source"),
        (["a.iso", "--list", "b"], "Give either a source"),
        (["--list", "/nowhere/list"], "can't be read: No such file"),
        (["--list", "/dev/null"], "The list is empty"),
        (["--list", "/dev/null", "--name", "One"], "--name speaks of one image"),
        (["https://example.org/a.iso", "--account", "Dmeo"], "There is no account “Dmeo”. There are: Demo."),
        (["https://example.org/a.iso", "--name", "a\x00b"], "The name can't be used."),
        (["ftp://example.org/a.iso"], "Only http and https"),
    ],
)
def test_what_can_not_be_meant(imported, arguments, sentence):
    ran = imported(*arguments)
    assert (sentence in ran.error, ran.code) == (True, 1)


def test_choices_are_named_where_there_are_several(imported, stranger, zone_b, zone_a):
    assert imported("a.iso").error == "Choose an account with --account. There are: Demo, Other."
    assert imported("a.iso", "--account", "Demo").error == "Choose a zone with --zone. There are: zone-a, zone-b."
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.DISABLED)
    assert imported("/nowhere.iso", "--account", "Demo").error == "There is no file /nowhere.iso. Check the path."


def test_a_zone_that_takes_nothing(imported, site, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state=Zone.State.MAINTENANCE)
    assert "takes no new images now" in imported(site.url("/image-0.iso"), "--zone", "zone-b").error


# --- from a file of this machine ---


def test_a_file_becomes_a_ready_iso(imported, file, zone_a):
    ran = imported(file)
    iso = Iso.objects.get()
    assert ran.out == f"“local-image” in zone-a: ready, {SIZE}, SHA-256 {sha256(image())}.\n"
    assert stored(iso, zone_a) == image()
    assert (iso.source, iso.source_name, iso.created_by) == (Iso.Source.UPLOAD, "local-image.iso", None)
    assert Event.objects.get(verb=Event.Verb.UPLOAD_STARTED).actor_name == "Operator (command line)"
    assert Reservation.objects.get().state == "used"


def test_a_file_twice_imports_once(imported, file):
    imported(file)
    ran = imported(file, "--name", "Whatever")
    assert "“local-image” in zone-a: already there" in ran.out
    assert Upload.objects.count() == Iso.objects.count() == 1


def test_the_same_image_written_again_is_there(imported, file):
    imported(file)
    os.utime(file, ns=(1, 1))
    assert "already there" in imported(file).out
    changed = bytearray(image())
    changed[-1] ^= 1
    file.write_bytes(changed)
    assert "has an ISO “local-image” already, from another source" in imported(file).error


def test_the_same_image_from_the_web_is_there(imported, site, file):
    imported(site.url("/image-0.iso"), "--name", "local-image")
    assert "already there" in imported(file).out


@pytest.fixture
def broken_off(imported, file, monkeypatch):
    """A run that ended in the middle of the file, as by Ctrl-C. Returns the upload that it left."""
    monkeypatch.setattr(receive, "FIRST_READ", 64 << 10)
    monkeypatch.setattr(receive, "LARGEST_READ", 64 << 10)
    monkeypatch.setattr(receive, "CHECKPOINT_SECONDS", 0)
    read = send_file._Body.read

    def some(self, count):
        if self._done >= 200_000:
            raise KeyboardInterrupt
        return read(self, count)

    def broken_off():
        with monkeypatch.context() as patch:
            patch.setattr(send_file._Body, "read", some)
            ran = imported(file)
        assert ran.code == 130
        assert "What was sent of local-image is kept. Run the same command again to go on here." in ran.err
        return Upload.objects.get()

    return broken_off


def test_a_run_that_broke_off_is_gone_on_with(broken_off, imported, file, zone_a, monkeypatch):
    assert broken_off().offset == 196_608
    begun_at = []
    receive = send_file.receive
    monkeypatch.setattr(send_file, "receive", lambda *a: (begun_at.append(a[1]), receive(*a))[1])
    ran = imported(file)
    assert (ran.error, stored(Iso.objects.get(), zone_a) == image()) == ("", True)
    assert begun_at == [262_144]  # all that had come, also what was not yet written down as durable
    assert Iso.objects.count() == 1


def test_a_killed_run_keeps_its_right_for_a_moment(broken_off, imported, file, pauses):
    broken_off()
    Upload.objects.update(lock_token=uuid.uuid4(), lock_expires=timezone.now() + timedelta(seconds=9))  # as SIGKILL
    pauses.insert(0, lambda: Upload.objects.update(lock_expires=timezone.now() - timedelta(seconds=1)))
    ran = imported(file)
    assert ran.err.count("another run of this command is sending it. Waiting.") == 1
    assert (ran.error, Replica.objects.get().state) == ("", ReplicaState.READY)


def test_a_run_that_another_one_overtook_goes_on_with_it(broken_off, imported, file, monkeypatch):
    broken_off()
    before = import_path_once._before

    def early(*arguments):
        monkeypatch.setattr(import_path_once, "_before", before)
        return None  # as it was before the other run wrote its rows

    monkeypatch.setattr(import_path_once, "_before", early)
    ran = imported(file)
    assert (ran.error, Replica.objects.get().state) == ("", ReplicaState.READY)


def test_two_runs_at_once_send_a_file_once(imported, file, monkeypatch):
    expected = local_files.expected_sha256

    def slow(*arguments):
        monkeypatch.setattr(local_files, "expected_sha256", expected)
        imported(file)
        return expected(*arguments)

    monkeypatch.setattr(local_files, "expected_sha256", slow)
    assert "already there" in imported(file).out
    assert Iso.objects.count() == Upload.objects.count() == 1


def test_a_file_that_changed_meanwhile_is_not_mixed(broken_off, imported, file, zone_a):
    broken_off()
    changed = bytearray(image())
    changed[150_000] ^= 1  # neither in its first nor in its last bytes, of which its key is made
    file.write_bytes(changed)
    os.utime(file, ns=(3, 3))
    ran = imported(file)
    assert "That import was cancelled; run this again in a moment." in ran.error
    assert "is being deleted" in imported(file).error
    run_all()
    assert imported(file).error == ""
    assert stored(Iso.objects.get(), zone_a) == changed


def test_a_file_that_changes_while_it_is_read(imported, file, monkeypatch):
    read = send_file._Body.read

    def disturbed(self, count):
        os.utime(file, ns=(1, 1))
        return read(self, count)

    monkeypatch.setattr(send_file._Body, "read", disturbed)
    ran = imported(file)
    assert ran.error.startswith("The file changed while it was read, so its import was cancelled.")
    run_all()
    assert not any(model.objects.exists() for model in (Iso, Upload, Reservation))


def test_a_disk_that_breaks_is_said_and_gone_on_with(imported, file, monkeypatch):
    class Broken(io.FileIO):
        def read(self, size=-1):
            raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "open", lambda self: Broken(self.path))
        ran = imported(file)
    assert "can't be read to its end: Input/output error. Check its disk" in ran.error
    assert imported(file).error == ""


def test_what_is_no_iso_leaves_nothing(imported, tmp_path):
    (tmp_path / "zip.iso").write_bytes(b"PK\x03\x04" + bytes(70_000))
    (tmp_path / "half.iso").write_bytes(image()[:200_000])
    (tmp_path / "empty.iso").touch()
    os.mkfifo(tmp_path / "pipe.iso")
    sentences = {
        "zip.iso": "not an ISO image", "half.iso": "incomplete", "empty.iso": "an empty file", "pipe.iso": "not a file",
        "": "is not a file",
    }  # fmt: skip
    for name, sentence in sentences.items():
        assert sentence in imported(tmp_path / name).error
    assert nothing_there()


def test_a_checksum_of_a_file(imported, file):
    wrong = imported(file, "--checksum", "0" * 64)
    assert "SHA-256" in wrong.error
    assert Replica.objects.get().state == ReplicaState.FAILED
    (file.parent / "SUMS").write_text(f"{sha256(image())} *local-image.iso\n")
    assert imported(file, "--checksum", file.parent / "SUMS").error == ""
    assert Replica.objects.get().state == ReplicaState.READY


def test_a_failed_file_that_was_downloaded_again(imported, file, zone_a):
    right = sha256(image())
    damaged = bytearray(image())
    damaged[200_000] ^= 1
    file.write_bytes(damaged)
    assert "SHA-256" in imported(file, "--checksum", right).error
    file.write_bytes(image())
    os.utime(file, ns=(2, 2))
    ran = imported(file, "--checksum", right)
    assert (ran.error, stored(Iso.objects.get(), zone_a) == image()) == ("", True)
    assert "already there" in imported(file, "--checksum", right).out


def test_a_checksum_of_another_kind_is_compared_before(imported, file):
    assert "SHA-512" in imported(file, "--checksum", "0" * 128).error
    assert nothing_there()
    assert imported(file, "--checksum", hashlib.sha512(image()).hexdigest()).error == ""
    assert Iso.objects.get().expected_sha256 == sha256(image())


def test_a_checksum_file_beside_it_is_found(imported, file):
    (file.parent / "SHA256SUMS").write_text(f"{'0' * 64}  local-image.iso\n")
    assert "SHA-256" in imported(file).error
    (file.parent / "SHA256SUMS").unlink()
    (file.parent / "local-image.iso.sha256").write_text(f"{sha256(image())}\n")
    assert imported(file).error == ""


def test_a_checksum_file_on_the_web_goes_through_the_guard(imported, site, file):
    site.routes["/SUMS"] = lambda request: request.answer(f"{sha256(image())}  local-image.iso\n".encode())
    assert imported(file, "--checksum", "http://127.0.0.1/SUMS").error.startswith(
        "The checksum file could not be read."
    )
    assert imported(file, "--checksum", site.url("/SUMS")).error == ""
    assert Iso.objects.get().expected_sha256 == sha256(image())


def test_a_browsers_upload_is_left_to_the_browser(imported, file, owner, zone_a):
    new = NewIso(name="local-image", zone=zone_a, source_name="local-image.iso")
    start_upload(Actor(owner), new, size=len(image()))
    assert "has an ISO “local-image” already" in imported(file).error
    assert Upload.objects.get().offset == 0


def test_a_users_import_of_the_same_address_is_joined(imported, site, owner, zone_a):
    import_url(Actor(owner), NewIso(name="Mine", zone=zone_a), url=site.url("/image-0.iso"))
    ran = imported(site.url("/image-0.iso"))
    assert "Mine: import into zone-a is under way already." in ran.err
    assert UrlImport.objects.get().user == owner


def test_a_user_is_not_shown_the_operators_signed_checksum_file(imported, site, owner, zone_a):
    import_url(Actor(owner), NewIso(name="Theirs", zone=zone_a), url=site.url("/image-0.iso"), checksum="0" * 64)
    run_all()
    signed = site.url("/sums?signature=operators-own")
    assert "checksum file" in imported(site.url("/image-0.iso"), "--checksum", signed).error
    client = Client()
    client.force_login(owner)
    page = client.get(f"/isos/{Iso.objects.get().public_id}/source/")
    assert page.status_code == 200
    assert "operators-own" not in page.content.decode()


def test_after_it_was_deleted_it_is_imported_again(imported, site, owner):
    imported(site.url("/image-0.iso"))
    iso = Iso.objects.get()
    delete_from_zones(Actor(owner), iso, iso.replicas.all(), confirmation="confirm")
    run_all()
    assert ": ready," in imported(site.url("/image-0.iso")).out


# --- real workers ---


@pytest.mark.processes
@pytest.mark.xdist_group("processes")
def test_three_from_a_list_by_real_workers(tmp_path):
    site = Site()
    for number in range(2):
        site.routes[f"/image-{number}.iso"] = File(image(number))
    (tmp_path / "third.iso").write_bytes(image(2))
    (tmp_path / "list").write_text(f"{site.url('/image-0.iso')}\n{site.url('/image-1.iso')} Second\nthird.iso\n")
    allowed = {"IMPORT_ALLOWED_NETWORKS": f"{site.host}/32", "IMPORT_PORTS": str(site.port)}
    command = [sys.executable, "manage.py", "import_iso", "--list", str(tmp_path / "list")]
    command += ["--account", "Demo", "--zone", "zone-a", "--format", "json"]
    with portal(tmp_path / "data", **allowed) as running:
        running.ready()
        first, second = (
            subprocess.run(command, cwd=ROOT, env=running.environment, capture_output=True, text=True, timeout=120)
            for _ in range(2)
        )
        digests = query(running, "SELECT name, sha256 FROM isos_iso ORDER BY name")
        operations = query(running, "SELECT COUNT(*) FROM isos_operation")
    site.close()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert [each["result"] for each in json.loads(first.stdout)] == ["ready"] * 3
    assert [each["result"] for each in json.loads(second.stdout)] == ["already there"] * 3
    assert digests == [("Second", sha256(image(1))), ("image-0", sha256(image(0))), ("third", sha256(image(2)))]
    assert operations == [(3,)]


# --- what is drawn ---


def moment(**fields):
    return Moment(
        **({"name": "Debian 13", "phase": "Receiving", "done": 1_180_000_000, "total": 3_080_000_000} | fields)
    )


def test_the_bar():
    line = bar_line(moment(others=2), 85_200_000, 120)
    assert line == (
        "Debian 13  Receiving  [#########---------------]  38%, 1.18 GB of 3.08 GB  85.2 MB/s  22 s left  (2 more)"
    )
    assert bar_line(moment(total=None), 0, 120) == "Debian 13  Receiving  1.18 GB"
    assert bar_line(moment(phase="Queued", done=0, total=None), 0, 120) == "Debian 13  Queued"
    assert "2 h 7 min left" in bar_line(moment(), 250_000, 120)


@pytest.mark.parametrize("columns", [20, 40, 60, 79, 100])
@pytest.mark.parametrize("name", ["Debian 13", "漢字の画像" * 9, "x" * 120])
def test_the_bar_fits_the_terminal(columns, name):
    line = bar_line(moment(name=name), 85_200_000, columns)
    assert sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in line) <= columns


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now():
    """A clock that the test turns."""
    return [0.0]


def test_the_bar_is_drawn_ten_times_a_second_and_tells_the_speed(now):
    terminal = Terminal()
    bar = Bar(terminal, lambda: now[0])
    for tick in range(101):
        now[0] = tick / 100
        bar.show(moment(done=tick * 1_000_000))
    drawn = terminal.getvalue().split("\r\x1b[K")[1:]
    assert 10 <= len(drawn) <= 11
    assert "100 MB/s" in drawn[-1]
    bar.say("Done.")
    assert terminal.getvalue().endswith("\r\x1b[KDone.\n")


def test_the_speed_begins_anew_with_each_phase(now):
    speed = Speed(lambda: now[0])
    for tick, (about, done) in enumerate([("a", 0), ("a", 10), ("b", 0), ("b", 50), ("b", 20), ("b", 21)]):
        now[0] = float(tick)
        speed.note(about, done)
    assert speed.per_second == 1.0
    for tick in range(6, 100):
        now[0] = float(tick)
        speed.note("b", 21 + (tick - 5) * 7)
    assert speed.per_second == 7.0


def test_without_a_terminal_a_line_now_and_then(now):
    log = io.StringIO()
    lines = display_on(log)
    lines._clock = lambda: now[0]
    for tick in range(61):
        now[0] = float(tick)
        lines.show(moment(done=tick * 10_000_000, total=1_000_000_000))
    lines.show(moment(phase="Verifying", done=0))
    lines.close()
    assert log.getvalue().splitlines() == [
        "Debian 13: receiving",
        "Debian 13: receiving, 30%, 300 MB of 1.00 GB",
        "Debian 13: receiving, 60%, 600 MB of 1.00 GB",
        "Debian 13: verifying",
    ]


def test_on_a_terminal_the_bar_moves_and_goes(imported, site, pauses, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    pauses.insert(0, lambda: None)
    terminal = Terminal()
    call_command("import_iso", site.url("/image-0.iso"), stdout=io.StringIO(), stderr=terminal)
    assert "Queued" in terminal.getvalue()
    assert terminal.getvalue().endswith("image-0: ready in zone-a.\n")
    assert "\x1b[3" not in terminal.getvalue()  # no colour of an error

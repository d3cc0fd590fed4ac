"""From an address to Ready, over lines that break, with servers that lie, and through crashes."""

import hashlib
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from isos.actions.delete_from_zones import cancel
from isos.actions.retry import retry
from isos.errors import NameTaken
from isos.fetching.errors import BadChecksum, BadUrl, RefusedAddress
from isos.models import Event, Iso, Operation, Replica, UrlImport
from isos.operations import engine, receiving
from isos.operations.sweep import sweep
from isos.states import OperationState, ReplicaState
from portal.kernel.errors import InvalidInput
from quotas.errors import OverQuota
from quotas.models import QuotaLimit, Reservation
from quotas.usage import usage_of
from tests import media
from tests.isos.conftest import run_all
from tests.isos.fetching.importing import PATH, attempt, downloads, is_ready, nothing_left
from tests.isos.fetching.site import File
from zones.models import Zone
from zones.stores.files import FileStaged

pytestmark = pytest.mark.usefixtures("operator")


# --- starting ---


def test_rows_quota_and_operation_in_one(begin, site, account, zone_a):
    url_import = begin("/get/a.iso?token=secret", size=1234, description="From the mirror")
    iso, replica = Iso.objects.get(), Replica.objects.get()
    assert (iso.source, iso.size, iso.source_name) == (Iso.Source.URL, 1234, "a.iso")
    assert replica.state == ReplicaState.QUEUED
    operation = Operation.objects.get()
    assert (operation.kind, operation.state) == (Operation.Kind.FETCH, OperationState.QUEUED)
    reservation = Reservation.objects.get()
    assert (reservation.source, reservation.state, reservation.bytes) == ("fetch", "held", 1234)
    assert url_import.shown_url == site.url("/get/a.iso?token=…")
    event = Event.objects.get()
    assert (event.verb, event.data) == ("import_started", {"url": site.url("/get/a.iso?token=…")})
    assert site.connections == 0


def test_the_address_is_encrypted_at_rest(begin):
    from django.db import connection

    begin("/a.iso?token=topsecret", checksum="https://mirror.example/SUMS?key=topsecret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM isos_urlimport")
        assert "topsecret" not in str(cursor.fetchall())
    assert "topsecret" in UrlImport.objects.get().url


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"url": "ftp://mirror.example/a.iso"}, BadUrl),
        ({"url": "http://127.0.0.1/a.iso"}, RefusedAddress),
        ({"url": "http://mirror.example:22/a.iso"}, RefusedAddress),
        ({"url": "https://user:secret@mirror.example/a.iso"}, BadUrl),
        ({"checksum": "abc"}, BadChecksum),
        ({"checksum": "http://10.0.0.1/SHA256SUMS"}, BadChecksum),
        ({"size": 10**15}, OverQuota),
        ({"name": "taken"}, NameTaken),
        ({"is_featured": True}, InvalidInput),
    ],
)
def test_what_is_refused_leaves_nothing(begin, account, fields, error):
    Iso.objects.create(account=account, name="Taken")
    with pytest.raises(error) as caught:
        begin(**fields)
    assert Replica.objects.count() == Operation.objects.count() == Reservation.objects.count() == 0
    assert Event.objects.exclude(verb="refused").count() == UrlImport.objects.count() == 0
    assert Iso.objects.count() == 1
    assert "secret" not in caught.value.message


def test_a_zone_that_takes_nothing(begin, zone_a):
    Zone.objects.update(state=Zone.State.MAINTENANCE)
    zone_a.refresh_from_db()
    with pytest.raises(InvalidInput):
        begin()
    assert Iso.objects.count() == Reservation.objects.count() == 0


# --- the straight way ---


def test_an_image_becomes_ready(begin, site, image, zone_a):
    site.routes[PATH] = File(image)
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert len(downloads(site)) == 1
    assert Iso.objects.get().inspection["volume_label"] == "FETCHED"
    assert [event.verb for event in Event.objects.order_by("id")] == ["import_started", "ready"]
    url_import = UrlImport.objects.get()
    assert not url_import.url  # what is Ready needs no source, and no credential that was in it
    assert url_import.shown_url == site.url()


SERVERS = {
    "no ranges": lambda data: File(data, ranges=False),
    "no validators": lambda data: File(data, etag=None),
    "no length": lambda data: File(data, declare=False, ranges=False, etag=None),
    "a weak ETag": lambda data: File(data, etag='W/"v1"'),
    "a wrong type": lambda data: File(data, headers={"Content_Type": "text/html"}),
}


@pytest.mark.parametrize("case", SERVERS)
@pytest.mark.parametrize("size", [None, 1000, 10**9])
def test_servers_of_all_kinds(begin, site, image, zone_a, case, size):
    """What the check said of the size may be wrong too."""
    site.routes[PATH] = SERVERS[case](image)
    begin(size=size)
    run_all()
    assert is_ready(image, zone_a)


def test_a_store_that_shows_bytes_only_once_they_are_committed(begin, site, image, zone_a, monkeypatch):
    monkeypatch.setattr("zones.stores.files.FileStaged.open", lambda staged: None)
    site.routes[PATH] = File(image)
    begin()
    run_all()
    assert is_ready(image, zone_a)


# --- lines that break ---


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_break_at_every_quarter_is_gone_on_from(begin, site, image, zone_a, quarter):
    at = len(image) * quarter // 4
    site.routes[PATH] = File(image, cuts=[at])
    begin()
    run_all()
    assert is_ready(image, zone_a)
    second = downloads(site)[1]
    assert second.headers["range"] == f"bytes={at}-"
    assert second.headers["if-range"] == '"v1"'
    assert Operation.objects.get().attempt == 1


def test_many_breaks_as_long_as_it_gets_further(begin, site, image, zone_a):
    step = len(image) // 12
    site.routes[PATH] = File(image, cuts=[step * n for n in range(1, 12)])
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert len(downloads(site)) == 12


def test_a_line_that_never_gets_further_waits_in_the_queue(begin, site, image):
    at = len(image) // 2
    site.routes[PATH] = File(image, cuts=[at] * 100)
    begin()
    operation = attempt()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_broken")
    assert len(downloads(site)) == receiving.MAX_FAILURES


def test_bounded_attempts_and_then_a_retry_that_goes_on(begin, site, image, zone_a, actor, settings):
    settings.OPERATION_MAX_ATTEMPTS = 2
    at = len(image) // 2
    site.routes[PATH] = File(image, cuts=[at] * 100)
    begin()
    attempt()
    operation = attempt()
    replica = Replica.objects.get()
    assert (operation.state, replica.state) == (OperationState.FAILED, ReplicaState.FAILED)
    assert "broke" in replica.error_message
    assert Reservation.objects.get().bytes == len(image)  # what is staged is kept, and paid for
    site.routes[PATH] = File(image)
    retry(actor, replica)
    run_all()
    assert is_ready(image, zone_a)
    assert site.requests[-1].headers["range"] == f"bytes={at}-"


def test_without_ranges_a_break_means_to_start_over(begin, site, image, zone_a):
    site.routes[PATH] = File(image, ranges=False, cuts=[len(image) // 2])
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert UrlImport.objects.get().restarts == 1


def test_without_ranges_it_does_not_go_on_for_ever(begin, site, image):
    site.routes[PATH] = File(image, ranges=False, cuts=[len(image) // 2] * 100)
    begin()
    assert attempt().error_code == "source_broken"
    assert len(downloads(site)) == receiving.MAX_FAILURES


def test_breaks_at_random_without_ranges_do_not_go_on_for_ever(begin, site, image):
    """Further than the last time is not further than ever before."""
    site.routes[PATH] = File(image, ranges=False, cuts=[len(image) // 2, len(image) // 4] * 20)
    begin()
    assert attempt().error_code == "source_broken"
    assert len(downloads(site)) == receiving.MAX_FAILURES


def test_a_server_that_sends_less_than_was_asked_for(begin, site, image, zone_a):
    """It may (RFC 9110, 15.3.7), and then the rest is asked for."""
    first = File(image, cuts=[300_000])

    def modest(request):
        start, _ = request.range
        if start is None:
            first(request)
            return
        request.headers["range"] = f"bytes={start}-{start + 299_999}"
        File(image)(request)

    site.routes[PATH] = modest
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert len(downloads(site)) == -(-len(image) // 300_000)


# --- a source that changes ---


@pytest.mark.parametrize("honour_if_range", [True, False])
def test_a_change_in_between_starts_over(begin, site, image, zone_a, honour_if_range):
    other = media.iso("OTHER", bios=True, padding=2_000_000)
    first = File(image, cuts=[len(image) // 2])
    second = File(other, etag='"v2"', honour_if_range=honour_if_range)
    site.routes[PATH] = lambda request: (second if len(downloads(site)) > 1 else first)(request)
    begin()
    run_all()
    assert is_ready(other, zone_a)
    assert UrlImport.objects.get().restarts == 1


def test_the_checksum_is_read_again_with_a_changed_source(begin, site, image, zone_a):
    """A new release at the same address, and its new SHA256SUMS beside it."""
    other = media.iso("OTHER", bios=True, padding=2_000_000)

    def now():
        return image if len(downloads(site)) < 2 else other

    def image_file(request):
        if len(downloads(site)) == 1:
            File(image, cuts=[len(image) // 2])(request)
        else:
            File(other, etag='"v2"')(request)

    site.routes[PATH] = image_file
    site.routes["/SHA256SUMS"] = lambda request: request.answer(
        f"{hashlib.sha256(now()).hexdigest()}  image.iso\n".encode()
    )
    begin()
    run_all()
    assert is_ready(other, zone_a)
    assert UrlImport.objects.get().checksum == f"sha256:{hashlib.sha256(other).hexdigest()}"


def test_a_source_that_always_changes_is_given_up(begin, site, image, zone_a):
    def changing(request):
        File(image, etag=f'"v{len(site.requests)}"', cuts=[len(image) // 2])(request)

    site.routes[PATH] = changing
    begin()
    run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "source_changing")
    assert nothing_left(zone_a)


def test_a_file_that_grows_while_it_is_read(begin, site, image, zone_a):
    """What was declared is what is read; the rest is another version, and is noticed."""
    grown = image + bytes(2048)

    def growing(request):
        file = File(image, cuts=[len(image) // 2]) if len(downloads(site)) == 1 else File(grown, honour_if_range=False)
        file(request)

    site.routes[PATH] = growing
    begin()
    run_all()
    assert is_ready(grown, zone_a)


# --- lies and refusals ---


def page(body, status="200 OK", **headers):
    return lambda image: lambda request: request.answer(body, status, **({"Content_Type": "text/html"} | headers))


FINAL = {
    "shorter than claimed by itself": (lambda image: File(image[: len(image) // 2], etag=None), "truncated"),
    "claims less than it sends": (lambda image: File(image, claim=len(image) // 2), "truncated"),
    "html": (page(media.WEB_PAGE), "source_page"),
    "sign-in": (page(b"<!DOCTYPE html><html><input type=password></html>"), "source_private"),
    "gzip": (page(b"\x1f\x8b", Content_Encoding="gzip"), "source_encoded"),
    "missing": (page(b"", "404 Not Found"), "source_missing"),
    "forbidden": (page(b"", "403 Forbidden"), "source_private"),
    "qcow2": (lambda image: File(media.QCOW2 + bytes(200_000)), "not_an_iso"),
    "empty": (lambda image: File(b""), "source_empty"),
}


@pytest.mark.parametrize("case", FINAL)
def test_what_can_not_heal_is_tried_once(begin, site, image, zone_a, case):
    make, code = FINAL[case]
    site.routes[PATH] = make(image)
    begin()
    run_all()
    replica, operation = Replica.objects.get(), Operation.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, code)
    assert (operation.state, operation.attempt) == (OperationState.FAILED, 1)
    assert len(downloads(site)) == 1
    assert nothing_left(zone_a)


def test_more_is_claimed_than_ever_comes(begin, site, image):
    site.routes[PATH] = File(image, claim=len(image) + 1000, ranges=False)
    begin()
    operation = attempt()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_broken")


def test_a_refused_address_behind_a_redirect(begin, site, trap, zone_a):
    site.routes[PATH] = lambda request: request.answer(status="302 Found", Location=f"http://127.0.0.1:{trap.port}/")
    begin()
    run_all()
    assert Replica.objects.get().error_code == "refused_address"
    assert not trap.was_contacted()


def test_too_large_by_declaration_and_by_bytes(begin, site, image, account, zone_a):
    QuotaLimit.objects.create(account=account, max_iso_bytes=len(image) - 1)
    for number, declare in enumerate((True, False)):
        site.routes[PATH] = File(image, declare=declare, ranges=False)
        begin(name=f"Image {number}")
        run_all()
        replica = Replica.objects.latest("id")
        assert (replica.state, replica.error_code) == (ReplicaState.FAILED, "source_too_large")
    assert nothing_left(zone_a)


@pytest.mark.parametrize("declare", [True, False])
def test_over_quota_shows_when_the_size_does(begin, site, image, account, zone_a, declare, monkeypatch):
    monkeypatch.setattr(receiving, "STEP_BYTES", 100_000)
    QuotaLimit.objects.create(account=account, max_bytes=len(image) - 1)
    site.routes[PATH] = File(image, declare=declare, ranges=False)
    begin()
    run_all()
    assert Replica.objects.get().error_code == "over_quota"
    assert nothing_left(zone_a)
    assert usage_of(account).bytes == 0


def test_no_byte_is_stored_that_quota_does_not_hold(begin, site, image, account, zone_a, monkeypatch):
    monkeypatch.setattr(receiving, "STEP_BYTES", 100_000)
    QuotaLimit.objects.create(account=account, max_bytes=1_200_000)
    offsets = []
    append = FileStaged.append

    def watched(staged, chunk):
        append(staged, chunk)
        offsets.append(staged.offset)
        assert staged.offset <= Reservation.objects.get().bytes

    monkeypatch.setattr(FileStaged, "append", watched)
    site.routes[PATH] = File(image, declare=False, ranges=False)
    begin()
    run_all()
    assert Replica.objects.get().error_code == "over_quota"
    assert 0 < max(offsets) <= 1_200_000


def test_an_unknown_size_may_use_the_quota_to_its_last_byte(begin, site, image, account, zone_a):
    QuotaLimit.objects.create(account=account, max_bytes=len(image), max_iso_bytes=len(image))
    site.routes[PATH] = File(image, declare=False, ranges=False)
    begin()
    run_all()
    assert is_ready(image, zone_a)


# --- servers that ask to wait ---


def busy_once(image, status, **headers):
    answers = [lambda request: request.answer(b"later", status, **headers)]
    return lambda request: (answers.pop() if answers else File(image))(request)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_short_wait_is_waited(begin, site, image, zone_a, status):
    site.routes[PATH] = busy_once(image, status, Retry_After="1")
    begin()
    began = time.monotonic()
    run_all()
    assert time.monotonic() - began >= 1
    assert is_ready(image, zone_a)


def test_a_long_wait_is_waited_in_the_queue(begin, site, image):
    site.routes[PATH] = busy_once(image, "503 Service Unavailable", Retry_After="900")
    begin()
    operation = attempt()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_busy")
    assert operation.not_before > timezone.now() + timedelta(seconds=800)


# --- slow ones ---


def test_a_trickle_is_given_up_for_now(begin, site, image, settings, monkeypatch):
    monkeypatch.setattr(receiving, "PROGRESS_BYTES", 1000)
    settings.IMPORT_SLOW_SECONDS = 0.5
    settings.IMPORT_SLOW_BYTES_PER_SECOND = 10_000

    def trickle(request):
        start = request.range[0] or 0
        request.head("206 Partial Content", Content_Range=f"bytes {start}-{len(image) - 1}/{len(image)}", ETag='"v1"')
        for at in range(start, len(image)):
            request.send(image[at : at + 1])
            request.wait(0.1)

    first = File(image, cuts=[100_000])
    site.routes[PATH] = lambda request: (trickle if request.range[0] else first)(request)
    begin()
    operation = attempt()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_slow")


def test_silence_keeps_the_lease_and_hears_a_cancel(begin, site, image, actor, settings, monkeypatch, zone_a):
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(receiving, "BEAT_SECONDS", 0.05)
    settings.IMPORT_READ_SECONDS = 30
    silent = threading.Event()

    def silence(request):
        request.head(Content_Length=len(image), ETag='"v1"')
        request.send(image[:100_000])
        silent.set()
        request.wait()

    site.routes[PATH] = silence
    begin()
    beats = []
    renew = engine.Job.progress

    def progress(job, done):
        beats.append(done)
        if silent.is_set() and len(beats) > 5 and Replica.objects.get().state != ReplicaState.DELETING:
            cancel(actor, Iso.objects.get())
        renew(job, done)

    monkeypatch.setattr(engine.Job, "progress", progress)
    began = time.monotonic()
    run_all()
    assert time.monotonic() - began < 15
    assert Iso.objects.count() == 0
    assert nothing_left(zone_a)


# --- crashes ---


class Died(BaseException):
    """A worker that is killed: nothing of it is cleaned up."""


def die(*args, **kwargs):
    raise Died


@contextmanager
def dying(monkeypatch, place, *names):
    with monkeypatch.context() as broken:
        broken.setattr(place, *names, die)
        yield


def run_again():
    Operation.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))
    engine.run(Operation.objects.get().pk)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_worker_killed_while_it_receives(begin, site, image, zone_a, monkeypatch, quarter):
    """Another one goes on from what is durable, and hashes that again."""
    at = len(image) * quarter // 4
    site.routes[PATH] = File(image, cuts=[at])
    begin()
    with dying(monkeypatch, receiving.Transfer, "_pause_after"), pytest.raises(Died):
        attempt()
    assert Replica.objects.get().state == ReplicaState.RECEIVING
    run_again()
    assert is_ready(image, zone_a)
    assert downloads(site)[1].headers["range"] == f"bytes={at}-"


def test_the_same_where_staged_bytes_can_not_be_read(begin, site, image, zone_a, monkeypatch):
    """Then the whole is read after the commit, before the replica is Ready."""
    monkeypatch.setattr("zones.stores.files.FileStaged.open", lambda staged: None)
    site.routes[PATH] = File(image, cuts=[len(image) // 2])
    begin()
    with dying(monkeypatch, receiving.Transfer, "_pause_after"), pytest.raises(Died):
        attempt()
    run_again()
    assert is_ready(image, zone_a)
    assert "range" in downloads(site)[1].headers


def test_staged_bytes_that_were_damaged_meanwhile(begin, site, image, zone_a, monkeypatch):
    """The digest is that of what is stored, not of what once came."""
    site.routes[PATH] = File(image, cuts=[len(image) // 2])
    begin(checksum=hashlib.sha256(image).hexdigest())
    with dying(monkeypatch, receiving.Transfer, "_pause_after"), pytest.raises(Died):
        attempt()
    (staged,) = (path for path in _folder(zone_a).glob(".staging/*") if path.is_file())
    with staged.open("r+b") as file:
        file.seek(500_000)
        file.write(b"damaged")
    run_again()
    assert Replica.objects.get().error_code == "checksum_mismatch"
    assert nothing_left(zone_a)


def _folder(zone):
    from pathlib import Path

    return Path(zone.options["location"])


@pytest.mark.parametrize(
    "place",
    [
        "isos.operations.runners.fetch.inspect_and_commit",
        "isos.operations.verifying.inspection.inspect",
        "zones.stores.files.FileStaged.commit",
        "isos.operations.runners.fetch.publish",
        "isos.operations.runners.fetch.open_store",
        "isos.operations.receiving.Transfer._begin",
        "isos.operations.receiving.Transfer._flush",
    ],
)
def test_a_crash_at_any_other_step(begin, site, image, zone_a, monkeypatch, place):
    site.routes[PATH] = File(image)
    begin()
    with dying(monkeypatch, place), pytest.raises(Died):
        attempt()
    run_again()
    assert is_ready(image, zone_a)


def test_all_bytes_there_already_means_no_request(begin, site, image, zone_a, monkeypatch):
    site.routes[PATH] = File(image)
    begin()
    with dying(monkeypatch, "isos.operations.runners.fetch.inspect_and_commit"), pytest.raises(Died):
        attempt()
    before = len(site.requests)
    run_again()
    assert is_ready(image, zone_a)
    assert len(site.requests) == before


def test_a_stolen_job_writes_nothing_more(begin, site, image, monkeypatch):
    site.routes[PATH] = File(image)
    begin()
    monkeypatch.setattr(engine, "BEAT_SECONDS", 0)
    feed = receiving.CheckedStream.feed

    def stolen(stream, chunk):
        Operation.objects.update(lease_token="00000000-0000-4000-8000-000000000000")
        feed(stream, chunk)

    monkeypatch.setattr(receiving.CheckedStream, "feed", stolen)
    attempt()
    assert Operation.objects.get().state == OperationState.RUNNING
    assert Replica.objects.get().state == ReplicaState.RECEIVING
    assert Iso.objects.get().sha256 == ""


# --- checksums ---


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1", "md5"])
def test_a_given_digest(begin, site, image, zone_a, algorithm):
    site.routes[PATH] = File(image, cuts=[len(image) // 3])
    begin(checksum=hashlib.new(algorithm, image).hexdigest())
    run_all()
    assert is_ready(image, zone_a)
    assert UrlImport.objects.get().checksum_origin == "digest"
    assert site.paths() == [PATH, PATH]  # nothing is looked for


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1", "md5"])
def test_a_given_digest_that_does_not_match(begin, site, image, zone_a, algorithm):
    site.routes[PATH] = File(image)
    begin(checksum=hashlib.new(algorithm, b"other").hexdigest())
    run_all()
    replica = Replica.objects.get()
    assert replica.error_code == "checksum_mismatch"
    assert {"sha256": "SHA-256", "sha512": "SHA-512", "sha1": "SHA-1", "md5": "MD5"}[algorithm] in replica.error_message
    assert nothing_left(zone_a)


def test_a_given_sha256_is_shown_as_given(begin, image):
    digest = hashlib.sha256(image).hexdigest()
    begin(checksum=f"SHA256:{digest.upper()}")
    assert Iso.objects.get().expected_sha256 == digest


def test_a_given_checksum_file(begin, site, image, zone_a):
    site.routes[PATH] = File(image)
    site.routes["/sums?key=1"] = File(f"{hashlib.sha512(image).hexdigest()}  image.iso\n".encode())
    begin(checksum=site.url("/sums?key=1"))
    run_all()
    assert is_ready(image, zone_a)
    url_import = UrlImport.objects.get()
    assert url_import.checksum == f"sha512:{hashlib.sha512(image).hexdigest()}"
    assert (url_import.checksum_origin, url_import.shown_checksum_url) == ("file", site.url("/sums?key=…"))
    assert not url_import.checksum_url


def test_a_given_checksum_file_without_the_image(begin, site, image, zone_a):
    site.routes[PATH] = File(image)
    site.routes["/sums"] = File(f"{'0' * 64}  other.iso\n".encode())
    begin(checksum=site.url("/sums"))
    run_all()
    replica = Replica.objects.get()
    assert replica.error_code == "bad_checksum"
    assert "image.iso" in replica.error_message
    assert nothing_left(zone_a)


def test_the_publishers_checksum_is_found(begin, site, image, zone_a):
    site.routes[PATH] = File(image)
    site.routes["/SHA256SUMS"] = File(f"{hashlib.sha256(image).hexdigest()} *image.iso\n".encode())
    begin()
    run_all()
    assert is_ready(image, zone_a)
    url_import = UrlImport.objects.get()
    assert (url_import.checksum_origin, url_import.shown_checksum_url) == ("found", site.url("/SHA256SUMS"))


def test_the_publishers_checksum_does_not_match_and_retry_reads_it_again(begin, site, image, zone_a, actor):
    site.routes[PATH] = File(image)
    site.routes["/SHA256SUMS"] = File(f"{'0' * 64} *image.iso\n".encode())
    begin()
    run_all()
    assert Replica.objects.get().error_code == "checksum_mismatch"
    assert nothing_left(zone_a)
    site.routes["/SHA256SUMS"] = File(f"{hashlib.sha256(image).hexdigest()} *image.iso\n".encode())
    retry(actor, Replica.objects.get())
    run_all()
    assert is_ready(image, zone_a)


def test_computed_and_not_compared(begin, site, image, zone_a):
    site.routes[PATH] = File(image)
    begin()
    run_all()
    assert is_ready(image, zone_a)
    url_import = UrlImport.objects.get()
    assert (url_import.checksum, url_import.checksum_origin, url_import.checksum_sought) == ("", "", True)


# --- afterwards ---


def test_retry_after_a_final_failure_starts_anew(begin, site, image, zone_a, actor):
    begin()
    run_all()
    assert Replica.objects.get().error_code == "source_missing"
    assert not Reservation.objects.exists()
    site.routes[PATH] = File(image)
    retry(actor, Replica.objects.get())
    run_all()
    assert is_ready(image, zone_a)


def test_kept_bytes_nobody_retries_expire(begin, site, image, zone_a, settings, actor):
    settings.OPERATION_MAX_ATTEMPTS = 1
    site.routes[PATH] = File(image, cuts=[len(image) // 2] * 9)
    begin()
    attempt()
    assert sweep()["expired"] == 0
    assert Reservation.objects.exists()
    Replica.objects.update(changed_at=timezone.now() - timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS + 60))
    assert sweep()["expired"] == 1
    run_all()
    assert nothing_left(zone_a)
    assert Replica.objects.get().error_code == "import_expired"
    assert sweep()["expired"] == 0
    site.routes[PATH] = File(image)
    retry(actor, Replica.objects.get())
    run_all()
    assert is_ready(image, zone_a)


def test_cancelled_before_it_began(begin, site, actor, zone_a):
    begin()
    cancel(actor, Iso.objects.get())
    run_all()
    assert Iso.objects.count() == UrlImport.objects.count() == 0
    assert nothing_left(zone_a)
    assert site.connections == 0

"""Import from a web address: the check, the form's answers, progress, another address, and what the pages tell."""

import hashlib
import time

import pytest

from isos.actions.replace_source import replace_source
from isos.actions.retry import retry
from isos.audit import Actor
from isos.fetching.places import NoPlace, Places
from isos.models import Iso, Operation, Replica, UrlImport
from isos.states import OperationState, ReplicaState
from isos.views import importing
from portal.kernel.errors import Conflict
from quotas.models import QuotaLimit, RateUse, Reservation
from tests import media
from tests.factories import MB, make_iso
from tests.isos.conftest import run_all
from tests.isos.fetching.conftest import operator, site  # noqa: F401 -- fixtures
from tests.isos.fetching.site import File
from tests.web.conftest import HTMX, JSON, find, read
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session")
def image():
    return media.iso("IMPORTED", bios=True, padding=400_000)


@pytest.fixture(autouse=True)
def mirror(operator, site, image):  # noqa: F811
    site.routes["/image.iso"] = File(image)
    site.routes["/page"] = lambda request: request.answer(b"<!doctype html><html>", Content_Type="text/html")
    return site


@pytest.fixture
def fields(zone_a, mirror):
    return {"source": "url", "url": mirror.url(), "name": "Debian", "os_type": "linux", "zones": "zone-a"}


def check(client, url, **headers):
    return client.post("/isos/preflight/", {"url": url}, headers=headers)


def post(client, fields):
    return client.post("/isos/upload/", fields, headers=JSON)


def messages(response):
    return {error["field"]: error["message"] for error in response.json()["errors"]}


def imported(client, fields, image):
    """An ISO that went all the way."""
    assert post(client, fields).status_code == 201
    run_all()
    iso = Iso.objects.get()
    assert iso.sha256 == hashlib.sha256(image).hexdigest()
    return iso


# --- the check ---------------------------------------------------------------------------------


def test_the_verdict_for_programs(by_owner, account, mirror, image):
    answer = check(by_owner, f" {mirror.url()} ", **JSON)
    assert answer.status_code == 200
    assert answer.json() == {
        "host": mirror.host,
        "url": mirror.url(),
        "file_name": "image.iso",
        "name": "image",
        "size": len(image),
        "content_type": "application/octet-stream",
        "accepts_ranges": True,
        "resumable": True,
        "volume_label": "IMPORTED",
        "bootable": True,
        "quota": {"isos_used": 1, "isos_limit": 10, "bytes_used": len(image), "bytes_limit": 100 * 10**9},
    }
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_the_verdict_in_the_page(by_owner, mirror):
    page = read(check(by_owner, mirror.url(), **HTMX))
    (verdict,) = [node for node in page.walk() if "data-verdict" in node.attrs]
    assert verdict.attrs["data-name"] == "image"
    for words in (f"An ISO image at {mirror.host}", "IMPORTED", "Goes on where it stopped"):
        assert words in verdict.text()


def test_what_a_server_keeps_to_itself(by_owner, mirror, image):
    silent = File(image, etag=None)
    silent.ranges = silent.declare = False
    mirror.routes["/silent"] = silent
    text = read(check(by_owner, mirror.url("/silent"), **HTMX)).text()
    assert text.count("The server does not say") == 1
    assert "Starts again from the beginning" in text


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("/page", "source_page", "There is a web page at this address, not a file."),
        ("/nothing", "source_missing", "The server has no file at this address."),
    ],
)
def test_a_wrong_address_is_explained(by_owner, mirror, path, code, sentence):
    answer = check(by_owner, mirror.url(path), **JSON)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], error["code"]) == ("url", code)
    assert error["message"].startswith(sentence)
    fragment = read(check(by_owner, mirror.url(path), **HTMX), 422)
    assert sentence in fragment.by_id("url-error").text()


@pytest.mark.parametrize(
    "page",
    [
        b"<!---->" * 24 + b"x",  # how many ways are there to part it into comments?
        b"<!doctype html>" + b"<input" * 10_000,
        b"<!doctype html>" + b"<input" * 5_000 + b"type" + b" " * 30_000,
    ],
    ids=["comments", "inputs", "inputs and spaces"],
)
def test_a_page_that_is_made_to_be_hard_to_read_holds_nobody_up(by_owner, mirror, page):
    """Matching lets no other thread run: what took seconds here took them from everybody."""
    mirror.routes["/hard"] = lambda request: request.answer(page)
    began = time.process_time()
    assert check(by_owner, mirror.url("/hard"), **JSON).status_code == 422
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "said",
    [
        "attachment; filename*=nothing''image.iso",
        "attachment; filename*=idna''image.iso",
        "attachment; filename*0*=a''b; filename*1=c; filename*=d",
        "attachment; filename=\x00",
    ],
)
def test_a_name_that_can_not_be_read_is_none(by_owner, fields, mirror, image, said):
    mirror.routes["/image.iso"] = File(image, headers={"Content_Disposition": said})
    answer = check(by_owner, mirror.url(), **JSON)
    assert (answer.status_code, answer.json()["file_name"]) == (200, "image.iso")
    imported(by_owner, fields, image)


@pytest.mark.parametrize("location", ["/\udcff", "http://[::1", "//", "\udcc3\udca4"])
def test_a_redirect_to_what_is_no_address(by_owner, mirror, location):
    def answer(request):
        request.send(b"HTTP/1.1 302 Found\r\nLocation: " + location.encode("utf-8", "surrogateescape"))
        request.send(b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    mirror.routes["/leads"] = answer
    said = check(by_owner, mirror.url("/leads"), **JSON)
    assert said.status_code == 422
    assert messages(said)["url"]


@pytest.mark.parametrize("url", ["", "image.iso", "ftp://example.org/a.iso", "http://127.0.0.1/image.iso"])
def test_an_address_that_is_never_asked(by_owner, mirror, url):
    answer = check(by_owner, url, **JSON)
    assert answer.status_code == 422
    assert messages(answer)["url"]
    assert not mirror.requests
    assert not RateUse.objects.exists(), "a typing error costs nothing"


def test_no_room_is_said_with_the_numbers(by_owner, account, mirror, image):
    QuotaLimit.objects.create(account=account, max_bytes=len(image) - 1)
    assert "is free" in messages(check(by_owner, mirror.url(), **JSON))["url"]


def test_no_more_checks_than_the_account_may_have(by_owner, as_user, teammate, stranger, settings, mirror, fields):
    settings.IMPORT_CHECKS_PER_MINUTE = 2
    assert check(by_owner, mirror.url(), **JSON).status_code == 200
    assert check(as_user(teammate), mirror.url(), **JSON).status_code == 200
    asked = len(mirror.requests)
    answer = check(by_owner, mirror.url(), **JSON)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert messages(answer)["url"].startswith("Your account did this very often just now.")
    assert "very often" in read(check(by_owner, mirror.url(), **HTMX), 422).text()
    assert "very often" in messages(post(by_owner, fields))["url"], "Upload checks too"
    assert len(mirror.requests) == asked
    assert not Iso.objects.exists()
    assert check(as_user(stranger), mirror.url(), **JSON).status_code == 200, "another account's own"


def test_retry_counts_as_a_check(by_owner, settings, failed, mirror):
    """It contacts the server as well: pressed by a script it would know no bounds."""
    settings.IMPORT_CHECKS_PER_MINUTE = RateUse.objects.get().used + 1
    for sentence in ("Trying “Debian” in zone-a again.", "Your account did this very often just now."):
        answer = by_owner.post(f"/isos/{failed.public_id}/retry/", follow=True)
        assert sentence in read(answer).text()
        run_all()
    asked = len(mirror.requests)
    assert Iso.objects.get().state == "Failed"
    by_owner.post(f"/isos/{failed.public_id}/retry/")
    run_all()
    assert len(mirror.requests) == asked


def test_silent_servers_do_not_take_the_portal_from_everybody(by_owner, as_user, stranger, mirror, fields, owner):
    with importing._places.take(owner.account.pk), importing._places.take(owner.account.pk):
        answer = check(by_owner, mirror.url(), **JSON)
        assert (answer.status_code, answer["Retry-After"]) == (429, "5")
        assert messages(answer)["url"].startswith("Many addresses are being checked right now.")
        assert "Many addresses" in messages(post(by_owner, fields))["url"]
        assert not mirror.requests
        assert check(as_user(stranger), mirror.url(), **JSON).status_code == 200, "another account has its own"
    assert check(by_owner, mirror.url(), **JSON).status_code == 200, "the places are free again"


def test_places_are_bounded_together_too():
    places = Places(total=3, each=2)
    with places.take(1), places.take(2), places.take(3), pytest.raises(NoPlace), places.take(4):
        pass
    with places.take(4), places.take(4), pytest.raises(NoPlace), places.take(4):
        pass
    assert not places._taken, "nobody is remembered"


def test_without_script_the_form_comes_back_as_it_was_filled_in(by_owner, zone_a, zone_b, mirror):
    typed = {"url": mirror.url(), "name": "Mine", "description": "For <b>", "zones": "zone-b", "is_public": "on"}
    page = read(by_owner.post("/isos/preflight/", typed))
    assert page.by_id("id_url").attrs["value"] == mirror.url()
    assert page.by_id("id_name").attrs["value"] == "Mine"
    assert "For <b>" in page.by_id("id_description").text()
    assert "checked" in page.by_id("id_is_public").attrs
    assert [node.attrs["value"] for node in find(page, name="zones") if "checked" in node.attrs] == ["zone-b"]
    assert [node.attrs["value"] for node in find(page, name="source") if "checked" in node.attrs] == ["url"]
    assert "hidden" in page.by_id("error-summary").attrs, "what is not filled in yet is no error"
    assert f"An ISO image at {mirror.host}" in page.text()


# --- the start ----------------------------------------------------------------------------------


def test_from_the_form_to_ready(by_owner, owner, account, fields, image):
    answer = post(by_owner, fields | {"is_extractable": "on", "description": "For builds"})
    iso = Iso.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "iso": str(iso.public_id),
        "name": "Debian",
        "detail_url": f"/isos/{iso.public_id}/",
        "progress_url": f"/isos/{iso.public_id}/progress/",
    }
    assert (iso.account, iso.created_by, iso.source, iso.size) == (account, owner, "url", len(image))
    assert (iso.source_name, iso.is_extractable, iso.description) == ("image.iso", True, "For builds")
    assert Reservation.objects.get().bytes == len(image)
    run_all()
    iso.refresh_from_db()
    assert iso.sha256 == hashlib.sha256(image).hexdigest()


def test_without_script_it_leads_to_the_progress(by_owner, fields):
    answer = by_owner.post("/isos/upload/", fields)
    assert answer.status_code == 302
    assert answer["Location"] == f"/isos/{Iso.objects.get().public_id}/progress/"


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"url": ""}, "url", "Enter the address of an ISO file."),
        ({"url": "image.iso"}, "url", "This is not a complete web address."),
        ({"url": "http://10.0.0.1/image.iso"}, "url", "This address is not on the public internet"),
        ({"name": ""}, "name", "Enter a name."),
        ({"checksum": "abc"}, "checksum", "This is not a checksum."),
        ({"checksum": "http://127.0.0.1/SHA256SUMS"}, "checksum", "The address of the checksum file can't be used."),
        ({"zones": "nowhere"}, "zones", "There is no zone “nowhere”."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(by_owner, fields, change, field, sentence):
    answer = post(by_owner, fields | change)
    assert answer.status_code == 422
    assert messages(answer)[field].startswith(sentence)
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_all_that_is_wrong_is_said_at_once(by_owner, fields, mirror):
    answer = post(by_owner, fields | {"name": "", "url": mirror.url("/page")})
    assert set(messages(answer)) == {"name", "url"}


def test_too_little_room_belongs_to_the_address(by_owner, account, fields, image):
    QuotaLimit.objects.create(account=account, max_bytes=len(image) - 1)
    assert "is free" in messages(post(by_owner, fields))["url"]
    assert not Iso.objects.exists()


def test_a_member_can_not_feature(by_owner, fields):
    assert set(messages(post(by_owner, fields | {"is_featured": "on"}))) == {"is_featured"}
    assert not Iso.objects.exists()


# --- what the pages tell --------------------------------------------------------------------------


def facts(page):
    names, values = list(page.all("dt")), list(page.all("dd"))
    return {name.text(): value.text() for name, value in zip(names, values, strict=True)}


def details(client, iso):
    return facts(read(client.get(iso.get_absolute_url())))


def test_the_source_is_shown_redacted(by_owner, fields, mirror, image):
    mirror.routes["/signed.iso?X-Amz-Signature=abc"] = File(image)
    iso = imported(by_owner, fields | {"url": mirror.url("/signed.iso?X-Amz-Signature=abc")}, image)
    said = details(by_owner, iso)
    assert said["Source"].startswith(mirror.url("/signed.iso?"))
    assert "abc" not in said["Source"]
    assert "Computed, not compared" in said["SHA-256"]


def test_each_checksum_is_told_for_what_it_is(by_owner, fields, image):
    for number, (algorithm, words) in enumerate(
        {
            "sha256": "Matches the checksum you gave",
            "sha512": "Matches the SHA-512 you gave",
            "sha1": "SHA-1 is weak: it shows that nothing broke on the way, not who made the file.",
            "md5": "MD5 is weak",
        }.items()
    ):
        digest = hashlib.new(algorithm, image).hexdigest()
        assert post(by_owner, fields | {"name": f"Image {number}", "checksum": digest}).status_code == 201
        iso = Iso.objects.get(name=f"Image {number}")
        assert "Expected" in details(by_owner, iso)["SHA-256"]
        run_all()
        said = details(by_owner, iso)["SHA-256"]
        assert words in said
        assert digest in said
        assert "publisher" not in said


@pytest.mark.parametrize("given", [True, False], ids=["named by the user", "found beside the image"])
def test_the_publishers_checksum_is_told_with_its_address(by_owner, fields, mirror, image, given):
    sums = "/sums.txt" if given else "/SHA256SUMS"
    mirror.routes[sums] = File(f"{hashlib.sha256(image).hexdigest()}  image.iso\n".encode())
    iso = imported(by_owner, fields | ({"checksum": mirror.url(sums)} if given else {}), image)
    said = details(by_owner, iso)["SHA-256"]
    assert f"Matches the publisher’s checksum ({mirror.url(sums)})" in said
    assert "unprotected connection" in said, "nobody proved who sent it"


def test_what_was_compared_outlives_the_first_replica(by_owner, fields, image):
    digest = hashlib.sha512(image).hexdigest()
    iso = imported(by_owner, fields | {"checksum": digest}, image)
    UrlImport.objects.all().delete()
    assert "Matches the SHA-512 you gave" in details(by_owner, iso)["SHA-256"]
    assert details(by_owner, iso)["Source"] == fields["url"]


def test_a_checksum_that_was_found_once_is_not_promised(by_owner, fields, mirror, image):
    """It is looked for again by Retry, and then it may be gone."""
    mirror.routes["/SHA256SUMS"] = File(f"{'0' * 64}  image.iso\n".encode())
    post(by_owner, fields)
    run_all()
    iso = Iso.objects.get()
    assert iso.state == "Failed"
    del mirror.routes["/SHA256SUMS"]
    by_owner.post(f"/isos/{iso.public_id}/retry/")
    assert "Computed when the file has arrived" in details(by_owner, iso)["SHA-256"]
    run_all()
    assert "Computed, not compared" in details(by_owner, iso)["SHA-256"]
    assert not Iso.objects.get().provenance["checksum_url"]


def test_a_download_that_began_again_says_so(by_owner, fields, mirror, image):
    mirror.routes["/image.iso"] = File(image, ranges=False, cuts=[len(image) + 1, 200_000])
    iso = imported(by_owner, fields, image)
    assert "The download began again once" in details(by_owner, iso)["Source"]


def test_an_upload_has_no_source(by_owner, account, zone_a):
    assert "Source" not in details(by_owner, make_iso(account, {zone_a: "ready"}))


# --- progress ---------------------------------------------------------------------------------------


def progress(client, iso, **headers):
    return read(client.get(f"/isos/{iso.public_id}/progress/", headers=headers))


def receiving(iso, done, total):
    """The rows of an import on its way."""
    replica = iso.replicas.get()
    replica.state = ReplicaState.RECEIVING
    replica.save()
    Operation.objects.update(state=OperationState.RUNNING, phase="receiving", bytes_done=done, bytes_total=total)


def test_progress_in_bytes(by_owner, fields):
    post(by_owner, fields)
    iso = Iso.objects.get()
    page = progress(by_owner, iso)
    assert "Queued. The portal begins in a moment." in page.text()
    assert "Downloading" in page.text()
    receiving(iso, 30 * MB, 120 * MB)
    assert "Downloading, 25%: 30.0 MB of 120 MB" in " ".join(progress(by_owner, iso, **HTMX).text().split())


def test_progress_without_an_end(by_owner, fields):
    post(by_owner, fields)
    iso = Iso.objects.get()
    receiving(iso, 30 * MB, None)
    page = progress(by_owner, iso, **HTMX)
    assert "30.0 MB so far. The server does not say how large the file is" in page.text()
    (bar,) = page.all("progress")
    assert "value" not in bar.attrs


def test_trouble_that_heals_is_told(by_owner, fields):
    post(by_owner, fields)
    iso = Iso.objects.get()
    Operation.objects.update(error_code="source_busy", error_message="The server is too busy right now.")
    assert "too busy right now. Trying again by itself." in progress(by_owner, iso, **HTMX).text()


# --- another address ----------------------------------------------------------------------------------


@pytest.fixture
def failed(by_owner, fields, mirror):
    """An import whose file turned out to be none."""
    mirror.routes["/image.iso"], good = File(b"\1" * 300_000), mirror.routes["/image.iso"]
    broken = File(good.data[:200_000])
    broken.declare = broken.ranges = False
    mirror.routes["/broken.iso"] = broken
    assert post(by_owner, fields | {"url": mirror.url("/broken.iso"), "checksum": "ab" * 32}).status_code == 201
    mirror.routes["/image.iso"] = good
    run_all()
    iso = Iso.objects.get()
    assert iso.state == "Failed"
    return iso


def change(client, iso, **typed):
    return client.post(f"/isos/{iso.public_id}/source/", typed)


def test_what_was_typed_is_there_again_for_who_typed_it(by_owner, as_user, teammate, failed, mirror):
    page = read(by_owner.get(f"/isos/{failed.public_id}/source/"))
    assert page.by_id("id_url").attrs["value"] == mirror.url("/broken.iso")
    assert "ab" * 32 in page.by_id("id_checksum").attrs["value"]
    page = read(as_user(teammate).get(f"/isos/{failed.public_id}/source/"))
    assert page.by_id("id_url").attrs["value"] == "", "an address may hold a credential"


def test_another_address_heals_it(by_owner, owner, failed, mirror, image):
    before = failed.replicas.get().public_id
    answer = change(by_owner, failed, url=mirror.url(), checksum="")
    assert answer["Location"] == f"/isos/{failed.public_id}/progress/"
    assert Reservation.objects.get().bytes == len(image)
    run_all()
    iso = Iso.objects.get()
    assert (iso.name, iso.state, iso.sha256) == ("Debian", "Ready", hashlib.sha256(image).hexdigest())
    assert iso.provenance["url"] == mirror.url()
    assert iso.provenance["restarts"] == 0
    assert iso.replicas.get().public_id != before, "a worker that slept must not meet the new bytes"
    text = read(by_owner.get(iso.get_absolute_url())).text()
    assert f"Address changed from {mirror.url('/broken.iso')} to {mirror.url()}" in text
    assert "Computed, not compared" in text


def test_bytes_that_were_kept_are_dropped_with_their_quota(by_owner, fields, mirror, image, monkeypatch):
    """A failure that may heal keeps what had come; another address has other bytes."""
    monkeypatch.setattr("django.conf.settings.OPERATION_MAX_ATTEMPTS", 1)
    whole = File(image)
    whole.cuts = [len(image), *[250_000] * 20]
    mirror.routes["/torn.iso"] = whole
    mirror.routes["/torn.iso"].honour_if_range = True
    post(by_owner, fields | {"url": mirror.url("/torn.iso")})
    run_all()
    iso = Iso.objects.get()
    assert (iso.state, Reservation.objects.get().bytes) == ("Failed", len(image))
    other = media.iso("OTHER", bios=True, padding=900_000)
    mirror.routes["/other.iso"] = File(other)
    change(by_owner, iso, url=mirror.url("/other.iso"))
    assert Reservation.objects.get().bytes == len(other)
    run_all()
    assert Iso.objects.get().sha256 == hashlib.sha256(other).hexdigest()
    folder = Zone.objects.get(slug="zone-a").storage_options()["location"]
    from pathlib import Path

    kept = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != ".zone"]
    assert [path.stat().st_size for path in kept if path.stat().st_size] == [len(other)]


def test_an_address_that_is_wrong_too_changes_nothing(by_owner, failed, mirror):
    page = read(change(by_owner, failed, url=mirror.url("/page"), checksum="ab"), 422)
    assert "There is a web page" not in page.text(), "a checksum that is none is said first"
    page = read(change(by_owner, failed, url=mirror.url("/page")), 422)
    assert "There is a web page" in page.by_id("url-error").text()
    assert UrlImport.objects.get().shown_url == mirror.url("/broken.iso")
    assert Iso.objects.get().state == "Failed"


def test_only_what_failed_gets_another_address(by_owner, fields, image):
    iso = imported(by_owner, fields, image)
    answer = by_owner.get(f"/isos/{iso.public_id}/source/", follow=True)
    assert "Only an import that failed can get another address." in read(answer).text()


def test_what_was_ready_once_never_gets_other_content(by_owner, owner, fields, mirror, image):
    """Its bytes were lost in the zone: they can only come back from another one."""
    iso = imported(by_owner, fields, image)
    replica = iso.replicas.get()
    Replica.objects.filter(pk=replica.pk).update(state=ReplicaState.FAILED, error_message="The file is gone.")
    assert not find(read(by_owner.get(iso.get_absolute_url())), href=f"/isos/{iso.public_id}/source/")
    assert not find(progress(by_owner, iso), href=f"/isos/{iso.public_id}/source/")
    answer = by_owner.get(f"/isos/{iso.public_id}/source/", follow=True)
    assert "Only an import that failed can get another address." in read(answer).text()
    with pytest.raises(Conflict):
        replace_source(Actor(owner), Replica.objects.get(), url=mirror.url())
    assert Reservation.objects.get().replica_ref == replica.public_id


def test_another_address_that_comes_too_late_says_so_on_a_page_of_use(by_owner, failed, mirror, teammate, monkeypatch):
    look_at = importing.look_at

    def slow(account, url):
        retry(Actor(teammate), Replica.objects.select_related("iso__account", "zone").get())
        return look_at(account, url)

    monkeypatch.setattr(importing, "look_at", slow)
    answer = by_owner.post(f"/isos/{failed.public_id}/source/", {"url": mirror.url()}, follow=True)
    assert "Only an import that failed can get another address." in read(answer).text()
    assert answer.redirect_chain == [("/isos/", 302)]


def test_the_progress_is_that_of_the_import(by_owner, account, fields, image, zone_b):
    """Not of the zone that stands first: a copy to it has no page of its own."""
    iso = imported(by_owner, fields | {"zones": "zone-b"}, image)
    Replica.objects.create(iso=iso, zone=Zone.objects.get(slug="zone-a"), state=ReplicaState.FAILED)
    text = progress(by_owner, iso).text()
    assert f"From {fields['url']}" in text
    assert "“Debian” is ready in zone-b." in text


def test_no_percent_of_what_nobody_counted(by_owner, fields):
    post(by_owner, fields)
    receiving(Iso.objects.get(), 0, None)
    Replica.objects.update(state=ReplicaState.VERIFYING)
    assert "Checking the file. You can close this page." in progress(by_owner, Iso.objects.get()).text()


def test_an_empty_library_offers_both_ways(by_owner, zone_a):
    links = {link.text(): link.attrs["href"] for link in read(by_owner.get("/isos/")).all("a")}
    assert links["Add from URL"] == "/isos/upload/?source=url"
    page = read(by_owner.get(links["Add from URL"]))
    assert [node.attrs["value"] for node in find(page, name="source") if "checked" in node.attrs] == ["url"]

"""The upload form, the name's check, resuming and the stages, as the page's script and people without it get them."""

import pytest

from isos.actions.start_upload import NewIso, start_upload
from isos.audit import Actor
from isos.models import Event, Iso, Upload
from quotas.models import QuotaLimit, Reservation
from tests.factories import GB, MB, SENTENCE, make_iso, make_version
from tests.isos.conftest import send
from tests.query_counts import counted
from tests.web.conftest import HTMX, JSON, find, read
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def fields(zone_a):
    return {"filename": "debian.iso", "size": 700 * MB, "name": "Debian", "os_type": "linux", "zones": "zone-a"}


def post(client, fields, **headers):
    return client.post("/isos/upload/", fields, headers=JSON | headers)


# --- the form --------------------------------------------------------------------------------


def test_the_form_says_what_is_possible(by_owner, account, zone_a, zone_b):
    QuotaLimit.objects.create(account=account, max_isos=4, max_bytes=10 * GB, max_iso_bytes=3 * GB)
    make_iso(account, {zone_a: "ready"}, size=GB)
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance", state_reason="New disks until Friday")
    page = read(by_owner.get("/isos/upload/"))
    form = page.by_id("upload-form")
    limits = [form.attrs[f"data-{name}"] for name in ("largest", "free", "total")]
    assert limits == [str(3 * GB), str(9 * GB), str(10 * GB)]
    for said in ("1 of 4 used", "You can upload 3 more.", "1.00 GB of 10 GB used", "One ISO may have up to 3 GB."):
        assert said in page.text()
    zones = {zone.attrs["value"]: zone for zone in find(page, name="zones")}
    assert "checked" in zones["zone-a"].attrs
    assert "disabled" in zones["zone-b"].attrs
    assert "New disks until Friday" in page.text()
    assert page.by_id("file").attrs["accept"] == ".iso"
    (note,) = (node for node in page.all("div") if node.attrs.get("class") == "note warn no-js")
    assert "needs JavaScript" in note.text()


def test_featured_is_for_administrators(by_owner, as_user, admin_user, fields):
    page = read(by_owner.get("/isos/upload/"))
    assert "disabled" in page.by_id("id_is_featured").attrs
    assert "Set by administrators" in page.text()
    refused = post(by_owner, fields | {"is_featured": "on"})
    assert refused.status_code == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["is_featured"]
    assert not Iso.objects.exists()
    event = Event.objects.get()
    assert (event.verb, event.actor_name, event.data["field"]) == ("refused", "owner", "is_featured")
    client = as_user(admin_user)
    assert "disabled" not in read(client.get("/isos/upload/")).by_id("id_is_featured").attrs
    assert post(client, fields | {"is_featured": "on"}).status_code == 201
    assert Iso.objects.get(account=admin_user.account).is_featured


def test_versions_are_grouped_by_os_type(by_owner, zone_a):
    make_version("Debian 13", "debian-13")
    make_version("FreeBSD 15", "freebsd-15", "bsd")
    make_version("Old", "old", active=False)
    groups = {group.attrs["label"]: group.text() for group in read(by_owner.get("/isos/upload/")).all("optgroup")}
    assert "Debian 13" in groups["Linux"]
    assert "FreeBSD 15" in groups["BSD"]
    assert "Old" not in "".join(groups.values()).split()


def test_a_full_quota_is_said_beside_the_button(by_owner, account, zone_a):
    QuotaLimit.objects.create(account=account, max_isos=1)
    make_iso(account, {zone_a: "ready"})
    page = read(by_owner.get("/isos/upload/"))
    (button,) = (node for node in page.by_id("upload-form").all("button") if "primary" in node.attrs["class"])
    assert "disabled" in button.attrs
    assert page.by_id(button.attrs["aria-describedby"]).text().startswith("You have 1 of 1 ISO images.")


def test_without_any_zone(by_owner):
    assert "There is no zone yet." in read(by_owner.get("/isos/upload/")).text()


# --- sending it ---------------------------------------------------------------------------------


def test_the_script_learns_where_the_bytes_go(by_owner, owner, account, fields):
    make_version("Debian 13", "debian-13")
    more = {
        "os_version": "debian-13", "is_public": "on", "is_extractable": "on", "description": "For builds",
        "checksum": f"SHA256:{'AB' * 32}  debian.iso", "fingerprint": "c" * 64,
    }  # fmt: skip
    response = post(by_owner, fields | more)
    assert response.status_code == 201
    iso, upload = Iso.objects.get(), Upload.objects.get()
    assert response.json() == {
        "iso": str(iso.public_id),
        "name": "Debian",
        "upload_url": f"/uploads/{upload.public_id}",
        "detail_url": f"/isos/{iso.public_id}/",
        "progress_url": f"/isos/{iso.public_id}/progress/",
        "resume_url": f"/isos/{iso.public_id}/resume/",
        "cancel_url": f"/isos/{iso.public_id}/cancel/",
    }
    assert (iso.account, iso.created_by, iso.os_label, iso.expected_sha256) == (account, owner, "Debian 13", "ab" * 32)
    assert (iso.is_public, iso.is_extractable, iso.is_featured) == (True, True, False)
    assert (upload.user, upload.length, upload.fingerprint) == (owner, 700 * MB, "c" * 64)
    assert Reservation.objects.get().bytes == 700 * MB


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"filename": "disk.qcow2"}, "file", "Only .iso files can be uploaded. Choose a file whose name ends in .iso."),
        ({"filename": ""}, "file", "Choose an ISO file."),
        ({"filename": "x" * 300 + ".iso"}, "file", "The file’s name is longer than 255 characters."),
        ({"size": 0}, "file", "The file is empty. Choose another file."),
        ({"size": -5}, "file", "The file is empty. Choose another file."),
        ({"size": "many"}, "file", "Choose an ISO file."),
        ({"size": 33 * GB}, "file", "This ISO is 33.0 GB; the largest allowed is 32.0 GB."),
        ({"name": ""}, "name", "Enter a name."),
        ({"name": "taken"}, "name", "You already have an ISO with this name. Try “taken (2)”."),
        ({"os_type": "dos"}, "os_type", "Select a valid choice."),
        ({"os_version": "freebsd-15"}, "os_version", "FreeBSD 15 is not a Linux version. Choose one that fits."),
        ({"os_version": "beos"}, "os_version", "That version is not in the list. Choose another."),
        ({"checksum": "abc"}, "checksum", "A SHA-256 checksum has 64 characters, 0-9 and a-f."),
        ({"zones": "zone-b"}, "zone-zone-b", "zone-b takes no new images now. Choose another."),
        ({"zones": []}, "zones", "Choose at least one zone."),
    ],
)
def test_what_is_refused_before_a_byte_travels(by_owner, account, zone_a, zone_b, fields, change, field, sentence):
    make_iso(account, {zone_a: "ready"}, "Taken", size=MB)
    make_version("FreeBSD 15", "freebsd-15", "bsd")
    Zone.objects.filter(pk=zone_b.pk).update(state="disabled")
    response = post(by_owner, fields | change)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["field"] == field
    assert error["message"].startswith(sentence)
    assert Iso.objects.count() == Reservation.objects.count() == 1


def test_quota_has_the_last_word(by_owner, account, zone_a, fields):
    limit = QuotaLimit.objects.create(account=account, max_isos=1, max_bytes=GB, max_uploads=1)
    assert post(by_owner, fields | {"size": 2 * GB}).json()["errors"] == [
        {
            "field": "file",
            "message": "This ISO needs 2.00 GB, but only 1.00 GB of your 1.00 GB is free."
            " Delete an ISO, or ask your administrator for more.",
        }
    ]
    assert post(by_owner, fields).status_code == 201
    (error,) = post(by_owner, fields | {"name": "Two"}).json()["errors"]
    assert (error["field"], error["message"][:24]) == ("", "You have 1 of 1 uploads ")
    limit.max_uploads = 9
    limit.save()
    (error,) = post(by_owner, fields | {"name": "Two"}).json()["errors"]
    assert error["message"].startswith("You have 1 of 1 ISO images.")
    assert Iso.objects.count() == 1


def test_without_script_the_form_comes_back_with_what_was_typed(by_owner, zone_a, zone_b):
    sent = {"name": "x" * 121, "description": "For builds", "zones": "zone-b", "os_type": "bsd", "is_public": "on"}
    page = read(by_owner.post("/isos/upload/", sent), 422)
    summary = page.by_id("error-summary")
    assert "hidden" not in summary.attrs
    assert "2 things need your attention" in summary.text()
    assert [link.attrs["href"] for link in summary.all("a")] == ["#file", "#id_name"]
    assert page.by_id("file-error").text() == "Choose an ISO file."
    assert page.by_id("name-error").text().startswith("Use at most 120 characters")
    assert page.by_id("id_name").attrs["value"] == "x" * 121
    assert page.by_id("id_description").text() == "For builds"
    assert [zone.attrs["value"] for zone in find(page, name="zones") if "checked" in zone.attrs] == ["zone-b"]
    assert "checked" in page.by_id("id_is_public").attrs


def test_nothing_sent_at_all_is_an_error_too(by_owner, zone_a):
    assert read(by_owner.post("/isos/upload/", {}), 422).by_id("file-error").text() == "Choose an ISO file."


def test_without_script_a_valid_form_leads_to_the_file(by_owner, fields):
    response = by_owner.post("/isos/upload/", fields)
    assert response.headers["Location"] == f"/isos/{Iso.objects.get().public_id}/resume/"


# --- the name while it is typed -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("Free", ""),
        ("", ""),
        (" taken ", "You already have an ISO with this name. Try “taken (2)”."),
        ("x" * 121, "Use at most 120 characters; this name has 121."),
    ],
)
def test_check_name(by_owner, account, stranger, zone_a, typed, sentence):
    make_iso(account, {zone_a: "ready"}, "Taken")
    make_iso(stranger.account, {zone_a: "ready"}, "Free", user=stranger)
    page = read(by_owner.get("/isos/upload/check-name/", {"name": typed}, headers=HTMX))
    assert page.text() == sentence


# --- resuming and stages -----------------------------------------------------------------------------


def test_resume_says_which_file(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, "Debian", user=owner, idle=True)
    page = read(by_owner.get(f"{iso.get_absolute_url()}resume/"))
    form = page.by_id("resume-form")
    assert form.attrs["data-file-name"] == "image.iso"
    assert form.attrs["data-file-size"] == str(700 * MB)
    assert form.attrs["data-upload-url"] == Upload.objects.get().get_absolute_url()
    assert "266 MB of 700 MB are here already" in page.text()
    assert "38% received" in page.text()


def test_another_file_may_be_sent_while_nothing_has_come(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    by_owner.post(f"{iso.get_absolute_url()}retry/")
    form = read(by_owner.get(f"{iso.get_absolute_url()}resume/")).by_id("resume-form")
    path = form.attrs["data-file-url"]
    answer = by_owner.post(path, {"filename": "other.iso", "size": "5000"}, headers=JSON)
    assert answer.status_code == 200
    upload = Upload.objects.get()
    assert answer.json()["upload_url"] == upload.get_absolute_url()
    assert (upload.length, upload.filename, Reservation.objects.get().bytes) == (5000, "other.iso", 5000)
    wrong = by_owner.post(path, {"filename": "setup.exe", "size": "5000"}, headers=JSON)
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "file"
    send(Upload.objects.select_related("replica__iso", "replica__zone", "user").get(), b"x")
    late = by_owner.post(path, {"filename": "late.iso", "size": "6000"}, headers=JSON)
    assert (late.status_code, late.json()["errors"][0]["field"]) == (422, "file")
    assert "data-file-url" not in read(by_owner.get(f"{iso.get_absolute_url()}resume/")).by_id("resume-form").attrs


def test_a_teammate_is_told_whose_upload_it_is(as_user, teammate, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner)
    response = as_user(teammate).get(f"{iso.get_absolute_url()}resume/", follow=True)
    page = read(response)
    assert response.redirect_chain == [(iso.get_absolute_url(), 302)]
    assert page.by_id("messages").text() == "owner started this upload and is the one who can go on."


@pytest.mark.parametrize("state", ["ready", "failed", "verifying"])
def test_nothing_to_resume(by_owner, account, zone_a, state):
    iso = make_iso(account, {zone_a: state})
    assert by_owner.get(f"{iso.get_absolute_url()}resume/").headers["Location"] == iso.get_absolute_url()


@pytest.mark.parametrize(
    ("state", "words", "polls"),
    [
        ("queued", "Queued. The portal begins in a moment.", True),
        ("receiving", "Receiving, 38%.", True),
        ("verifying", "Everything has arrived. Checking the file, 38%. You can close this page.", True),
        ("ready", "“Debian” is ready in zone-a.", False),
        ("failed", SENTENCE, False),
        ("deleting", "“Debian” is being deleted from zone-a.", True),
    ],
)
def test_every_stage_has_its_words(by_owner, account, zone_a, state, words, polls):
    iso = make_iso(account, {zone_a: state}, "Debian")
    page = read(by_owner.get(f"{iso.get_absolute_url()}progress/", headers=HTMX))
    (stages,) = page.children
    assert [node.text() for node in page.walk() if "data-stage" in node.attrs] == [words]
    assert ("hx-trigger" in stages.attrs) == polls
    assert bool(page.all("form")) == (state == "failed"), "Retry where it failed, and only there"


def test_a_paused_upload_says_so(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner, idle=True)
    page = read(by_owner.get(f"{iso.get_absolute_url()}progress/", headers=HTMX))
    assert "Paused at 38%. Choose the same file again to go on." in page.text()


def test_it_is_paused_only_after_a_silence(by_owner, owner, zone_a):
    upload = start_upload(Actor(owner), NewIso("Debian", zone_a, source_name="d.iso"), size=MB)
    page = read(by_owner.get(f"{upload.replica.iso.get_absolute_url()}progress/", headers=HTMX))
    assert "Receiving, 0%." in page.text()


def test_cost(by_owner, zone_a, zone_b):
    for number in range(5):
        make_version(f"Version {number}", f"version-{number}")
    by_owner.get("/isos/upload/")
    with counted("upload form"):
        by_owner.get("/isos/upload/")

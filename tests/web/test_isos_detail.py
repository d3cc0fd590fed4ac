"""View more: the facts of one ISO, its zones and what happened to it."""

import pytest
from django.utils import timezone

from isos.actions.rename import rename
from isos.actions.set_os import set_os
from isos.audit import Actor, record
from isos.models import Event, Iso
from isos.views.activity import _LINES
from tests.factories import INSPECTION, SENTENCE, make_iso, make_version
from tests.query_counts import counted
from tests.web.conftest import HTMX, find, read

pytestmark = pytest.mark.django_db
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def facts(page):
    """Label → words, over all lists of facts on the page, in order."""
    return {pair.one("dt").text(): pair.one("dd").text() for pair in page.all("div") if _is_pair(pair)}


def _is_pair(node):
    return [child.tag for child in node.children] == ["dt", "dd"]


def test_the_six_fields_come_first(by_owner, account, zone_a, zone_b):
    moment = timezone.datetime(2026, 11, 12, 14, 5, tzinfo=timezone.get_default_timezone())
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"}, size=3_303_444_480, ready_at=moment)
    page = read(by_owner.get(iso.get_absolute_url()))
    assert list(facts(page).items())[:6] == [
        ("Size", "3.30 GB (3,303,444,480 bytes)"),
        ("State", "Ready"),
        ("Disk Format", "ISO"),
        ("Password Enabled", "No"),
        ("Status", "Available in 1 of 2 zones"),
        ("Registration Date", "12 Nov 2026, 14:05 UTC"),
    ]


@pytest.mark.parametrize(
    ("state", "words", "status"),
    [
        ("queued", "In progress", "Unavailable"),
        ("receiving", "In progress", "Unavailable"),
        ("verifying", "In progress", "Unavailable"),
        ("ready", "Ready", "Available in 1 of 1 zone"),
        ("failed", "Failed", "Unavailable"),
        ("deleting", "Deleting", "Unavailable"),
    ],
)
def test_state_and_status(by_owner, account, zone_a, state, words, status):
    iso = make_iso(account, {zone_a: state})
    page = read(by_owner.get(iso.get_absolute_url()))
    assert facts(page)["State"] == words
    assert facts(page)["Status"] == status
    assert (facts(page)["Registration Date"] == "Not yet") == (state != "ready")
    assert ("every 2s" in page.by_id("live").attrs["hx-trigger"]) == (state not in ("ready", "failed"))


@pytest.mark.parametrize(
    ("state", "expected", "words"),
    [
        ("ready", "", "Computed, not compared"),
        ("ready", "ab" * 32, "Matches the checksum you gave"),
        ("receiving", "", "Computed when the file has arrived"),
        ("receiving", "cd" * 32, "Expected; compared when the file has arrived"),
    ],
)
def test_the_checksum_is_told_honestly(by_owner, account, zone_a, state, expected, words):
    iso = make_iso(account, {zone_a: state}, expected_sha256=expected)
    said = facts(read(by_owner.get(iso.get_absolute_url())))["SHA-256"]
    assert words in said
    assert (iso.sha256 or expected) in said


def test_what_the_image_says(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, inspection=INSPECTION)
    said = facts(read(by_owner.get(iso.get_absolute_url())))
    assert said["Volume label"] == "Debian 13.1.0 amd64 n"
    assert said["Boots with"] == "BIOS and UEFI"
    assert said["Architecture"] == "x86_64"
    assert said["Publisher"] == "DEBIAN CD"
    assert said["Created"] == "6 Sep 2026, 10:12 UTC"
    assert "Application" not in said, "an empty field is left out"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"boot_bios": False}, "UEFI"),
        ({"boot_bios": False, "boot_uefi": False}, "Not bootable"),
        ({"boot_bios": False, "boot_uefi": False, "complete": False}, "Unknown"),
    ],
)
def test_what_it_boots_with(by_owner, account, zone_a, found, words):
    iso = make_iso(account, {zone_a: "ready"}, inspection=INSPECTION | found)
    assert facts(read(by_owner.get(iso.get_absolute_url())))["Boots with"] == words


def test_a_suggestion_is_only_ever_offered(by_owner, account, zone_a):
    version = make_version("Debian 13", "debian-13")
    iso = make_iso(account, {zone_a: "ready"}, inspection=INSPECTION)
    page = read(by_owner.get(iso.get_absolute_url()))
    assert "The image says it is Debian 13." in page.text()
    (form,) = find(page, action=f"{iso.get_absolute_url()}os/")
    assert form.one("button").text() == "Set OS type to Debian 13"
    sent = {node.attrs["name"]: node.attrs["value"] for node in form.all("input")}
    iso.refresh_from_db()
    assert iso.os_version is None
    response = by_owner.post(form.attrs["action"], sent)
    assert response.headers["Location"] == iso.get_absolute_url()
    iso.refresh_from_db()
    assert iso.os_version == version
    assert "The image says" not in read(by_owner.get(iso.get_absolute_url())).text()


def test_zones_with_their_verbs(by_owner, account, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "failed"})
    page = read(by_owner.get(iso.get_absolute_url()))
    failed, ready = page.by_id("zone-zone-b"), page.by_id("zone-zone-a")
    assert (failed.attrs["data-state"], ready.attrs["data-state"]) == ("failed", "ready")
    assert [button.text() for button in failed.all("button")] == ["Retry"]
    assert not ready.all("button")
    assert ready.one("a").attrs["href"].startswith(f"{iso.get_absolute_url()}delete/?zone=zone-a")
    assert [note.text() for note in find(page, data_error_zone="zone-b")] == [f"zone-b failed. {SENTENCE}"]


def test_activity_in_words(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "Old")
    actor = Actor(owner, "192.0.2.1")
    rename(actor, iso, "New")
    set_os(actor, iso, "bsd", None)
    record(Event.Verb.FAILED, iso, zone=zone_a, reason="The disk is full.")
    page = read(by_owner.get(iso.get_absolute_url()))
    said = [item.text() for item in page.all("ol")[-1].all("li")]
    assert said[0].startswith("Failed in zone-a: The disk is full.Portal, ")
    assert said[1].startswith("OS type changed from Linux to BSDowner, ")
    assert said[2].startswith("Renamed from “Old” to “New”owner, ")
    assert all(line.endswith(" UTC") for line in said)


def test_every_verb_has_its_sentence():
    assert set(_LINES) == set(Event.Verb)


def test_public_isos_of_others_are_read_only(by_owner, stranger, zone_a):
    iso = make_iso(stranger.account, {zone_a: "ready"}, "Theirs", is_public=True, user=stranger, inspection=INSPECTION)
    make_version("Debian 13", "debian-13")
    record(Event.Verb.READY, iso, zone=zone_a)
    page = read(by_owner.get(f"{iso.get_absolute_url()}?rename=1"))
    live = page.by_id("live")
    assert not live.all("form")
    assert not live.all("button")[1:], "only Copy SHA-256"
    assert "Activity" not in live.text()
    assert "The image says it is" not in live.text()
    assert "Other" in live.text()


def test_htmx_gets_the_live_part_alone(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "verifying"})
    html = by_owner.get(iso.get_absolute_url(), headers=HTMX).content.decode()
    assert html == html.strip()
    page = read(by_owner.get(f"{iso.get_absolute_url()}?rename=1", headers=HTMX))
    assert [node.attrs["id"] for node in page.children] == ["live"]
    assert page.by_id("live").attrs["hx-get"] == f"{iso.get_absolute_url()}?rename=1"
    assert page.by_id(f"new-name-{iso.public_id}")


def test_what_others_wrote_is_text(by_owner, account, zone_a):
    inspection = INSPECTION | {"volume_label": EVIL, "publisher": EVIL, "architectures": [EVIL], "created": EVIL}
    iso = make_iso(
        account, {zone_a: "failed"}, EVIL, description=EVIL, source_name=EVIL, inspection=inspection
    )  # fmt: skip
    iso.replicas.update(error_message=EVIL)
    record(Event.Verb.FAILED, iso, zone=zone_a, reason=EVIL)
    for path in ("", "?rename=1", "progress/", "rename/", "delete/"):
        page = read(by_owner.get(f"{iso.get_absolute_url()}{path}"))
        assert not [node for node in page.all("script") if "src" not in node.attrs]
        assert not page.all("img")
    assert read(by_owner.get(iso.get_absolute_url())).text().count("<script>") >= 6


def test_cost(by_owner, account, zone_a, zone_b):
    make_version("Debian 13", "debian-13")
    iso = make_iso(account, {zone_a: "ready", zone_b: "receiving"}, inspection=INSPECTION)
    for _ in range(5):
        record(Event.Verb.RENAMED, iso, before="a", after="b")
    by_owner.get(iso.get_absolute_url())
    with counted("iso detail"):
        by_owner.get(iso.get_absolute_url())
    Iso.objects.filter(pk=iso.pk).update(inspection={})

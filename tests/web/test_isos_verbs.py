"""Rename, delete, cancel, retry and set OS: forms that keep what was typed, with and without HTMX."""

import pytest

from isos.models import Iso, Upload
from isos.states import ReplicaState, UploadState
from quotas.models import QuotaLimit
from tests.factories import make_iso, make_version
from tests.web.conftest import HTMX, find, read

pytestmark = pytest.mark.django_db


def messages(client):
    return read(client.get("/isos/")).by_id("messages").text()


# --- rename ---------------------------------------------------------------------------------


def test_rename(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, "Old")
    response = by_owner.post(f"{iso.get_absolute_url()}rename/", {"name": "  New   name ", "next": "/isos/?q=n"})
    assert response.headers["Location"] == "/isos/?q=n"
    iso.refresh_from_db()
    assert iso.name == "New name"
    assert messages(by_owner) == "Renamed to “New name”."


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("taken", "You already have an ISO with this name. Try “taken (2)”."),
        ("", "Enter a name."),
        ("   ", "Enter a name."),
        ("x" * 121, "Use at most 120 characters; this name has 121."),
        ("a\u202eb", "The name has a character that can't be shown. Type it again."),
    ],
)
def test_a_name_that_can_not_be_used(by_owner, account, zone_a, typed, sentence):
    make_iso(account, {zone_a: "ready"}, "Taken")
    iso = make_iso(account, {zone_a: "ready"}, "Mine")
    path = f"{iso.get_absolute_url()}rename/"
    page = read(by_owner.post(path, {"name": typed}), 422)
    assert page.by_id("id_name_error").text() == sentence
    assert page.by_id("id_name").attrs.get("value", "") == typed
    editor = read(by_owner.post(path, {"name": typed}, headers=HTMX), 422)
    field = editor.by_id(f"new-name-{iso.public_id}")
    assert field.attrs["value"] == typed
    assert editor.by_id(field.attrs["aria-describedby"]).text() == sentence
    assert [node.tag for node in editor.children] == ["form"]
    iso.refresh_from_db()
    assert iso.name == "Mine"


def test_an_iso_may_change_the_case_of_its_own_name(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"}, "debian")
    assert by_owner.post(f"{iso.get_absolute_url()}rename/", {"name": "Debian"}).status_code == 302


# --- delete ---------------------------------------------------------------------------------


@pytest.fixture
def iso(account, zone_a, zone_b):
    return make_iso(account, {zone_a: "ready", zone_b: "failed"}, "Debian")


def states(iso):
    return dict(iso.replicas.values_list("zone__slug", "state"))


def test_delete_asks_where(by_owner, iso):
    page = read(by_owner.get(f"{iso.get_absolute_url()}delete/"))
    assert page.one("h1").text() == "Delete “Debian”?"
    zones = find(page, type="checkbox", name="zones")
    assert [zone.attrs["value"] for zone in zones] == ["zone-a", "zone-b"]
    assert not any("checked" in zone.attrs for zone in zones)
    assert ["data-holds-copy" in zone.attrs for zone in zones] == [True, False]
    assert "Ready, frees 700 MB" in page.text()


def test_delete_from_the_zone_that_was_named(by_owner, iso):
    page = read(by_owner.get(f"{iso.get_absolute_url()}delete/?zone=zone-b"))
    checked = [zone.attrs["value"] for zone in find(page, name="zones") if "checked" in zone.attrs]
    assert checked == ["zone-b"]
    assert [node.attrs["data-shown"] for node in page.walk() if "data-last-copy" in node.attrs] == ["no"]


def test_the_only_zone_is_chosen_and_its_last_copy_named(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"})
    page = read(by_owner.get(f"{iso.get_absolute_url()}delete/"))
    assert "checked" in find(page, name="zones")[0].attrs
    assert [node.attrs["data-shown"] for node in page.walk() if "data-last-copy" in node.attrs] == ["yes"]


@pytest.mark.parametrize(
    ("sent", "field", "sentence"),
    [
        ({"zones": ["zone-b"], "confirmation": "confir"}, "confirmation", "Type the word confirm to delete."),
        ({"zones": ["zone-b"]}, "confirmation", "Type the word confirm to delete."),
        ({"zones": ["zone-b"], "confirmation": "CONFIRM"}, "confirmation", "Type the word confirm to delete."),
        ({"confirmation": "confirm"}, "zones", "Select at least one zone."),
        ({"zones": ["zone-x"], "confirmation": "confirm"}, "zones", "Select at least one zone."),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_delete_is_checked_again_and_keeps_what_was_typed(by_owner, iso, sent, field, sentence, headers):
    page = read(by_owner.post(f"{iso.get_absolute_url()}delete/", sent, headers=headers), 422)
    assert page.by_id(f"{field}-error").text() == sentence
    assert page.by_id("confirmation").attrs["value"] == sent.get("confirmation", "")
    checked = [zone.attrs["value"] for zone in find(page, name="zones") if "checked" in zone.attrs]
    assert checked == [zone for zone in sent.get("zones", []) if zone != "zone-x"]
    assert bool(page.all("dialog")) == bool(headers)
    assert states(iso) == {"zone-a": "ready", "zone-b": "failed"}


def test_delete(by_owner, iso):
    sent = {"zones": ["zone-a", "zone-b"], "confirmation": "confirm", "next": "/isos/?page=2"}
    response = by_owner.post(f"{iso.get_absolute_url()}delete/", sent)
    assert response.headers["Location"] == "/isos/?page=2"
    assert states(iso) == {"zone-a": "deleting", "zone-b": "deleting"}
    assert messages(by_owner) == "Deleting “Debian” from zone-a and zone-b."
    page = read(by_owner.get(f"{iso.get_absolute_url()}delete/"))
    assert "being deleted already" in page.text()
    assert not find(page, name="zones")


# --- cancel, retry, set OS -------------------------------------------------------------------


def test_cancel(by_owner, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "receiving"}, "Debian", user=owner)
    assert by_owner.post(f"{iso.get_absolute_url()}cancel/").headers["Location"] == "/isos/"
    assert states(iso) == {"zone-a": "ready", "zone-b": "deleting"}
    assert messages(by_owner) == "Cancelled “Debian”. What was received is being removed."
    by_owner.post(f"{iso.get_absolute_url()}cancel/")
    assert messages(by_owner) == "There was nothing left to cancel."


def test_retry_asks_for_the_file_again(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    path, resume = f"{iso.get_absolute_url()}retry/", f"{iso.get_absolute_url()}resume/"
    assert by_owner.post(path, {"zone": "zone-a", "next": "/isos/"}).headers["Location"] == resume
    page = read(by_owner.get(resume))
    assert "Choose the file again" in page.text()
    assert "0% received" in page.text()


def test_retry_by_htmx_leaves_the_list(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    response = by_owner.post(f"{iso.get_absolute_url()}retry/", {"next": "/isos/"}, headers=HTMX)
    assert response.headers["HX-Redirect"] == f"{iso.get_absolute_url()}resume/"


def test_retry_goes_on_by_itself_where_the_bytes_are_kept(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, "Debian", user=owner)
    Upload.objects.update(state=UploadState.RECEIVED)
    assert by_owner.post(f"{iso.get_absolute_url()}retry/", {"next": "/isos/"}).headers["Location"] == "/isos/"
    assert messages(by_owner) == "Trying “Debian” in zone-a again."
    assert states(iso) == {"zone-a": "queued"}


def test_retry_of_what_has_not_failed(by_owner, account, zone_a):
    iso = make_iso(account, {zone_a: "ready"})
    by_owner.post(f"{iso.get_absolute_url()}retry/")
    assert messages(by_owner) == "Only what failed can be tried again. Reload the page to see its state."


def test_retry_over_quota(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "failed"}, user=owner)
    QuotaLimit.objects.create(account=account, max_isos=0)
    by_owner.post(f"{iso.get_absolute_url()}retry/")
    assert messages(by_owner) == "You have 0 of 0 ISO images. Ask your administrator for more."
    assert states(iso) == {"zone-a": ReplicaState.FAILED}


def test_set_os_takes_what_is_in_the_list_only(by_owner, account, zone_a):
    make_version("Debian 13", "debian-13")
    iso = make_iso(account, {zone_a: "ready"})
    for sent in ({"os_type": "linux", "os_version": "beos"}, {"os_type": "dos"}, {}):
        by_owner.post(f"{iso.get_absolute_url()}os/", sent)
        assert messages(by_owner) == "That operating system is not in the list. Choose another."
    by_owner.post(f"{iso.get_absolute_url()}os/", {"os_type": "linux", "os_version": "debian-13"})
    assert messages(by_owner) == "OS type set to Debian 13."
    assert Iso.objects.get().os_version.slug == "debian-13"

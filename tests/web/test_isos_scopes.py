"""Whose images a list shows: the account's own, public ones of others, featured ones."""

import pytest

from tests.factories import make_iso
from tests.query_counts import counted
from tests.web.conftest import HTMX, find, read, rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def library(account, owner, stranger, zone_a):
    make_iso(account, {zone_a: "ready"}, "Own", user=owner)
    make_iso(account, {zone_a: "ready"}, "Own featured", user=owner, is_featured=True)
    make_iso(account, {zone_a: "ready"}, "Own public", user=owner, is_public=True)
    for name, fields in {
        "Recommended": {"is_public": True, "is_featured": True},
        "Shared": {"is_public": True},
        "Hidden": {"is_featured": True},
        "Private": {},
    }.items():
        make_iso(stranger.account, {zone_a: "ready"}, name, user=stranger, **fields)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("", ["Own public", "Own featured", "Own"]),
        ("public", ["Recommended", "Shared"]),  # featured ones lead, though Shared is newer
        ("featured", ["Recommended", "Own featured"]),
    ],
)
def test_the_three_lists(by_owner, library, scope, expected):
    page = read(by_owner.get(f"/isos/?scope={scope}"))
    assert rows(page) == expected
    (nav,) = find(page, aria_label="Whose images")
    tabs = {node.text(): node for node in nav.all("a")}
    assert [tab.attrs["href"] for tab in tabs.values()] == ["/isos/", "/isos/?scope=public", "/isos/?scope=featured"]
    current = [name for name, tab in tabs.items() if tab.attrs.get("aria-current") == "page"]
    assert current == [{"": "My ISOs", "public": "Public", "featured": "Featured"}[scope]]


def test_others_do_not_learn_how_many_zones_do_not_have_it_yet(by_owner, stranger, as_user, zone_a, zone_b):
    zones = {zone_a: "ready", zone_b: "receiving"}
    iso = make_iso(stranger.account, zones, "Shared", user=stranger, is_public=True)
    for address in (iso.get_absolute_url(), "/isos/?scope=public"):
        assert " of 2 zones" not in read(by_owner.get(address)).text()
    assert "Available in 1 of 2 zones" in read(as_user(stranger).get(iso.get_absolute_url())).text()


def test_featured_ones_lead_every_order(by_owner, library):
    assert rows(read(by_owner.get("/isos/?scope=public&sort=name"))) == ["Recommended", "Shared"]
    assert rows(read(by_owner.get("/isos/?scope=public&sort=oldest"))) == ["Recommended", "Shared"]


def test_others_images_say_whose_they_are_and_have_no_controls(by_owner, library):
    page = read(by_owner.get("/isos/?scope=public"))
    for row in (node for node in page.walk() if "data-iso-id" in node.attrs):
        assert "Other" in row.text()
        assert not row.all("input")
        assert not row.all("form")
        assert not [node for node in row.walk() if "hx-get" in node.attrs]
    assert not find(page, id="bulk")
    assert not find(page, id="id_state")
    assert not find(page, id="id_owner")


def test_live_updates_and_cleared_filters_stay_in_their_list(by_owner, library):
    page = read(by_owner.get("/isos/?scope=public&q=sha", headers=HTMX))
    assert page.by_id("live").attrs["hx-get"] == "/isos/?scope=public&q=sha"
    page = read(by_owner.get("/isos/?scope=public&q=zzz"))
    assert [node.attrs["href"] for node in page.all("a") if node.text() == "Clear filters"] == ["/isos/?scope=public"]
    assert page.by_id("id_scope").attrs["value"] == "public"


@pytest.mark.parametrize("scope", ["public", "featured"])
def test_empty_lists_say_what_would_be_there(by_owner, zone_a, scope):
    page = read(by_owner.get(f"/isos/?scope={scope}"))
    assert page.one("h2").text() == f"No {scope} ISO images"


def test_what_others_have_not_ready_is_nobodys_business(by_owner, stranger, zone_a, zone_b):
    make_iso(stranger.account, {zone_a: "ready", zone_b: "failed"}, "Shared", user=stranger, is_public=True)
    assert rows(read(by_owner.get("/isos/?scope=public&zone=zone-a"))) == ["Shared"]
    assert rows(read(by_owner.get("/isos/?scope=public&zone=zone-b"))) == []


def test_administrators_list_what_users_do_and_open_everything(as_user, admin_user, library, account):
    client = as_user(admin_user)
    assert rows(read(client.get("/isos/"))) == []
    assert set(rows(read(client.get("/isos/?scope=public")))) == {"Recommended", "Shared", "Own public"}
    private = account.isos.get(name="Own")
    page = read(client.get(private.get_absolute_url()))
    assert "Demo" in page.by_id("live").text()


def test_cost(by_owner, stranger, zone_a, zone_b):
    for number in range(25):
        make_iso(
            stranger.account, {zone_a: "ready", zone_b: "ready"}, user=stranger, is_public=True, is_featured=number < 5
        )
    by_owner.get("/isos/?scope=public")
    with counted("isos list, public ones"):
        assert len(rows(read(by_owner.get("/isos/?scope=public")))) == 25

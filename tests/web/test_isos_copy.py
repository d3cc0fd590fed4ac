"""Copy ISO: the popup's zones, what is refused and why, and what the rows say while it copies."""

import pytest

from isos.models import Iso, Operation, Replica
from quotas.models import QuotaLimit, Reservation
from tests.conftest import make_file_zone
from tests.factories import GB, make_iso
from tests.web.conftest import HTMX, find, read
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def zone_c(tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c")


@pytest.fixture
def iso(account, zone_a, zone_b, zone_c):
    return make_iso(account, {zone_a: "ready"}, "Debian", size=GB)


def popup(client, iso, status=200, **headers):
    return read(client.get(f"/isos/{iso.public_id}/copy/", headers=headers), status)


def copy(client, iso, *slugs, headers=None):
    return client.post(f"/isos/{iso.public_id}/copy/", {"zones": slugs}, headers=headers or {})


def boxes(page):
    """Slug of each zone with what holds of its checkbox."""
    return {
        box.attrs["value"]: {name for name in ("checked", "disabled") if name in box.attrs}
        for box in find(page, name="zones")
    }


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "popup"])
def test_zones_that_hold_it_are_ticked_and_closed_ones_say_why(by_owner, iso, zone_b, headers):
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance", state_reason="New disks until Friday")
    page = popup(by_owner, iso, **headers)
    assert boxes(page) == {"zone-a": {"checked", "disabled"}, "zone-b": {"disabled"}, "zone-c": set()}
    for said in ("Already here", "New disks until Friday", "+ 1.00 GB", "stays usable in zone-a while it copies"):
        assert said in page.text()


def test_a_zone_that_is_switched_off_is_not_offered(by_owner, iso, zone_a, zone_b):
    Zone.objects.update(state="disabled")
    assert set(boxes(popup(by_owner, iso))) == {"zone-a"}


@pytest.mark.parametrize(
    ("state", "words"),
    [("failed", "Failed, choose Retry there"), ("deleting", "Being deleted"), ("verifying", "On its way")],
)
def test_zones_where_something_is_going_on(by_owner, account, zone_a, zone_b, state, words):
    page = popup(by_owner, make_iso(account, {zone_a: "ready", zone_b: state}))
    assert boxes(page)["zone-b"] == {"disabled"}
    assert words in page.text()


def test_one_operation_for_each_zone(by_owner, iso, zone_b, zone_c):
    answer = copy(by_owner, iso, "zone-b", "zone-c")
    assert answer.status_code == 302
    assert {(one.kind, one.zone, one.state) for one in Operation.objects.all()} == {
        ("copy", zone_b, "queued"),
        ("copy", zone_c, "queued"),
    }
    page = read(by_owner.get("/isos/"))
    assert "Copying “Debian” to zone-b and zone-c." in page.text()
    chips = {node.attrs["data-zone"]: node.attrs["data-state"] for node in page.walk() if "data-zone" in node.attrs}
    assert chips == {"zone-a": "ready", "zone-b": "queued", "zone-c": "queued"}


def test_nothing_ticked(by_owner, iso):
    page = read(copy(by_owner, iso), 422)
    assert "Select at least one zone." in page.text()
    assert not Operation.objects.exists()


def test_one_zone_that_closed_meanwhile_starts_nothing(by_owner, iso, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance")
    page = read(copy(by_owner, iso, "zone-b", "zone-c", headers=HTMX), 422)
    assert "takes no new images now" in page.by_id("zone-error-zone-b").text()
    assert "checked" in boxes(page)["zone-c"], "what was ticked stays so"
    assert not Operation.objects.exists()


def test_no_room_for_all_of_them(by_owner, account, iso):
    QuotaLimit.objects.create(account=account, max_bytes=int(2.5 * GB))
    page = read(copy(by_owner, iso, "zone-b", "zone-c"), 422)
    assert "is free" in page.text()
    assert Replica.objects.count() == Reservation.objects.count() == 1


def test_an_iso_that_is_ready_nowhere(by_owner, account, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "receiving"})
    page = popup(by_owner, iso)
    assert "This ISO is Ready in no zone yet." in page.text()
    (button,) = [node for node in page.by_id("copy-form").all("button") if node.attrs["type"] == "submit"]
    assert "disabled" in button.attrs
    assert "Wait until it is Ready in one" in read(copy(by_owner, iso, "zone-b"), 422).text()


def test_who_sees_the_button(by_owner, as_user, stranger, account, owner, zone_a, zone_b):
    ready = make_iso(account, {zone_a: "ready"}, "Ready", is_public=True)
    moving = make_iso(account, {zone_a: "receiving"}, "Moving", user=owner)
    links = [link.attrs["aria-label"] for link in read(by_owner.get("/isos/")).all("a") if "aria-label" in link.attrs]
    assert "Copy ISO Ready" in links
    assert "Copy ISO Moving" not in links
    theirs = read(as_user(stranger).get("/isos/"))
    assert not [link for link in theirs.all("a") if "copy/" in link.attrs.get("href", "")]
    assert not find(theirs, name="iso"), "nor can they be selected"
    assert "Copy ISO" in read(by_owner.get(ready.get_absolute_url())).text()
    assert "Copy ISO" not in read(by_owner.get(moving.get_absolute_url())).text()


def test_one_copy_is_cancelled_and_the_others_go_on(by_owner, iso, zone_b, zone_c):
    copy(by_owner, iso, "zone-b", "zone-c")
    page = read(by_owner.get(iso.get_absolute_url()))
    buttons = [node.attrs.get("aria-label") for node in page.all("button")]
    assert {"Cancel copy of Debian", "Cancel copy of Debian to zone-b", "Cancel copy of Debian to zone-c"} <= set(
        buttons
    )
    by_owner.post(f"/isos/{iso.public_id}/cancel/", {"zone": "zone-b"})
    assert {one.zone.slug: str(one.state) for one in Replica.objects.all()} == {
        "zone-a": "ready", "zone-b": "deleting", "zone-c": "queued",
    }  # fmt: skip
    text = read(by_owner.get("/isos/")).text()
    assert "Cancelled “Debian” in zone-b." in text


def test_a_zone_that_is_not_of_this_iso_cancels_nothing(by_owner, iso):
    copy(by_owner, iso, "zone-b")
    by_owner.post(f"/isos/{iso.public_id}/cancel/", {"zone": "nowhere"})
    assert not Replica.objects.filter(state="deleting").exists()
    assert Iso.objects.get().replicas.count() == 2

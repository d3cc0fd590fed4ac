"""Several ISOs at once: who may, what the forms say, what is begun and what is refused."""

import uuid

import pytest

from isos.models import Event, Iso, Operation, Replica
from quotas.models import QuotaLimit
from tests.factories import GB, make_iso
from tests.web.conftest import HTMX, find, read
from zones.models import Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def isos(account, zone_a, zone_b):
    return [
        make_iso(account, {zone_a: "ready"}, "Debian", size=GB),
        make_iso(account, {zone_a: "ready", zone_b: "ready"}, "FreeBSD", size=2 * GB),
        make_iso(account, {zone_a: "failed"}, "Broken", size=4 * GB),
    ]


def ids(isos):
    return [str(iso.public_id) for iso in isos]


def show(client, verb, isos, **headers):
    return client.get(f"/isos/bulk/{verb}/", {"iso": ids(isos)}, headers=headers)


def post(client, verb, isos, *zones, **fields):
    return client.post(f"/isos/bulk/{verb}/", {"iso": ids(isos), "zones": zones} | fields)


def told(client):
    """The messages on the next page."""
    return read(client.get("/isos/")).by_id("messages").text()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "popup"])
def test_what_a_copy_would_bring_to_each_zone(by_owner, isos, headers):
    page = read(show(by_owner, "copy", isos, **headers))
    assert [node.attrs["value"] for node in find(page, name="iso")] != []
    zones = {node.attrs["value"]: node.attrs for node in find(page, name="zones")}
    assert "disabled" in zones["zone-a"], "all that could be copied is there"
    assert zones["zone-b"]["data-bytes"] == str(GB)
    assert "1 image, 1 there already" in page.text()
    assert "+ 1.00 GB" in page.text()


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "popup"])
def test_what_a_delete_would_free_in_each_zone(by_owner, isos, headers):
    text = read(show(by_owner, "delete", isos, **headers)).text()
    for words in ("3 images, frees 3.00 GB", "1 image, frees 2.00 GB", "Debian", "FreeBSD", "Broken"):
        assert words in text


def test_copying_what_is_missing(by_owner, isos, zone_b):
    post(by_owner, "copy", isos, "zone-b")
    assert [(one.kind, one.iso_name, one.zone) for one in Operation.objects.all()] == [("copy", "Debian", zone_b)]
    said = told(by_owner)
    assert "Copying 1 image." in said
    assert "“FreeBSD”: It is in all of these zones already." in said
    assert "“Broken”: No zone holds this ISO ready to be copied." in said


def test_one_that_does_not_fit_stops_no_other(by_owner, account, isos, zone_b):
    make_iso(account, {zone_b: "ready"}, "Small", size=1000)
    QuotaLimit.objects.create(account=account, max_bytes=5 * GB + 10_000)
    post(by_owner, "copy", Iso.objects.filter(name__in=["Debian", "Small"]), "zone-a", "zone-b")
    assert [one.iso_name for one in Operation.objects.all()] == ["Small"]
    assert "“Debian”: This ISO needs" in told(by_owner)


def test_delete_needs_the_word_and_a_zone(by_owner, isos):
    page = read(post(by_owner, "delete", isos, "zone-a", confirmation="yes"), 422)
    assert "Type the word confirm to delete." in page.by_id("confirmation-error").text()
    assert page.by_id("confirmation").attrs["value"] == "yes"
    assert {node.attrs["value"] for node in find(page, name="zones") if "checked" in node.attrs} == {"zone-a"}
    assert "Select at least one zone." in read(post(by_owner, "delete", isos, confirmation="confirm"), 422).text()
    assert not Operation.objects.exists()


def test_deleting_in_one_zone_of_two(by_owner, isos, zone_a, zone_b):
    post(by_owner, "delete", isos, "zone-b", confirmation="confirm")
    assert [(one.iso.name, one.zone) for one in Replica.objects.filter(state="deleting")] == [("FreeBSD", zone_b)]
    assert "Deleting 1 image." in told(by_owner)


def test_deleting_everywhere(by_owner, isos):
    post(by_owner, "delete", isos, "zone-a", "zone-b", confirmation="confirm")
    assert set(Replica.objects.values_list("state", flat=True)) == {"deleting"}


@pytest.mark.parametrize("verb", ["copy", "delete"])
def test_what_is_not_yours_is_left_out(by_owner, as_user, stranger, zone_a, zone_b, isos, verb):
    theirs = make_iso(stranger.account, {zone_a: "ready"}, "Theirs", user=stranger, is_public=True)
    assert "Theirs" not in read(show(by_owner, verb, [*isos, theirs])).text()
    post(by_owner, verb, [*isos, theirs], "zone-a", "zone-b", confirmation="confirm")
    assert not Operation.objects.filter(iso_name="Theirs").exists()
    assert show(by_owner, verb, [theirs]).status_code == 404
    assert post(by_owner, verb, [theirs], "zone-b", confirmation="confirm").status_code == 404
    assert by_owner.get(f"/isos/bulk/{verb}/", {"iso": ["x", str(uuid.uuid4())]}).status_code == 404


def test_a_closed_zone_is_refused_for_each(by_owner, isos, zone_b):
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance")
    post(by_owner, "copy", isos[:1], "zone-b")
    assert "takes no new images now" in told(by_owner)
    assert not Operation.objects.exists()


def test_a_long_choice_names_the_first_five(by_owner, account, zone_a):
    many = [make_iso(account, {zone_a: "ready"}, f"Image {number}") for number in range(7)]
    assert "and 2 more" in read(show(by_owner, "delete", many)).text()
    post(by_owner, "copy", many, "zone-a")
    assert "2 images more were refused" in told(by_owner)


@pytest.mark.parametrize("verb", ["copy", "delete"])
def test_ids_of_other_accounts_are_refused_and_written_down(by_owner, stranger, zone_a, isos, verb):
    theirs = [make_iso(stranger.account, {zone_a: "ready"}, f"Theirs {n}", is_public=bool(n)) for n in range(2)]
    show(by_owner, verb, [*theirs, *isos])
    assert not Event.objects.filter(verb="refused").exists()  # looking tries nothing
    post(by_owner, verb, [*theirs, isos[0]])
    assert post(by_owner, verb, theirs).status_code == 404
    mixed, alone = Event.objects.filter(verb="refused").order_by("id")
    assert mixed.data["reason"] == alone.data["reason"] == "2 images of other accounts, chosen with the own ones."
    assert (mixed.actor.username, mixed.account, mixed.address) == ("owner", isos[0].account, "127.0.0.1")
    assert Replica.objects.filter(iso__in=theirs, state="ready").count() == 2


def test_ids_that_are_gone_are_no_attempt(by_owner, isos):
    by_owner.post("/isos/bulk/copy/", {"iso": [str(uuid.uuid4()), *ids(isos)]})
    assert not Event.objects.filter(verb="refused").exists()

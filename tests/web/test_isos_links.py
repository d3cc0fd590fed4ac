"""Download links: for whoever has them, for a while, until they are revoked."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from isos import dependants
from isos.actions.share import MOST_OPEN, hash_of
from isos.fetching.places import Places
from isos.models import DownloadLink, Event, Iso
from isos.views import serving
from portal.accounts.models import User
from portal.accounts.roles import Role
from tests import media
from tests.factories import make_iso
from tests.isos.conftest import (
    actor,  # noqa: F401 -- a fixture
    start,  # noqa: F401 -- a fixture
)
from tests.isos.copies import uploaded
from tests.web.conftest import read

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session")
def image():
    return media.iso("LINKED", bios=True, padding=300_000)


@pytest.fixture
def iso(start, image, zone_a):  # noqa: F811
    iso = uploaded(start, image, zone_a, name="Debian")
    Iso.objects.update(is_extractable=True)
    iso.refresh_from_db()
    return iso


def page_of(iso):
    return f"{iso.get_absolute_url()}links/"


def make(client, iso, lasts=24):
    """The address of a new link, below the portal's own."""
    page = read(client.post(page_of(iso), {"lasts": lasts}), 201)
    return page.by_id("new-link").text().removeprefix("http://testserver")


def test_a_link_is_shown_once_and_works_without_signing_in(by_owner, iso, image, owner):
    address = make(by_owner, iso)
    assert address not in read(by_owner.get(page_of(iso))).text()
    link = DownloadLink.objects.get()
    token = address.strip("/").rpartition("/")[2]
    assert (link.token_hash, link.token_end) == (hash_of(token), token[-4:])
    assert timedelta(hours=23) < link.expires_at - timezone.now() < timedelta(hours=25)
    response = Client().get(address)
    assert b"".join(response.streaming_content) == image
    part = Client().get(address, headers={"Range": "bytes=100-", "If-Range": response.headers["ETag"]})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, image[100:])
    assert Client().head(address).headers["X-Robots-Tag"] == "noindex"
    link.refresh_from_db()
    assert (link.uses, link.last_used_at is None) == (1, False)
    made, used = Event.objects.filter(verb__in=["link_made", "downloaded"]).order_by("id")
    assert (made.actor, used.actor, used.actor_name) == (owner, None, "Somebody with the link")
    assert used.address == "127.0.0.1"
    assert token not in str(made.data) + str(used.data)


def test_beginning_again_and_again_is_one_line(by_owner, iso):
    address = make(by_owner, iso)
    for _ in range(3):
        list(Client().get(address).streaming_content)
    assert DownloadLink.objects.get().uses == 3
    assert Event.objects.filter(verb="downloaded").count() == 1


def test_all_but_the_first_byte_is_a_use_too(by_owner, iso, image):
    address = make(by_owner, iso)
    for _ in range(2):
        part = Client().get(address, headers={"Range": "bytes=1-"})
        assert b"".join(part.streaming_content) == image[1:]
    assert DownloadLink.objects.get().uses == 1
    assert Event.objects.filter(verb="downloaded").count() == 1


def test_links_are_no_places_of_their_own(by_owner, iso, monkeypatch):
    monkeypatch.setattr(serving, "_places", Places(total=9, each=1))
    addresses = [make(by_owner, iso) for _ in range(2)]
    first = Client().get(addresses[0])
    assert first.status_code == 200
    assert Client().get(addresses[1]).status_code == 503
    assert by_owner.get(f"{iso.get_absolute_url()}download/").status_code == 503
    list(first.streaming_content)
    assert list(Client().get(addresses[1]).streaming_content)


def test_revoked(by_owner, iso):
    address = make(by_owner, iso)
    link = DownloadLink.objects.get()
    (form,) = (form for form in read(by_owner.get(page_of(iso))).all("form") if "revoke" in form.attrs["action"])
    assert by_owner.post(form.attrs["action"]).headers["Location"] == page_of(iso)
    page = read(Client().get(address), 410)
    assert "This download link was revoked. Ask whoever sent it for a new one." in page.text()
    assert Client().get(address, headers={"Accept": "application/json"}).json()["code"] == "link_ended"
    assert "was not open any more" in read(by_owner.post(form.attrs["action"], follow=True)).text()
    events = Event.objects.filter(verb="link_revoked")
    assert [event.data["link"] for event in events] == [str(link.public_id)]


def test_expired(by_owner, iso):
    address = make(by_owner, iso)
    DownloadLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    page = read(Client().get(address), 410)
    assert "This download link expired on " in page.text()
    assert "Expired " in read(by_owner.get(page_of(iso))).text()


def test_what_is_not_extractable_any_more(by_owner, iso):
    address = make(by_owner, iso)
    Iso.objects.update(is_extractable=False)
    assert Client().get(address).status_code == 410
    assert by_owner.get(page_of(iso)).status_code == 403
    assert by_owner.post(page_of(iso), {"lasts": 1}).status_code == 403
    assert DownloadLink.objects.count() == 1


def test_tokens_that_never_were(by_owner, iso):
    address = make(by_owner, iso)
    for wrong in (
        address[:-2] + ("A/" if address[-2] != "A" else "B/"),
        "/isos/links/x/",
        f"/isos/links/{'a' * 5000}/",
    ):
        assert Client().get(wrong).status_code == 404
    assert Client().post(address).status_code == 405


@pytest.mark.parametrize("lasts", ["", "0", "-1", "2", "721", "x", "99999999999999999999"])
def test_times_that_are_no_choice(by_owner, iso, lasts):
    page = read(by_owner.post(page_of(iso), {"lasts": lasts}), 422)
    assert page.by_id("id_lasts_error").text()
    assert not DownloadLink.objects.exists()


def test_there_is_an_end_to_links(by_owner, iso):
    soon = timezone.now() + timedelta(hours=1)
    for number in range(MOST_OPEN):
        DownloadLink.objects.create(iso=iso, token_hash=f"{number:064}", token_end="abcd", expires_at=soon)
    assert "Revoke some first" in read(by_owner.post(page_of(iso), {"lasts": 1}), 422).text()


def test_who_may_make_them(as_user, teammate, stranger, account, iso):
    reader = User.objects.create_user("reader", account=account, role=Role.READ_ONLY)
    Iso.objects.update(is_public=True)
    make(as_user(teammate), iso)
    link = DownloadLink.objects.get()
    for user, status in ((reader, 403), (stranger, 404)):
        client = as_user(user)
        assert client.get(page_of(iso)).status_code == status
        assert client.post(page_of(iso), {"lasts": 1}).status_code == status
        assert client.post(f"{page_of(iso)}{link.public_id}/revoke/").status_code == status
        assert "Download links" not in read(client.get(iso.get_absolute_url())).by_id("live").text()
    assert DownloadLink.objects.get().is_open


def test_a_link_of_another_iso(by_owner, iso, account, owner, zone_a):
    make(by_owner, iso)
    other = make_iso(account, {zone_a: "ready"}, user=owner, is_extractable=True)
    assert by_owner.post(f"{page_of(other)}{DownloadLink.objects.get().public_id}/revoke/").status_code == 404
    assert DownloadLink.objects.get().is_open


def test_links_go_with_their_iso(by_owner, iso):
    address = make(by_owner, iso)
    iso.replicas.all().delete()
    assert Client().get(address).status_code == 409
    Iso.objects.all().delete()
    assert Client().get(address).status_code == 404


def test_they_count_as_use(by_owner, iso):
    assert dependants.uses_of(iso) == []
    make(by_owner, iso)
    make(by_owner, iso, lasts=168)
    (said,) = dependants.uses_of(iso)
    assert said.startswith("2 download links are open until ")
    DownloadLink.objects.update(revoked_at=timezone.now())
    assert dependants.uses_of(iso) == []

"""Downloads: real bytes of real stores, parts of them, their headers, and who gets none."""

import base64
import hashlib
import socket
import urllib.request
from contextlib import closing

import pytest
from django.test import Client

from isos.fetching.places import Places
from isos.models import Event, Iso, Replica
from isos.views import serving
from portal.accounts.models import User
from portal.accounts.roles import Role
from tests import media
from tests.factories import make_iso
from tests.isos.conftest import (
    actor,  # noqa: F401 -- a fixture
    start,  # noqa: F401 -- a fixture
)
from tests.isos.copies import any_zone, path_of, put_ready, replica_in, s3_zone, uploaded
from tests.s3 import s3_server
from tests.web.conftest import read
from zones.models import Zone

__all__ = ["s3_server"]  # a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session")
def image():
    return media.iso("DOWNLOAD", bios=True, padding=700_000)


@pytest.fixture
def iso(start, image, zone_a):  # noqa: F811
    iso = uploaded(start, image, zone_a, name="Debian 13")
    Iso.objects.update(is_extractable=True)
    iso.refresh_from_db()
    return iso


def path(iso):
    return f"{iso.get_absolute_url()}download/"


def body(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def leave(response):
    """What a server does where the client goes away."""
    response._resource_closers[0]()


def test_the_file_with_its_headers(by_owner, iso, image):
    response = by_owner.get(path(iso))
    digest = hashlib.sha256(image)
    assert response.status_code == 200
    assert body(response) == image
    assert response.headers["Content-Length"] == str(len(image))
    assert response.headers["Content-Disposition"] == 'attachment; filename="Debian 13.iso"'
    assert response.headers["Content-Type"] == "application/x-iso9660-image"
    assert response.headers["X-Checksum-Sha256"] == digest.hexdigest()
    assert response.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert response.headers["ETag"] == f'"{digest.hexdigest()}"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "private" in response.headers["Cache-Control"]


@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=1000-", "bytes=-500", "bytes=300000-600000", "bytes=5-99999999"])
def test_a_part(by_owner, iso, image, asked):
    response = by_owner.get(path(iso), headers={"Range": asked})
    first, _, last = asked.removeprefix("bytes=").partition("-")
    expected = image[int(first) : int(last) + 1 if last else None] if first else image[-int(last) :]
    assert response.status_code == 206
    assert body(response) == expected
    assert response.headers["Content-Length"] == str(len(expected))
    at = int(first or len(image) - int(last))
    assert response.headers["Content-Range"] == f"bytes {at}-{at + len(expected) - 1}/{len(image)}"


def test_a_download_that_broke_goes_on(by_owner, iso, image):
    first = by_owner.get(path(iso))
    got = next(iter(first.streaming_content))
    leave(first)
    assert 0 < len(got) < len(image)
    headers = {"Range": f"bytes={len(got)}-", "If-Range": first.headers["ETag"]}
    rest = by_owner.get(path(iso), headers=headers)
    assert rest.status_code == 206
    assert got + body(rest) == image
    assert Event.objects.filter(verb="downloaded").count() == 1, "going on is no second download"
    other = by_owner.get(path(iso), headers=headers | {"If-Range": '"another"'})
    assert (other.status_code, body(other)) == (200, image)
    dated = by_owner.get(path(iso), headers=headers | {"If-Range": first.headers["Last-Modified"]})
    assert dated.status_code == 206
    leave(dated)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Range": "bytes=99999999-"}, 416),
        ({"Range": "bytes=-0"}, 416),
        ({"Range": "bytes=0-1,4-5"}, 200),
        ({"If-None-Match": "{etag}"}, 304),
        ({"If-None-Match": '"another"'}, 200),
        ({"If-Match": "{etag}"}, 200),
        ({"If-Match": '"another"'}, 412),
        ({"If-Modified-Since": "{modified}"}, 304),
        ({"If-Unmodified-Since": "Thu, 01 Jan 2015 00:00:00 GMT"}, 412),
    ],
)
def test_conditions(by_owner, iso, image, headers, status):
    head = by_owner.head(path(iso)).headers
    known = {"etag": head["ETag"], "modified": head["Last-Modified"]}
    response = by_owner.get(path(iso), headers={name: value.format(**known) for name, value in headers.items()})
    assert response.status_code == status
    if status == 416:
        assert response.headers["Content-Range"] == f"bytes */{len(image)}"
    if status == 304:
        assert response.headers["ETag"] == head["ETag"]
    assert body(response) == (image if status == 200 else b"")


def test_head_says_all_and_sends_nothing(by_owner, iso, image):
    response = by_owner.head(path(iso), headers={"Range": "bytes=5-9"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(len(image))
    assert response.headers["ETag"]
    assert not Event.objects.filter(verb="downloaded").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ('a "b" \\ c', 'attachment; filename="a -b- - c.iso"'),
        ("../../etc/passwd", 'attachment; filename="etc-passwd.iso"'),
        ("disc.ISO", 'attachment; filename="disc.ISO"'),
        ("Grüße", "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.iso"),
        ("...", 'attachment; filename="image.iso"'),
    ],
)
def test_names_that_browsers_can_keep(by_owner, iso, name, said):
    Iso.objects.update(name=name)
    assert by_owner.head(path(iso)).headers["Content-Disposition"] == said


def test_the_zone_that_is_asked_for(by_owner, iso, zone_b):
    assert by_owner.head(f"{path(iso)}?zone=zone-a").status_code == 200
    assert by_owner.head(f"{path(iso)}?zone=zone-b").status_code == 404


@pytest.fixture
def in_both(iso, image, zone_b):
    put_ready(Replica.objects.create(iso=iso, zone=zone_b), image, iso.sha256)
    return iso


def test_a_zone_that_is_away_is_passed_over(by_owner, in_both, image, zone_a):
    path_of(replica_in(in_both, zone_a)).unlink()
    assert body(by_owner.get(path(in_both))) == image


def test_a_zone_that_goes_away_half_way_hands_over(by_owner, in_both, image, zone_a):
    stored = path_of(replica_in(in_both, zone_a))
    with stored.open("r+b") as file:
        file.truncate(300_000)
    assert body(by_owner.get(path(in_both))) == image
    assert body(by_owner.get(path(in_both), headers={"Range": "bytes=100-"})) == image[100:]


def test_nothing_that_could_be_sent(by_owner, iso, zone_a):
    path_of(replica_in(iso, zone_a)).unlink()
    page = read(by_owner.get(path(iso)), 404)
    assert "no longer in the zone" in page.text()
    Zone.objects.update(state="disabled")
    page = read(by_owner.get(path(iso)), 409)
    assert "ready in no zone right now" in page.text()


def test_no_place_is_lost_and_too_many_are_told_to_wait(by_owner, iso, image, monkeypatch):
    monkeypatch.setattr(serving, "_places", Places(total=2, each=1))
    first = by_owner.get(path(iso))
    busy = by_owner.get(path(iso))
    assert busy.status_code == 503
    assert busy.headers["Retry-After"] == "15"
    assert "Many downloads are running" in read(busy, 503).text()
    assert by_owner.head(path(iso)).status_code == 200
    leave(first)  # before a byte was asked for
    for headers in ({}, {"Range": "bytes=9-"}, {}):
        response = by_owner.get(path(iso), headers=headers)
        assert response.status_code in (200, 206)
        body(response)


def test_a_store_that_fails_gives_its_place_back(by_owner, iso, zone_a, monkeypatch):
    monkeypatch.setattr(serving, "_places", Places(total=1, each=1))
    stored = path_of(replica_in(iso, zone_a))
    away = stored.rename(stored.with_suffix(".away"))
    assert [by_owner.get(path(iso)).status_code for _ in range(3)] == [404] * 3
    away.rename(stored)
    assert body(by_owner.get(path(iso)))


def test_a_client_that_takes_nothing_is_cut_off(by_owner, iso, monkeypatch):
    monkeypatch.setattr(serving, "PIECE_SECONDS", 0.1)
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        theirs.settimeout(30)
        response = by_owner.get(path(iso), **{"gunicorn.socket": ours})
        assert next(iter(response.streaming_content))
        assert theirs.recv(1) == b"", "the line is shut down"
        leave(response)


# --- who gets it -----------------------------------------------------------------------------------


def test_what_is_not_extractable_is_for_nobody(by_owner, as_user, stranger, admin_user, iso):
    Iso.objects.update(is_extractable=False, is_public=True)
    page = read(by_owner.get(path(iso)), 403)
    assert "not extractable" in page.text()
    assert as_user(admin_user).get(path(iso)).status_code == 403
    assert as_user(stranger).get(path(iso)).status_code == 404
    for client in (by_owner, as_user(stranger)):
        assert "Download" not in read(client.get(iso.get_absolute_url())).by_id("live").text()


def test_strangers_download_what_is_public_and_are_named_by_their_account(as_user, stranger, iso, image):
    client = as_user(stranger)
    assert client.get(path(iso)).status_code == 404
    Iso.objects.update(is_public=True)
    assert body(client.get(path(iso))) == image
    event = Event.objects.get(verb="downloaded")
    assert (event.actor_name, event.actor, event.address) == ("Account Other", None, None)
    assert event.account == iso.account
    live = read(client.get(iso.get_absolute_url())).by_id("live")
    assert [node.text() for node in live.all("a") if node.text()] == ["Download"]


def test_strangers_cannot_fill_the_activity_of_others(as_user, stranger, iso):
    Iso.objects.update(is_public=True)
    client = as_user(stranger)
    for _ in range(3):
        body(client.get(path(iso), headers={"Range": "bytes=0-0"}))
    assert Event.objects.filter(verb="downloaded").count() == 1


def test_all_but_the_first_byte_is_a_download_too(by_owner, as_user, teammate, iso, image):
    for client in (by_owner, by_owner, as_user(teammate)):
        assert body(client.get(path(iso), headers={"Range": "bytes=1-"})) == image[1:]
    assert Event.objects.filter(verb="downloaded").count() == 2, "one of each user"


def test_readers_download(as_user, account, iso, image):
    reader = User.objects.create_user("reader", account=account, role=Role.READ_ONLY)
    assert body(as_user(reader).get(path(iso))) == image
    assert Event.objects.get(verb="downloaded").actor == reader


def test_nobody_is_asked_to_sign_in(iso):
    assert Client().get(path(iso)).headers["Location"] == f"/accounts/login/?next={path(iso)}"


def test_what_is_not_ready_has_no_button(by_owner, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, user=owner, is_extractable=True)
    assert "Download" not in read(by_owner.get(iso.get_absolute_url())).by_id("live").text()
    assert by_owner.get(path(iso)).status_code == 409


# --- other ways of the bytes -----------------------------------------------------------------------


def test_any_storage_is_streamed(by_owner, iso, image, tmp_path):
    zone = any_zone("plain", tmp_path / "plain")
    put_ready(Replica.objects.create(iso=iso, zone=zone), image, iso.sha256)
    response = by_owner.get(f"{path(iso)}?zone=plain", headers={"Range": "bytes=1000-"})
    assert (response.status_code, body(response)) == (206, image[1000:])


def test_by_a_proxy_in_front(by_owner, iso, settings, zone_a):
    settings.DOWNLOAD_ACCEL_PREFIX = "/zones-of-the-portal/"
    response = by_owner.get(path(iso), headers={"Range": "bytes=5-"})
    replica = replica_in(iso, zone_a)
    assert response.headers["X-Accel-Redirect"] == f"/zones-of-the-portal/zone-a/{replica.key}"
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["X-Checksum-Sha256"] == iso.sha256
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert path_of(replica).as_posix() == f"{zone_a.options['location']}/{replica.key}"
    path_of(replica).unlink()
    assert by_owner.get(path(iso)).status_code == 404


@pytest.mark.services
def test_s3_serves_it_itself_unless_the_zone_says_no(by_owner, iso, image, s3_server):
    zone = s3_zone("cloud", s3_server)
    put_ready(Replica.objects.create(iso=iso, zone=zone), image, iso.sha256)
    response = by_owner.get(f"{path(iso)}?zone=cloud")
    assert response.status_code == 302
    assert response.headers["X-Checksum-Sha256"] == iso.sha256
    address = response.headers["Location"]
    assert address.startswith(s3_server.endpoint_url)
    request = urllib.request.Request(address, headers={"Range": "bytes=1000-"})
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read()) == (206, image[1000:])
        assert answer.headers["Content-Disposition"] == 'attachment; filename="Debian 13.iso"'
    assert by_owner.head(f"{path(iso)}?zone=cloud").headers["Content-Length"] == str(len(image))
    Zone.objects.filter(pk=zone.pk).update(direct_downloads=False)
    response = by_owner.get(f"{path(iso)}?zone=cloud", headers={"Range": "bytes=1000-"})
    assert (response.status_code, body(response)) == (206, image[1000:])

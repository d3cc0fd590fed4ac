"""Bytes of extractable ISOs by a token, and links that a program makes for others."""

import uuid

import pytest
from django.test import Client

from isos.models import DownloadLink, Event, Iso
from tests import media
from tests.api.conftest import refused
from tests.isos.conftest import (
    actor,  # noqa: F401 -- a fixture
    start,  # noqa: F401 -- a fixture
)
from tests.isos.copies import uploaded


@pytest.fixture(scope="module")
def image():
    return media.iso("API", bios=True, padding=300_000)


@pytest.fixture
def iso(start, image, zone_a):  # noqa: F811
    iso = uploaded(start, image, zone_a, name="Debian 13")
    Iso.objects.update(is_extractable=True)
    return iso


def body(response):
    return b"".join(response.streaming_content)


def path(iso, verb):
    return f"/isos/{iso.public_id}/{verb}"


def test_the_file_and_a_part_of_it(program, owner, iso, image):
    one = program(owner, "read")
    whole = one.get(path(iso, "download"))
    assert (whole.status_code, body(whole)) == (200, image)
    part = one.send("get", path(iso, "download"), Range="bytes=100-199")
    assert (part.status_code, body(part)) == (206, image[100:200])
    beyond = one.send("get", path(iso, "download"), Range=f"bytes={len(image)}-")
    refused(beyond, 416, "range")
    assert beyond["Content-Range"] == f"bytes */{len(image)}"
    assert Event.objects.get(verb="downloaded").actor_name == "owner (API token read 0)"


def test_what_is_not_extractable(by_owner, program, stranger, iso):
    Iso.objects.update(is_extractable=False)
    refused(by_owner.get(path(iso, "download")), 403, "not_extractable")
    refused(program(stranger).get(path(iso, "download")), 404, "not_found")
    refused(by_owner.post(path(iso, "links"), {}), 403, "not_extractable")
    assert not DownloadLink.objects.exists()


def test_a_link_from_beginning_to_end(by_owner, iso, image):
    made = by_owner.post(path(iso, "links"), {"lasts": 1})
    assert made.status_code == 201
    address = made.json()["address"]
    assert body(Client().get(address.removeprefix("http://testserver"))) == image
    [link] = by_owner.get(path(iso, "links")).json()
    assert (link["is_open"], link["uses"], link["made_by"]) == (True, 1, "owner")
    assert address.rstrip("/").endswith(link["ends_in"])
    assert "address" not in link
    revoked = by_owner.post(path(iso, f"links/{link['id']}/revoke"), {}).json()
    assert (revoked["is_open"], revoked["revoked_at"] is not None) == (False, True)
    assert Client().get(address.removeprefix("http://testserver")).status_code == 410


@pytest.mark.parametrize("lasts", [0, 2, -1, 10**9, "24", 24.5, True])
def test_times_that_are_no_choice(by_owner, iso, lasts):
    refused(by_owner.post(path(iso, "links"), {"lasts": lasts}), 422, "invalid", "lasts")
    assert not DownloadLink.objects.exists()


def test_links_are_not_for_everybody(program, owner, stranger, iso):
    made = program(owner).post(path(iso, "links"), {}).json()
    refused(program(owner, "read").post(path(iso, "links"), {}), 403, "token_scope")
    other = program(stranger)
    for verb, sent in (("links", None), ("links", {}), (f"links/{made['id']}/revoke", {})):
        refused(other.send("get" if sent is None else "post", path(iso, verb), sent), 404, "not_found")
    refused(program(owner).post(path(iso, f"links/{uuid.uuid4()}/revoke"), {}), 404, "not_found")
    assert DownloadLink.objects.get().is_open

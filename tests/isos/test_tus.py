"""The tus endpoint over HTTP: the protocol, and who may."""

import base64
import hashlib

import pytest
from django.test import Client
from django.urls import reverse

from isos.models import Iso, Replica, Upload
from isos.states import ReplicaState
from quotas.models import Reservation
from tests.isos.conftest import run_all
from zones.models import Zone
from zones.stores.base import StoreFull

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = "application/offset+octet-stream"


def metadata(**fields):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


def patch(client, url, data, offset, **headers):
    return client.patch(url, data, content_type=BYTES, headers=TUS | {"Upload-Offset": str(offset)} | headers)


@pytest.fixture
def create(signed_in, zone_a):
    def create(length, headers=(), data=b"", client=signed_in, **fields):
        fields = {"filename": "debian.iso"} | fields
        return client.post(
            "/uploads/",
            data,
            content_type=BYTES if data else "text/plain",
            headers=TUS | {"Upload-Length": str(length), "Upload-Metadata": metadata(**fields)} | dict(headers),
        )

    return create


def test_options_tells_what_the_server_can(signed_in):
    response = signed_in.options("/uploads/")
    assert response.status_code == 204
    assert response["Tus-Version"] == "1.0.0"
    assert set(response["Tus-Extension"].split(",")) == {
        "creation", "creation-with-upload", "checksum", "expiration", "termination",
    }  # fmt: skip
    assert int(response["Tus-Max-Size"]) > 0


def test_create_append_and_ready(create, signed_in, iso_bytes):
    created = create(len(iso_bytes), name="Debian 13")
    assert created.status_code == 201
    assert created["Upload-Expires"]
    url = created["Location"].removeprefix("http://testserver")
    assert signed_in.head(url, headers=TUS)["Upload-Offset"] == "0"
    half = len(iso_bytes) // 2
    first = patch(signed_in, url, iso_bytes[:half], 0)
    assert (first.status_code, first["Upload-Offset"]) == (204, str(half))
    head = signed_in.head(url, headers=TUS)
    assert (head["Upload-Offset"], head["Upload-Length"]) == (str(half), str(len(iso_bytes)))
    assert head["Cache-Control"] == "no-store"
    assert patch(signed_in, url, iso_bytes[half:], half)["Upload-Offset"] == str(len(iso_bytes))
    run_all()
    iso = Iso.objects.get()
    assert (iso.name, iso.sha256) == ("Debian 13", hashlib.sha256(iso_bytes).hexdigest())
    assert signed_in.head(url, headers=TUS)["Upload-Offset"] == str(len(iso_bytes))


def test_creation_with_upload(create, iso_bytes):
    created = create(len(iso_bytes), data=iso_bytes)
    assert (created.status_code, created["Upload-Offset"]) == (201, str(len(iso_bytes)))
    run_all()
    assert Replica.objects.get().state == ReplicaState.READY


def test_a_checked_part_that_was_damaged_is_not_taken(create, signed_in):
    url = create(10)["Location"]
    good = base64.b64encode(hashlib.sha1(b"12345").digest()).decode()
    assert patch(signed_in, url, b"12x45", 0, **{"Upload-Checksum": f"sha1 {good}"}).status_code == 460
    assert signed_in.head(url, headers=TUS)["Upload-Offset"] == "0"
    assert patch(signed_in, url, b"12345", 0, **{"Upload-Checksum": f"sha1 {good}"}).status_code == 204
    assert patch(signed_in, url, b"6", 5, **{"Upload-Checksum": "crc32 AAAA"}).status_code == 400


def test_termination_leaves_nothing(create, signed_in):
    url = create(10)["Location"]
    patch(signed_in, url, b"12345", 0)
    assert signed_in.delete(url, headers=TUS).status_code == 204
    assert patch(signed_in, url, b"67890", 5).status_code == 410
    run_all()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    assert signed_in.head(url, headers=TUS).status_code == 404


def test_an_upload_that_ended_early_tells_no_offset(create, signed_in, iso_bytes, monkeypatch):
    """The answer to a body that nobody reads to its end is often lost: then HEAD must say that it is over."""
    url = create(len(iso_bytes))["Location"].removeprefix("http://testserver")

    def full(self, chunk):
        raise StoreFull

    monkeypatch.setattr("zones.stores.files.FileStaged.append", full)
    assert patch(signed_in, url, iso_bytes, 0).status_code == 507
    head = signed_in.head(url, headers=TUS)
    assert head.status_code == 410
    assert "Upload-Offset" not in head


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412),
        ({"Upload-Defer-Length": "1"}, 400),
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "ten"}, 400),
        ({"Upload-Length": "0"}, 422),
        ({"Upload-Metadata": "filename !!!"}, 400),
        ({"Upload-Metadata": metadata(filename="setup.exe")}, 422),
        ({"Upload-Metadata": metadata(filename="a.iso", is_featured="on")}, 422),
    ],
)
def test_creations_that_break_a_rule(create, headers, status):
    response = create(10, headers=headers)
    assert response.status_code == status
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()
    assert response.json()["message"].endswith(".")


def test_too_large_is_said_before_a_byte_travels(create, settings):
    response = create(settings.QUOTA_DEFAULTS["max_iso_bytes"] + 1)
    assert response.status_code == 413
    assert "largest allowed" in response.json()["message"]
    assert not Iso.objects.exists()


def test_a_stale_offset_is_409_and_a_wrong_type_415(create, signed_in):
    url = create(10)["Location"]
    assert patch(signed_in, url, b"12345", 3).status_code == 409
    assert (
        signed_in.patch(url, b"1", content_type="text/plain", headers=TUS | {"Upload-Offset": "0"}).status_code == 415
    )
    assert signed_in.put(url, headers=TUS).status_code == 405


@pytest.mark.parametrize("who", ["teammate", "stranger", "admin_user"])
@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE"])
def test_somebody_elses_upload_does_not_exist(create, request, who, method):
    url = create(10)["Location"]
    other = Client()
    other.force_login(request.getfixturevalue(who))
    response = other.generic(method, url, b"x", content_type=BYTES, headers=TUS | {"Upload-Offset": "0"})
    assert response.status_code == 404
    assert Upload.objects.get().offset == 0


def test_without_a_session_it_is_401_and_never_a_redirect(create, db):
    url = create(10)["Location"]
    anonymous = Client()
    for response in (anonymous.head(url, headers=TUS), patch(anonymous, url, b"1", 0), create(5, client=anonymous)):
        assert response.status_code == 401


def test_csrf_is_enforced(create, owner):
    url = create(10)["Location"]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner)
    assert patch(strict, url, b"12345", 0).status_code == 403
    strict.get(reverse("account_login"))
    strict.options("/uploads/")
    token = strict.cookies["csrftoken"].value
    assert patch(strict, url, b"12345", 0, **{"X-CSRFToken": token}).status_code == 204


def test_a_zone_in_maintenance_takes_no_new_images(create, zone_a):
    Zone.objects.update(state=Zone.State.MAINTENANCE)
    response = create(10, zone=zone_a.slug)
    assert response.status_code == 422
    assert "zone" in response.json()["message"]

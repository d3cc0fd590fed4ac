"""Imports from web addresses through the API, from a real server on this machine."""

import hashlib

import pytest

from isos.models import Event, Iso
from quotas.models import QuotaLimit
from tests import media
from tests.api.conftest import refused
from tests.factories import make_iso
from tests.isos.conftest import run_all
from tests.isos.fetching.conftest import operator, site  # noqa: F401 -- fixtures
from tests.isos.fetching.site import File

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def image():
    return media.iso("IMPORTED", bios=True, padding=400_000)


@pytest.fixture(autouse=True)
def mirror(operator, site, image):  # noqa: F811
    site.routes["/image.iso"] = File(image)
    site.routes["/page"] = lambda request: request.answer(b"<!doctype html><html>", Content_Type="text/html")
    return site


@pytest.fixture
def body(mirror, zone_a):
    return {"url": mirror.url(), "name": "Debian", "zones": ["zone-a"], "os_type": "linux"}


def test_from_the_address_to_ready(program, owner, body, image):
    one = program(owner, "write")
    response = one.post("/imports", body)
    assert response.status_code == 201, response.content
    iso = response.json()
    assert (iso["state"], iso["source"], iso["size"]) == ("progress", "url", len(image))
    assert Event.objects.get(verb="import_started").actor == owner
    run_all()
    done = one.get(f"/isos/{iso['id']}").json()
    assert (done["state"], done["sha256"]) == ("ready", hashlib.sha256(image).hexdigest())


def test_several_zones(by_owner, body, zone_b):
    zones = by_owner.post("/imports", body | {"zones": ["zone-a", "zone-b"]}).json()["zones"]
    assert [zone["state"] for zone in zones] == ["queued", "waiting"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"zones": ["nowhere"]}, "zones"),
        ({"zones": []}, "zones"),
        ({"os_version": "windows-11"}, "os_version"),
        ({"checksum": "abc"}, "checksum"),
        ({"url": "ftp://example.org/a.iso"}, "url"),
        ({"url": "http://10.0.0.1/a.iso"}, "url"),
        ({"is_public": "yes"}, "is_public"),
        ({"password_enabled": True}, "password_enabled"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(by_owner, body, change, field):
    refused(by_owner.post("/imports", body | change), 422, "invalid", field)
    assert not Iso.objects.exists()


def test_all_that_is_wrong_is_said_at_once(by_owner, body):
    problem = refused(by_owner.post("/imports", body | {"name": " ", "checksum": "abc"}), 422, "invalid", "name")
    assert {error["field"] for error in problem["errors"]} == {"name", "checksum"}


def test_a_member_can_not_feature(program, teammate, body):
    response = program(teammate).post("/imports", body | {"is_featured": True})
    problem = refused(response, 422, "invalid", "is_featured")
    assert "administrators" in problem["detail"]
    assert not Iso.objects.exists()


def test_a_taken_name(by_owner, account, zone_a, body):
    make_iso(account, {zone_a: "ready"}, "debian")
    problem = by_owner.post("/imports", body)
    assert "“Debian (2)”" in refused(problem, 422, "invalid", "name")["detail"]


def test_no_room(by_owner, account, body, image):
    QuotaLimit.objects.create(account=account, max_bytes=len(image) - 1)
    assert by_owner.post("/imports", body).status_code == 413
    refused(by_owner.post("/address-checks", {"url": body["url"]}), 413, "over_quota")
    assert not Iso.objects.exists()


def test_the_check_of_an_address(by_owner, body, image):
    found = by_owner.post("/address-checks", {"url": body["url"]}).json()
    assert (found["file_name"], found["size"], found["bootable"]) == ("image.iso", len(image), True)
    assert not Iso.objects.exists()


def test_what_is_no_image(by_owner, body, mirror):
    for path, sent in (("/address-checks", {}), ("/imports", body)):
        response = by_owner.post(path, sent | {"url": mirror.url("/page")})
        problem = refused(response, 422, response.json()["code"])
        assert problem["code"] != "invalid"
    assert not Iso.objects.exists()


def test_no_more_checks_than_the_account_may_have(by_owner, settings, body):
    settings.IMPORT_CHECKS_PER_MINUTE = 1
    assert by_owner.post("/address-checks", {"url": body["url"]}).status_code == 200
    response = by_owner.post("/imports", body)
    refused(response, 429, "too_often")
    assert int(response["Retry-After"]) >= 1


def test_looking_is_not_enough(program, owner, body):
    refused(program(owner, "read").post("/imports", body), 403, "token_scope")
    refused(program(owner, "read").post("/address-checks", {"url": body["url"]}), 403, "token_scope")

"""Who gets in: tokens of users, as far as their scope goes, and nobody by a cookie."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from isos.models import Event, Iso
from portal.accounts import tokens
from portal.accounts.api_token import ApiToken, Scope
from quotas.models import RateUse
from tests import media
from tests.api.conftest import Program, refused
from tests.factories import make_iso
from tests.isos.conftest import run_all
from tests.isos.test_tus import BYTES, TUS, metadata

BROWSER = "/accounts/tokens/"


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "ready"}, "Debian", user=owner)


def test_a_token_is_its_user(by_owner, owner):
    me = by_owner.get("/me").json()
    assert (me["username"], me["account"], me["token"]["scope"]) == ("owner", "Demo", "delete")
    token = ApiToken.objects.get()
    assert token.last_used_at is not None
    assert token.last_address == "127.0.0.1"


@pytest.mark.parametrize("secret", ["", "x", "isop_" + "0" * 40, "isop_" + "0" * 39, "\u2014", "isop_" + "\u0660" * 40])
def test_unknown(db, secret):
    response = Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    refused(response, 401, "token_unknown")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", [None, "", "Basic b3duZXI6b3duZXI=", "isop_0"])
def test_none(db, header):
    response = Client().get("/api/v1/me", headers={"Authorization": header} if header is not None else {})
    assert "Authorization: Bearer" in refused(response, 401, "token_unknown")["detail"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda token: ApiToken.objects.update(expires_at=timezone.now()), "token_expired"),
        (lambda token: tokens.revoke(token), "token_revoked"),
        (lambda token: type(token.user).objects.update(is_active=False), "token_user_inactive"),
    ],
)
def test_good_no_longer(by_owner, change, code):
    assert by_owner.get("/me").status_code == 200
    change(ApiToken.objects.get())
    problem = refused(by_owner.get("/me"), 401, code)
    assert problem["detail"].endswith(".")


def test_the_scheme_is_not_a_matter_of_case(by_owner):
    by_owner.headers["Authorization"] = by_owner.headers["Authorization"].replace("Bearer", "bearer")
    assert by_owner.get("/me").status_code == 200


def test_scopes_go_as_far_as_they_go(program, owner, iso, zone_a):
    look, change = program(owner, "read"), program(owner, "write")
    path, gone = f"/isos/{iso.public_id}", {"zones": ["zone-a"], "confirmation": "confirm"}
    assert look.get(path).status_code == change.get(path).status_code == 200
    problem = refused(look.patch(path, {"name": "Other"}), 403, "token_scope")
    assert "“Look” only" in problem["detail"]
    assert Iso.objects.get().name == "Debian"
    assert change.patch(path, {"name": "Other"}).status_code == 200
    for one in (look, change):
        refused(one.post(f"{path}/deletions", gone), 403, "token_scope")
    assert program(owner, "delete").post(f"{path}/deletions", gone).status_code == 202


@pytest.mark.parametrize(("has", "needs", "enough"), [
    ("read", "read", True), ("read", "write", False), ("write", "read", True),
    ("write", "delete", False), ("delete", "read", True), ("delete", "delete", True),
])  # fmt: skip
def test_a_scope_includes_those_before_it(has, needs, enough):
    assert Scope(has).includes(Scope(needs)) is enough


def test_a_session_is_nobody_here(owner, iso):
    browser = Client()
    browser.force_login(owner)
    refused(browser.get("/api/v1/isos"), 401, "token_unknown")
    path = f"/api/v1/isos/{iso.public_id}"
    refused(browser.patch(path, {"name": "Other"}, content_type="application/json"), 401, "token_unknown")
    assert Iso.objects.get().name == "Debian"


def test_no_session_and_no_cookie_come_of_it(by_owner, iso):
    response = by_owner.patch(f"/isos/{iso.public_id}", {"name": "Other"})
    assert response.status_code == 200
    assert not response.cookies
    assert not Session.objects.exists()


def test_a_cookie_beside_a_token_does_not_count(program, owner, stranger, iso):
    other = program(stranger)
    other.client.force_login(owner)
    assert other.get("/me").json()["username"] == "stranger"
    refused(other.get(f"/isos/{iso.public_id}"), 404, "not_found")
    bad = Program("isop_" + "0" * 40)
    bad.client.force_login(owner)
    refused(bad.get("/isos"), 401, "token_unknown")


def test_beside_a_token_no_cookie_is_read_at_all(owner):
    """Also where a page below /api/ would take the session."""
    one = Program("isop_" + "0" * 40)
    one.client.force_login(owner)
    assert one.client.get("/api/v1/docs").status_code == 200
    assert one.get("/docs").status_code == 302


def test_the_trail_names_the_token(program, owner, iso):
    owner.first_name, owner.last_name = "A" * 150, "B" * 150
    owner.save()
    program(owner, "write").patch(f"/isos/{iso.public_id}", {"name": "Other"})
    [event] = Event.objects.all()
    assert event.actor == owner
    assert event.actor_name == "A" * 70 + " (API token write 0)"


@pytest.mark.parametrize("page", ["/isos/", "/accounts/profile/", "/admin/", "/accounts/tokens/"])
def test_pages_take_no_token(by_owner, page):
    response = by_owner.client.get(page, headers=by_owner.headers)
    assert (response.status_code, "/login/" in response["Location"]) == (302, True)


def test_a_form_can_not_do_without_its_own_token_by_naming_one(owner, iso):
    """A page of somebody else's can't set this header; should it once be able to, pages still ask for their token."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    response = browser.post(f"/isos/{iso.public_id}/rename/", {"name": "x"}, headers={"Authorization": "Bearer x"})
    assert response.status_code == 403


def test_no_more_requests_than_an_account_may_make(program, owner, teammate, stranger, settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    mine, other = program(owner), program(stranger)
    RateUse.objects.all().delete()
    assert [mine.get("/me").status_code for _ in range(3)] == [200] * 3
    response = mine.get("/me")
    problem = refused(response, 429, "too_often")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert response["Retry-After"] in problem["detail"]
    refused(program(teammate).get("/me"), 429, "too_often")
    assert other.get("/me").status_code == 200


def test_the_last_use_is_written_once_a_minute(by_owner, django_assert_num_queries):
    by_owner.get("/me")
    before = ApiToken.objects.get().last_used_at
    by_owner.get("/me")
    assert ApiToken.objects.get().last_used_at == before
    ApiToken.objects.update(last_used_at=before - timedelta(minutes=2))
    by_owner.get("/me")
    assert ApiToken.objects.get().last_used_at > before


# --- uploads ---------------------------------------------------------------------------


@pytest.fixture
def image():
    return media.iso("API", bios=True)


def create(one, length, **fields):
    headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": metadata(**fields)} | one.headers
    return one.client.post("/uploads/", headers=headers)


def test_an_upload_from_the_first_byte_to_ready(program, owner, zone_a, image):
    one = program(owner, "write")
    created = create(one, len(image), filename="debian.iso", name="Debian 13", os_type="linux")
    assert created.status_code == 201
    assert not created.cookies
    url = created["Location"].removeprefix("http://testserver")
    iso = Iso.objects.get()
    [zone] = one.get(f"/isos/{iso.public_id}").json()["zones"]
    assert zone["upload"] == {
        "url": created["Location"],
        "offset": 0,
        "length": len(image),
        "expires_at": zone["upload"]["expires_at"],
    }
    for start in (0, 20_000):
        piece = image[start : start + 20_000] if not start else image[start:]
        headers = TUS | one.headers | {"Upload-Offset": str(start)}
        assert one.client.patch(url, piece, content_type=BYTES, headers=headers).status_code == 204
    assert one.client.head(url, headers=TUS | one.headers)["Upload-Offset"] == str(len(image))
    run_all()
    done = one.get(f"/isos/{iso.public_id}").json()
    assert (done["state"], done["sha256"]) == ("ready", hashlib.sha256(image).hexdigest())
    started = Event.objects.get(verb="upload_started")
    assert (started.actor, started.actor_name) == (owner, "owner (API token write 0)")


def test_an_upload_needs_a_token_that_changes(program, owner, zone_a):
    response = create(program(owner, "read"), 100_000, filename="debian.iso")
    assert (response.status_code, response.json()["code"]) == (403, "token_scope")
    bad = create(Program("isop_" + "0" * 40), 100_000, filename="debian.iso")
    assert (bad.status_code, bad.json()["code"]) == (401, "token_unknown")
    assert not Iso.objects.exists()


def test_uploads_of_others_do_not_exist(program, owner, teammate, stranger, zone_a):
    url = create(program(owner), 100_000, filename="debian.iso")["Location"].removeprefix("http://testserver")
    for other in (teammate, stranger):
        one = program(other)
        assert one.client.head(url, headers=TUS | one.headers).status_code == 404
        assert one.client.delete(url, headers=TUS | one.headers).status_code == 404
    [zone] = program(teammate).get(f"/isos/{Iso.objects.get().public_id}").json()["zones"]
    assert zone["upload"] is None


def test_a_bad_token_does_not_fall_back_on_the_session(owner, zone_a):
    bad = Program("isop_" + "0" * 40)
    bad.client.force_login(owner)
    assert create(bad, 100_000, filename="debian.iso").status_code == 401
    assert not Iso.objects.exists()

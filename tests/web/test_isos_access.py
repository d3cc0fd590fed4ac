"""Who gets which page of the library: owner, teammate, stranger, nobody; and with which method."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import make_iso
from tests.web.conftest import HTMX, JSON, read

OF_ONE = ["detail", "progress", "resume", "rename", "set_os", "source", "copy", "delete", "cancel", "retry", "file"]
PAGES = ["list", "upload", "check_name", "preflight", "bulk_copy", "bulk_delete"]
POST_ONLY = ["preflight", "set_os", "cancel", "retry", "file"]
GET_ONLY = ["list", "check_name", "detail", "progress", "resume"]


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)


def address(name, public_id):
    return reverse(f"isos:{name}", args=[] if name in PAGES else [public_id])


def method_of(name):
    return "post" if name in POST_ONLY else "get"


@pytest.mark.parametrize("who", ["owner", "teammate"])
@pytest.mark.parametrize("name", PAGES + OF_ONE)
def test_the_account_gets_in(as_user, request, iso, name, who):
    user = request.getfixturevalue(who)
    response = getattr(as_user(user), method_of(name))(address(name, iso.public_id))
    # Only who began an upload can go on with it; verbs lead back to a page.
    moves = name in POST_ONLY or (name, who) == ("resume", "teammate") or name == "source"
    spoken = {("file", "owner"): 422, ("file", "teammate"): 404}  # an empty form; not the teammate's upload
    status = 422 if name == "preflight" else 404 if name.startswith("bulk") else 302 if moves else 200
    assert response.status_code == spoken.get((name, who), status)
    if response.status_code == 200:
        read(response)


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("whose", ["stranger's", "nobody's"])
def test_what_is_not_yours_does_not_exist(as_user, stranger, iso, name, whose):
    public_id = iso.public_id if whose == "stranger's" else uuid.uuid4()
    client = as_user(stranger)
    for method in ("get", "post"):
        response = getattr(client, method)(address(name, public_id))
        assert response.status_code == (405 if _refused_method(name, method) else 404)


def _refused_method(name, method):
    return name in (POST_ONLY if method == "get" else GET_ONLY)


@pytest.mark.parametrize("name", OF_ONE)
def test_public_is_for_looking_only(as_user, stranger, account, owner, zone_a, name):
    iso = make_iso(account, {zone_a: "ready"}, user=owner, is_public=True)
    response = getattr(as_user(stranger), method_of(name))(address(name, iso.public_id))
    assert response.status_code == (200 if name == "detail" else 404)


@pytest.mark.parametrize("name", PAGES + OF_ONE)
def test_nobody_is_sent_to_the_sign_in(iso, name):
    path = address(name, iso.public_id)
    send = getattr(Client(), method_of(name))
    assert send(path).headers["Location"] == f"/accounts/login/?next={path}"
    htmx = send(path, headers=HTMX)
    assert (htmx.status_code, htmx.headers["HX-Refresh"]) == (401, "true")
    script = send(path, headers=JSON)
    assert (script.status_code, script.json()["code"]) == (401, "signed_out")


@pytest.mark.parametrize("name", PAGES + OF_ONE)
def test_wrong_method(by_owner, iso, name):
    path = address(name, iso.public_id)
    wrong = ["put", "delete"] + (["get"] if name in POST_ONLY else []) + (["post"] if name in GET_ONLY else [])
    assert {getattr(by_owner, method)(path).status_code for method in wrong} == {405}


@pytest.mark.parametrize("name", OF_ONE)
def test_an_id_that_is_none(by_owner, name):
    path = address(name, uuid.UUID(int=0)).replace(str(uuid.UUID(int=0)), "1")
    assert by_owner.get(path).status_code == 404


def test_forms_need_their_token(owner, iso):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    for name in ("rename", "set_os", "delete", "cancel", "retry", "file", "upload"):
        assert client.post(address(name, iso.public_id), {"name": "x"}).status_code == 403


def test_next_never_leaves_the_portal(by_owner, iso):
    path = address("cancel", iso.public_id)
    for evil in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        assert by_owner.post(path, {"next": evil}).headers["Location"] == "/isos/"
    assert by_owner.post(path, {"next": "/isos/?q=x"}).headers["Location"] == "/isos/?q=x"

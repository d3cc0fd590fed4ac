"""The library's pages from outside: signed out, with ids that are none, without a token, with a foreign `next`.

Who of those who are signed in gets in where is in tests/web/matrix.py.
"""

import uuid

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from tests.factories import make_iso
from tests.web.conftest import HTMX, JSON
from tests.web.matrix import EVERYBODY, PAGES

# Not the download by link, for which nobody signs in.
NAMES = [name for name, entry in PAGES.items() if name.startswith("isos:") and EVERYBODY not in entry.methods.values()]


@pytest.fixture
def iso(account, owner, zone_a):
    return make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)


def address(name, public_id):
    for arguments in ([], [public_id], [public_id, public_id]):
        try:
            return reverse(name, args=arguments)
        except NoReverseMatch:
            continue
    raise AssertionError(name)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_sent_to_the_sign_in(iso, name):
    path = address(name, iso.public_id)
    send = getattr(Client(), "get" if "GET" in PAGES[name].methods else "post")
    assert send(path).headers["Location"] == f"/accounts/login/?next={path}"
    htmx = send(path, headers=HTMX)
    assert (htmx.status_code, htmx.headers["HX-Refresh"]) == (401, "true")
    script = send(path, headers=JSON)
    assert (script.status_code, script.json()["code"]) == (401, "signed_out")


@pytest.mark.parametrize("name", NAMES)
def test_an_id_that_is_none(by_owner, name):
    path = address(name, uuid.UUID(int=0))
    if str(uuid.UUID(int=0)) not in path:
        return
    send = getattr(by_owner, "get" if "GET" in PAGES[name].methods else "post")
    assert send(path).status_code == 404, "an id of nobody's"
    assert send(path.replace(str(uuid.UUID(int=0)), "1")).status_code == 404


def test_forms_need_their_token(owner, iso):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    posting = [name for name in NAMES if "POST" in PAGES[name].methods]
    assert len(posting) > 12
    for name in posting:
        assert client.post(address(name, iso.public_id), {"name": "x"}).status_code == 403


def test_next_never_leaves_the_portal(by_owner, iso):
    path = address("isos:cancel", iso.public_id)
    for evil in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        assert by_owner.post(path, {"next": evil}).headers["Location"] == "/isos/"
    assert by_owner.post(path, {"next": "/isos/?q=x"}).headers["Location"] == "/isos/?q=x"

"""The permission matrix: every address × every method × every kind of visitor. The table is tests/web/matrix.py."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from isos.actions.share import hash_of
from isos.models import DownloadLink, Iso, Operation, Upload
from portal.accounts import tokens
from portal.accounts.api_token import Scope
from portal.accounts.models import User
from portal.accounts.roles import Role
from tests.factories import make_iso
from tests.isos.copies import path_of, replica_in
from tests.web.matrix import API, HIDDEN, IN, MATRIX, OF_PUBLIC, OUT, PAGES, REFUSED, ROLES

pytestmark = pytest.mark.django_db

TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": "filename YS5pc28="}
TOKEN = "a-token-of-a-link"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CASES = [(name, method) for name, entry in MATRIX.items() for method in entry.methods]
OURS = ("isos:", "tus:", "record:", "usage:")  # whose other methods are refused


def addresses(resolver=None, namespaces=()):
    """Full name → names of its arguments, of every address of the portal."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from addresses(pattern, inner)
        else:
            name = ":".join([*namespaces, pattern.name or f"(no name) {pattern.pattern}"])
            yield name, [*pattern.pattern.converters] or [*pattern.pattern.regex.groupindex]


ALL = dict(addresses())


def test_every_address_is_in_the_table():
    """A new view has to say who gets in. Admin has a rule of its own, below."""
    named = {name for name in ALL if not name.startswith("admin:")}
    missing, gone = named - set(MATRIX), set(MATRIX) - named
    assert not missing, f"add to tests/web/matrix.py: {sorted(missing)}"
    assert not gone, f"not there any more: {sorted(gone)}"


# --- the cast and what it tries to reach ------------------------------------------------------


@pytest.fixture
def cast(account, owner, teammate, stranger, admin_user):
    reader = User.objects.create_user("reader", "", "reader-password", account=account, role=Role.READ_ONLY)
    return {
        "anonymous": None, "stranger": stranger, "reader": reader, "member": teammate, "owner": owner,
        "staff": admin_user,
    }  # fmt: skip


@pytest.fixture
def subject(account, owner, zone_a, zone_b, tmp_path):
    """An ISO of the account, Ready in one zone and on its way to none, with all that addresses can name of it."""
    iso = make_iso(account, {zone_a: "ready"}, "Debian", user=owner, size=9, is_extractable=True)
    stored = path_of(replica_in(iso, zone_a))
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"some iso ")
    coming = make_iso(account, {zone_a: "verifying", zone_b: "receiving"}, "Coming", user=owner)
    soon = timezone.now() + timedelta(hours=1)
    link = DownloadLink.objects.create(iso=iso, token_hash=hash_of(TOKEN), token_end="link", expires_at=soon)
    token, _ = tokens.create(owner, "mine", Scope.READ, 30)
    return {
        "public_id": iso.public_id,
        "iso_id": iso.public_id,
        "link_id": link.public_id,
        "token": TOKEN,
        "operation_id": Operation.objects.get(replica__iso=coming).public_id,
        "upload": Upload.objects.get(replica__iso=coming, replica__zone=zone_b).public_id,
        "coming": coming.public_id,
        "api_token": token.public_id,
    }


OF_WHAT_COMES = ("isos:file", "isos:resume")
STAND_INS = {"key": "x", "uidb36": "1", "app_label": "isos"}


def address(name, subject):
    values = subject | STAND_INS
    if name in OF_WHAT_COMES:
        values = values | {"public_id": subject["coming"]}
    if name == "tus:upload":
        values = values | {"public_id": subject["upload"]}
    if name == "account_revoke_token":
        values = values | {"public_id": subject["api_token"]}
    return reverse(name, kwargs={argument: values[argument] for argument in ALL[name]})


def ask(name, method, user, subject):
    """The answer that `user` gets, with everything put back as it was."""
    client = Client()
    entry = MATRIX[name]
    sent = {
        key: str(subject[value[1:-1]]) if str(value).startswith("{") else value for key, value in entry.sent.items()
    }
    more = {"headers": dict(TUS if name.startswith("tus:") else {})}
    if name.startswith("api:"):
        if user:
            _, secret = tokens.create(user, "matrix", Scope.DELETE, 30)
            more["headers"]["Authorization"] = f"Bearer {secret}"
        if method not in ("GET", "HEAD"):
            more |= {"data": json.dumps(sent), "content_type": "application/json"}
    elif user:
        client.force_login(user)
    if name.startswith("tus:") and method == "PATCH":
        more |= {"data": b"", "content_type": "application/offset+octet-stream"}
        more["headers"]["Upload-Offset"] = "0"
    elif not name.startswith(("api:", "tus:")):
        more |= {"data": sent}
    response = getattr(client, method.lower())(address(name, subject), **more)
    if response.streaming:
        b"".join(response.streaming_content)
    return response


def outcome(response):
    status, where = response.status_code, response.headers.get("Location", "")
    if status == 401 or (status == 302 and where.startswith("/accounts/login/")):
        return OUT
    if status in (404, 403):
        return HIDDEN if status == 404 else REFUSED
    assert status < 500, f"an answer of {status}"
    assert status != 405, "it does not take this method"
    return IN


def outcomes(name, method, cast, subject):
    found = {}
    for role in ROLES:
        with transaction.atomic():
            found[role] = outcome(ask(name, method, cast[role], subject))
            transaction.set_rollback(True)
    return found


@pytest.mark.parametrize(("name", "method"), CASES)
def test_who_gets_in(cast, subject, name, method):
    assert outcomes(name, method, cast, subject) == MATRIX[name].methods[method]


@pytest.mark.parametrize(("name", "method"), [case for case in CASES if {"public_id", "iso_id"} & set(ALL[case[0]])])
def test_what_is_public_is_for_looking(cast, subject, name, method):
    """A stranger, of an ISO that is public: beyond looking and downloading nothing exists for him."""
    Iso.objects.update(is_public=True)
    expected = IN if (name, method) in OF_PUBLIC else MATRIX[name].methods[method]["stranger"]
    assert outcome(ask(name, method, cast["stranger"], subject)) == expected


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith(OURS)])
def test_other_methods_are_not_taken(cast, subject, name):
    taken = MATRIX[name].methods
    client = Client()
    client.force_login(cast["owner"])
    other = [method for method in METHODS if method not in taken]
    headers = TUS if name.startswith("tus:") else {}
    answers = {
        method: getattr(client, method.lower())(address(name, subject), headers=headers).status_code for method in other
    }
    assert answers == dict.fromkeys(other, 405)


@pytest.mark.parametrize("name", [name for name in API if name.startswith("api:") and name != "api:openapi-json"])
def test_a_session_is_nobody_to_the_api(cast, subject, name):
    client = Client()
    client.force_login(cast["owner"])
    assert client.get(address(name, subject)).status_code in (401, 404, 405)


# --- admin --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in ROLES if role != "staff"])
def test_admin_is_for_administrators(cast, subject, role):
    client = Client()
    if cast[role]:
        client.force_login(cast[role])
    of_anybody = {"admin:login", "admin:logout", "admin:jsi18n"}
    names = [name for name in ALL if name.startswith("admin:") and "(no name)" not in name and name not in of_anybody]
    assert len(names) > 40
    for name in names:
        path = reverse(name, kwargs={key: STAND_INS.get(key, 1) for key in ALL[name]})
        for method in ("get", "post"):
            response = getattr(client, method)(path)
            turned_away = response.status_code in (302, 403, 404, 405)
            assert turned_away, (name, method, response.status_code)
            where = response.headers.get("Location", "").partition("?")[0]
            assert not where.startswith("/admin/") or where == "/admin/login/", (name, method)

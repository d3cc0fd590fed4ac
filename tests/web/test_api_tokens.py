"""The profile's page of API tokens: made once the password was entered, shown once, revoked."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from isos.models import Event
from portal.accounts import tokens
from portal.accounts.api_token import ApiToken, Scope
from tests.web.conftest import find, read

PAGE = "/accounts/tokens/"
GOOD = {"name": "Nightly build", "scope": "write", "days": "30"}
SECRET = re.compile(r"isop_[0-9a-f]{40}")


@pytest.fixture
def confirmed(by_owner):
    """The owner, who has just entered the password once more."""
    assert by_owner.post("/accounts/reauthenticate/", {"password": "owner-password"}).status_code == 302
    return by_owner


def make(user, name="Backup", scope=Scope.READ):
    return tokens.create(user, name, scope, 30)[0]


def test_the_page_is_a_tab_of_the_profile(by_owner):
    page = read(by_owner.get(PAGE))
    assert page.one("h1").text() == "API tokens"
    assert "None yet." in page.text()
    [tab] = find(page, href=PAGE, aria_current="page")
    assert tab.text() == "API tokens"


def test_made_and_shown_once(confirmed, owner):
    response = confirmed.post(PAGE, GOOD)
    page = read(response)
    secret = find(page, id="secret")[0].text()
    assert SECRET.fullmatch(secret)
    assert "no-store" in response["Cache-Control"]
    token = ApiToken.objects.get(user=owner)
    assert (token.name, token.scope, token.state) == ("Nightly build", "write", "Active")
    assert timedelta(days=29) < token.expires_at - timezone.now() <= timedelta(days=30)
    assert secret.startswith(token.prefix)
    assert secret not in str(ApiToken.objects.filter(pk=token.pk).values())
    assert tokens.authenticate(secret) == token
    again = read(confirmed.get(PAGE))
    assert not SECRET.search(again.text())
    assert "Nightly build" in again.text()
    assert "Look and change" in again.text()


def test_the_password_is_asked_first(by_owner):
    response = by_owner.post(PAGE, GOOD)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert not ApiToken.objects.exists()
    # What was typed is not lost: once the password is right the token is made.
    page = read(by_owner.post(response["Location"], {"password": "owner-password", "next": PAGE}))
    assert SECRET.search(page.text())
    assert ApiToken.objects.get().name == "Nightly build"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": " "}, "Enter a name."),
        ({"name": "x" * 61}, "Use at most 60 characters."),
        ({"name": "a\u202eb"}, "can't be shown"),
        ({"scope": "root"}, "Select a valid choice"),
        ({"days": "100000"}, "Select a valid choice"),
        ({"days": ""}, "required"),
    ],
)
def test_bad_input(confirmed, change, sentence):
    page = read(confirmed.post(PAGE, GOOD | change), 422)
    assert sentence in page.text()
    assert not ApiToken.objects.exists()


def test_a_name_stands_for_one_token(confirmed, owner, teammate):
    make(teammate, GOOD["name"])
    make(owner, GOOD["name"].upper())
    assert "already have a token with this name" in read(confirmed.post(PAGE, GOOD), 422).text()
    tokens.revoke(owner.api_tokens.get())
    assert confirmed.post(PAGE, GOOD).status_code == 200


def test_no_more_than_there_may_be(confirmed, owner, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    make(owner, "One")
    make(owner, "Two")
    assert "Revoke one first" in read(confirmed.post(PAGE, GOOD), 422).text()
    tokens.revoke(owner.api_tokens.first())
    assert confirmed.post(PAGE, GOOD).status_code == 200


def test_the_trail_tells_who_made_and_revoked_what(confirmed, owner):
    confirmed.post(PAGE, GOOD | {"name": " "})
    confirmed.post(PAGE, GOOD)
    address = f"{PAGE}{owner.api_tokens.get().public_id}/revoke/"
    confirmed.post(address)
    confirmed.post(address)
    made, revoked = Event.objects.order_by("pk")
    assert {event.data["subject"] for event in (made, revoked)} == {"API token “Nightly build” of owner"}
    assert (made.actor, made.account, made.address) == (owner, owner.account, "127.0.0.1")
    assert made.data["after"].startswith("look and change, until 20")
    assert (revoked.data["before"], revoked.data["after"]) == ("look and change", "nothing")
    assert "API token “Nightly build”" in read(confirmed.get("/activity/")).text()


def test_revoked_for_good(by_owner, owner):
    token, secret = tokens.create(owner, "Backup", Scope.READ, 30)
    address = f"{PAGE}{token.public_id}/revoke/"
    assert by_owner.get(address).status_code == 405
    page = read(by_owner.post(address, follow=True))
    assert "Revoked “Backup”" in page.text()
    assert not find(page, data_token=str(token.public_id))
    with pytest.raises(tokens.TokenRefused, match="revoked"):
        tokens.authenticate(secret)
    first = ApiToken.objects.get().revoked_at
    by_owner.post(address)
    assert ApiToken.objects.get().revoked_at == first


def test_tokens_of_others_do_not_exist(as_user, owner, teammate):
    token = make(owner)
    client = as_user(teammate)
    assert "Backup" not in read(client.get(PAGE)).text()
    assert client.post(f"{PAGE}{token.public_id}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_an_expired_one_says_so(by_owner, owner):
    token = make(owner)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    [row] = find(read(by_owner.get(PAGE)), data_token=str(token.public_id))
    assert "Expired" in row.text()


def test_administrators_look_and_revoke(as_user, admin_user, owner):
    token, secret = tokens.create(owner, "Backup", Scope.READ, 30)
    client = as_user(admin_user)
    page = read(client.get("/admin/accounts/apitoken/"))
    assert "Backup" in page.text()
    assert token.digest not in page.text()
    detail = client.get(f"/admin/accounts/apitoken/{token.pk}/change/")
    assert token.digest not in detail.content.decode()
    assert client.get("/admin/accounts/apitoken/add/").status_code == 403
    client.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": [token.pk]})
    with pytest.raises(tokens.TokenRefused, match="revoked"):
        tokens.authenticate(secret)
    event = Event.objects.get()
    assert (event.actor, event.account, event.by_staff) == (admin_user, owner.account, True)


def test_nobody_is_sent_to_the_sign_in(client, db):
    assert client.get(PAGE)["Location"].startswith("/accounts/login/")
    assert client.post(PAGE, GOOD)["Location"].startswith("/accounts/login/")

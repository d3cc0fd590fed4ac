"""Two-factor sign-in, from setting it up to the last recovery code."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.cache import cache
from django.test import Client

from tests.web.html import assert_no_inline, parse

LOGIN = "/accounts/login/"
MFA = "/accounts/2fa/"
CODE = "/accounts/2fa/authenticate/"


def read(response, status=200):
    assert response.status_code == status
    assert_no_inline(response.content.decode())
    return parse(response.content.decode())


def code_for(secret, steps=0):
    """The code that an app shows for the base32 `secret`, `steps` half minutes from now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def sign_in(client, **fields):
    return client.post(LOGIN, {"login": "owner", "password": "owner-password", **fields})


def confirm(client):
    """Enters the password once more, as sensitive pages want it."""
    assert client.post("/accounts/reauthenticate/", {"password": "owner-password"}).status_code == 302


@pytest.fixture
def secret(client, owner):
    """Sets two-factor sign-in up as a user does, and leaves `client` signed in."""
    sign_in(client)
    confirm(client)
    page = read(client.get(MFA + "totp/activate/"))
    secret = page.one("code").text()
    assert page.one("img").attrs["src"].startswith("data:image/svg+xml;base64,")
    done = client.post(MFA + "totp/activate/", {"code": code_for(secret)}, follow=True)
    assert read(done).one("h1").text() == "Recovery codes"
    return secret


def next_code(secret):
    """A code that was not used yet: allauth takes each only once."""
    return code_for(secret, 1)


def test_off_at_first(client, owner):
    client.force_login(owner)
    page = read(client.get(MFA))
    assert "Off" in page.one("section").text()
    assert client.get(MFA + "recovery-codes/").status_code in (302, 404)


def test_setup_refuses_a_wrong_code(client, owner):
    sign_in(client)
    confirm(client)
    client.get(MFA + "totp/activate/")
    page = read(client.post(MFA + "totp/activate/", {"code": "000000"}))
    assert "The code is not right" in page.text()
    assert page.one("code").text(), "the same key goes on being shown"
    assert not Authenticator.objects.exists()


def test_setup_asks_for_the_password_again(client, owner):
    sign_in(client)
    response = client.get(MFA + "totp/activate/", follow=True)
    assert read(response).one("h1").text() == "Confirm that it is you"
    assert "not right" in read(client.post(response.request["PATH_INFO"], {"password": "wrong"})).text()
    fields = {"password": "owner-password", "next": MFA + "totp/activate/"}
    assert client.post(response.request["PATH_INFO"], fields).url == MFA + "totp/activate/"


def test_sign_in_takes_both_factors(client, secret):
    browser = Client()
    response = sign_in(browser, next="/accounts/profile/")
    assert response.url.startswith(CODE)
    assert browser.get("/accounts/profile/").status_code == 302, "the password alone opened the portal"
    page = read(browser.get(response.url))
    assert page.one("h1").text() == "Enter your code"
    assert page.one("main").all("input")[1].attrs["autocomplete"] == "one-time-code"
    assert "not right" in read(browser.post(response.url, {"code": "000000"})).text()
    done = browser.post(response.url, {"code": next_code(secret)})
    assert (done.status_code, done.url) == (302, "/accounts/profile/")
    assert browser.get("/accounts/profile/").status_code == 200


def test_admin_wants_the_second_factor_too(client, secret, owner):
    owner.is_staff = owner.is_superuser = True
    owner.save()
    browser = Client()
    assert sign_in(browser, next="/admin/").url.startswith(CODE)
    assert browser.get("/admin/").status_code == 302


def test_guessing_codes_ends_in_429(client, secret):
    browser = Client()
    sign_in(browser)
    answers = [browser.post(CODE, {"code": f"{number:06}"}).status_code for number in range(6)]
    assert answers == [200] * 5 + [429]


def test_a_code_works_once(client, secret):
    code = next_code(secret)
    first, second = Client(), Client()
    sign_in(first)
    assert first.post(CODE, {"code": code}).status_code == 302
    sign_in(second)
    assert second.post(CODE, {"code": code}).status_code == 200


def recovery_codes(client):
    page = read(client.get(MFA + "recovery-codes/"))
    return [node.text() for node in page.all("code")]


def test_a_recovery_code_works_once(client, secret):
    codes = recovery_codes(client)
    assert len(codes) == 10
    browser = Client()
    sign_in(browser)
    assert browser.post(CODE, {"code": codes[0]}).status_code == 302
    assert recovery_codes(client) == codes[1:]
    again = Client()
    sign_in(again)
    assert again.post(CODE, {"code": codes[0]}).status_code == 200
    assert "9 of 10 left" in read(client.get(MFA)).text()


def test_recovery_codes_are_downloaded_as_a_file(client, secret):
    response = client.get(MFA + "recovery-codes/download/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert response.content.decode().split() == recovery_codes(client)


@pytest.fixture
def committed(transactional_db):
    """For what happens on commit. The cache's table is no model's, so it is emptied here."""
    yield
    cache.clear()


def test_new_recovery_codes_replace_the_old(committed, client, secret):
    old = recovery_codes(client)
    assert "stop to work" in read(client.get(MFA + "recovery-codes/generate/")).text()
    done = client.post(MFA + "recovery-codes/generate/", follow=True)
    assert "You have new recovery codes." in read(done).text()
    assert not set(old) & set(recovery_codes(client))


def test_switching_it_off(client, secret):
    assert "password alone" in read(client.get(MFA + "totp/deactivate/")).text()
    done = client.post(MFA + "totp/deactivate/", follow=True)
    assert "Two-factor sign-in is off." in read(done).text()
    assert not Authenticator.objects.exists()
    assert sign_in(Client()).url == "/isos/"


def test_keys_are_encrypted_at_rest(client, secret, settings):
    stored = {one.type: one.data for one in Authenticator.objects.all()}
    assert secret not in str(stored)
    assert stored["totp"]["secret"]
    # A new SECRET_KEY with the old one as a fallback still reads them.
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-" + "y" * 50
    assert Authenticator.objects.get(type="totp").wrap().validate_code(next_code(secret))


def test_another_user_does_not_see_them(client, secret, stranger):
    other = Client()
    other.force_login(stranger)
    assert "Off" in read(other.get(MFA)).one("section").text()
    assert other.get(MFA + "recovery-codes/download/", follow=True).status_code == 404
    assert other.get(MFA + "totp/deactivate/").status_code == 404

"""Signing in and out, guessing, and where `next` may lead."""

import re
from urllib.parse import quote

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from portal.accounts.models import User
from tests.web.html import assert_no_inline, parse

LOGIN = "/accounts/login/"
HOME = "/isos/"


def sign_in(client, login="owner", password="owner-password", **fields):
    return client.post(LOGIN, {"login": login, "password": password, **fields})


def read(response, status=200):
    assert response.status_code == status
    assert_no_inline(response.content.decode())
    return parse(response.content.decode())


# --- the page -------------------------------------------------------------------------


def test_sign_in_page_says_who_makes_accounts_and_shows_no_password(client, db):
    page = read(client.get(LOGIN))
    assert "Ask your administrator" in page.one("main").text()
    assert "demo" not in page.text().lower()
    fields = {node.attrs["name"]: node.attrs for node in page.all("input") if node.attrs.get("type") != "hidden"}
    assert fields["login"]["autocomplete"] == "username"
    assert fields["password"]["autocomplete"] == "current-password"
    assert "placeholder" not in fields["login"]
    assert "value" not in fields["password"]


@pytest.mark.parametrize("login", ["owner", "owner@example.org"])
def test_sign_in_by_username_or_email(client, owner, login):
    response = sign_in(client, login)
    assert (response.status_code, response.url) == (302, HOME)
    assert client.get("/accounts/profile/").status_code == 200


def test_wrong_password_and_unknown_user_read_the_same(client, owner):
    sentences = {
        read(sign_in(client, login, "wrong")).one("form").one("p").text()
        for login in ("owner", "nobody", "a@b.example")
    }
    assert sentences == {"The username or password is not right. Check both and try again."}
    assert "wrong" not in sign_in(client, "owner", "wrong").content.decode().replace("wrong.", "")


def test_switched_off_user_is_told_so(client, owner):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    assert sign_in(client, "owner", "wrong").status_code == 200, "told to whom does not know the password"
    assert "Ask your administrator" in read(client.get(sign_in(client).url)).text()
    assert "_auth_user_id" not in client.session


def test_nobody_signs_up_by_himself(client, db):
    page = read(client.get("/accounts/signup/"))
    assert page.one("h1").text() == "Accounts are made by administrators"
    fields = {"username": "me", "email": "me@example.org", "password1": "long-enough-1", "password2": "long-enough-1"}
    client.post("/accounts/signup/", fields)
    assert not User.objects.filter(username="me").exists()


# --- sessions -------------------------------------------------------------------------


def test_session_and_token_change_at_sign_in(client, owner):
    client.get(LOGIN)
    session = client.session
    session["before"] = True  # a session that an attacker might have fixed
    session.save()
    client.cookies["sessionid"] = session.session_key
    token = client.cookies["csrftoken"].value
    sign_in(client)
    assert client.cookies["sessionid"].value != session.session_key
    assert client.cookies["csrftoken"].value != token
    assert not client.session.exists(session.session_key)


def test_cookies_are_kept_from_scripts_and_other_sites(client, owner):
    client.get(LOGIN)
    response = sign_in(client)
    session = response.cookies["sessionid"]
    assert (session["httponly"], session["samesite"], session["max-age"]) == (True, "Lax", "")
    assert response.cookies["csrftoken"]["samesite"] == "Lax"


def test_remembered_session_lasts(client, owner):
    assert sign_in(client, remember="on").cookies["sessionid"]["max-age"] > 24 * 3600


def test_sign_out_needs_a_post(client, owner):
    client.force_login(owner)
    page = read(client.get("/accounts/logout/"))
    assert page.one("h1").text() == "Sign out?"
    assert client.get("/accounts/profile/").status_code == 200
    assert client.post("/accounts/logout/").url == LOGIN
    assert client.get("/accounts/profile/").url == f"{LOGIN}?next=/accounts/profile/"


@pytest.mark.parametrize(
    "path", [LOGIN, "/accounts/logout/", "/accounts/password/reset/", "/accounts/password/change/"]
)
def test_forms_want_their_token(owner, path):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.post(path, {"login": "owner", "password": "owner-password"}).status_code == 403


# --- next -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "\\\\evil.example/",
        "/\\evil.example/",
        "http:evil.example",
        "javascript:alert(1)",
        "https://testserver@evil.example/",
        "\t//evil.example/",
    ],
)
def test_next_never_leads_to_another_site(client, owner, target):
    page = read(client.get(f"{LOGIN}?next={quote(target)}"))
    assert "evil.example" not in page.text()
    response = sign_in(client, next=target)
    assert (response.status_code, response.url) == (302, HOME)


def test_next_leads_back_to_where_one_was(client, owner):
    assert client.get("/accounts/2fa/").url == f"{LOGIN}?next=/accounts/2fa/"
    assert sign_in(client, next="/accounts/2fa/").url == "/accounts/2fa/"


# --- guessing -------------------------------------------------------------------------


def guess_until_refused(client, limit, login="owner"):
    for attempt in range(limit + 1):
        response = sign_in(client, login, f"guess-{attempt}")
        if response.status_code == 429:
            return attempt
    pytest.fail(f"{limit + 1} guesses were let through")


def test_guessing_a_password_ends_in_429_with_a_sentence(client, owner):
    assert guess_until_refused(client, 5) == 5
    response = sign_in(client)  # now even the right one waits
    page = read(response, 429)
    assert page.one("h1").text() == "Too many attempts"
    assert "Wait five minutes" in page.text()
    assert "_auth_user_id" not in client.session


def test_guessing_at_many_users_from_one_address_ends_in_429(client, db):
    answers = [sign_in(client, f"user-{number}", "x").status_code for number in range(11)]
    assert answers == [200] * 10 + [429]


def test_one_address_does_not_lock_out_another(client, owner):
    guess_until_refused(client, 5, login="teammate")
    assert sign_in(client).status_code == 302


@pytest.mark.parametrize(("proxies", "answers"), [(0, {429}), (1, {200})])
def test_forwarded_address_counts_only_behind_a_proxy(client, db, settings, proxies, answers):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    for number in range(11):
        fields = {"login": f"user-{number}", "password": "x"}
        response = client.post(LOGIN, fields, headers={"x-forwarded-for": f"192.0.2.99, 198.51.100.{number}"})
    assert response.status_code in answers


def test_attempts_are_counted_where_every_process_sees_them(client, owner, settings):
    assert settings.CACHES["default"]["BACKEND"] == "django.core.cache.backends.db.DatabaseCache"
    assert settings.CACHES["default"]["LOCATION"] == "portal_cache"
    sign_in(client, "owner", "wrong")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM portal_cache WHERE cache_key LIKE '%%login_failed%%'")
        assert cursor.fetchone()[0] > 0
    cache.clear()


# --- admin ----------------------------------------------------------------------------


def test_admin_has_no_door_of_its_own(client, admin_user):
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == f"{LOGIN}?next=%2Fadmin%2F"
    response = client.post("/admin/login/", {"username": "admin", "password": "admin-password"})
    assert response.url.startswith(LOGIN)
    assert "_auth_user_id" not in client.session
    assert sign_in(client, "admin", "admin-password", next="/admin/").url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_admin_is_closed_to_users(client, owner):
    client.force_login(owner)
    assert client.get("/admin/", follow=True).status_code == 403


# --- passwords ------------------------------------------------------------------------


def ask_for_link(client, email):
    response = client.post("/accounts/password/reset/", {"email": email}, follow=True)
    assert read(response).one("h1").text() == "Check your mail"
    (message,) = mail.outbox
    mail.outbox.clear()
    return message


def test_password_reset_mail_has_a_link_that_works_once(client, owner):
    message = ask_for_link(client, "owner@example.org")
    assert message.to == ["owner@example.org"]
    assert message.subject == "Set a new password for the ISO portal"
    assert "owner" in message.body
    link = re.search(r"http://testserver(/\S+)", message.body)[1]
    page = client.get(link, follow=True)
    assert read(page).one("h1").text() == "Choose a new password"
    assert link not in page.request["PATH_INFO"], "the secret stays in the address"
    fields = {"password1": "brand-new-secret", "password2": "brand-new-secret"}
    done = client.post(page.request["PATH_INFO"], fields, follow=True)
    assert read(done).one("h1").text() == "Password saved"
    assert sign_in(Client(), "owner", "brand-new-secret").status_code == 302
    again = Client().get(link, follow=True)
    assert read(again).one("h1").text() == "This link can’t be used"


def test_password_reset_does_not_tell_who_exists(client, db):
    message = ask_for_link(client, "nobody@example.org")
    assert "There is no such user" in message.body
    assert "password/reset/key" not in message.body


def test_password_reset_checks_the_new_password(client, owner):
    link = re.search(r"http://testserver(/\S+)", ask_for_link(client, owner.email).body)[1]
    page = client.get(link, follow=True)
    weak = client.post(page.request["PATH_INFO"], {"password1": "password", "password2": "password"})
    assert "too common" in read(weak).text()
    unlike = client.post(page.request["PATH_INFO"], {"password1": "brand-new-1", "password2": "brand-new-2"})
    assert read(unlike).one("form").text().count("same password") >= 1
    assert sign_in(Client()).status_code == 302, "the old one still works"


def test_password_reset_is_limited(client, owner):
    answers = [client.post("/accounts/password/reset/", {"email": owner.email}).status_code for _ in range(6)]
    assert answers == [302] * 5 + [429]


def test_mail_server_that_does_not_answer(client, owner, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    answers = {
        read(client.post("/accounts/password/reset/", {"email": email}), 503).one("h1").text()
        for email in (owner.email, "nobody@example.org")
    }
    assert answers == {"The mail could not be sent"}


def test_changed_password_signs_other_devices_out(client, owner):
    other = Client()
    for one in (client, other):
        one.force_login(owner)
    page = read(client.get("/accounts/password/change/"))
    assert [node.attrs["autocomplete"] for node in page.all("input") if "autocomplete" in node.attrs] == [
        "current-password",
        "new-password",
        "new-password",
    ]
    wrong = {"oldpassword": "wrong", "password1": "brand-new-secret", "password2": "brand-new-secret"}
    assert "not your current password" in read(client.post("/accounts/password/change/", wrong)).text()
    response = client.post("/accounts/password/change/", wrong | {"oldpassword": "owner-password"}, follow=True)
    assert "Your password is changed." in read(response).text()
    assert other.get("/accounts/profile/").status_code == 302


# --- pages that are not there ---------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/accounts/nothing/", "/accounts/confirm-email/", "/accounts/confirm-email/abc/", "/accounts/login/code/confirm/"],
)
def test_no_dead_pages(client, owner, path):
    assert client.get(path).status_code == 404
    client.force_login(owner)
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/accounts/", "/accounts/email/"])
def test_short_ways_to_the_profile(client, owner, path):
    client.force_login(owner)
    assert client.get(path, follow=True).redirect_chain[-1][0] == reverse("account_profile")

"""Sign-in, account and error pages as a browser shows them."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests.browser.checks import (
    assert_accessible,
    assert_no_overflow,
    assert_targets_are_large_enough,
    keep_screenshot,
)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPEN = {
    "sign in": "/accounts/login/",
    "password reset": "/accounts/password/reset/",
    "reset done": "/accounts/password/reset/done/",
    "reset link used": "/accounts/password/reset/key/1-x/",
    "sign-up closed": "/accounts/signup/",
    "switched off": "/accounts/inactive/",
    "not found": "/nothing-here/",
}
SIGNED_IN = {
    "profile": "/accounts/profile/",
    "change password": "/accounts/password/change/",
    "two-factor": "/accounts/2fa/",
    "API tokens": "/accounts/tokens/",
    "API": "/api/v1/docs",
    "confirm": "/accounts/reauthenticate/",
    "sign out": "/accounts/logout/",
}
LOOKS = [(width, scheme) for width in (1440, 390) for scheme in ("light", "dark")]


def look(page, name):
    assert_accessible(page)
    assert_targets_are_large_enough(page)
    keep_screenshot(page, name)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_for_everyone(open_browser, width, scheme):
    page = open_browser(width=width, height=900 if width > 640 else 844, scheme=scheme)
    for name, path in OPEN.items():
        response = page.goto(path)
        if response.status == 404:
            page.complaints.expect("404")
        look(page, name)
        assert_no_overflow(page)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_pages_for_users(open_browser, owner, width, scheme):
    page = open_browser(owner, width=width, height=900 if width > 640 else 844, scheme=scheme)
    for name, path in SIGNED_IN.items():
        page.goto(path)
        look(page, name)
        assert_no_overflow(page)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_two_factor_from_setup_to_sign_in(open_browser, owner, width, scheme):
    page = open_browser(width=width, height=900 if width > 640 else 844, scheme=scheme)
    page.goto("/accounts/2fa/totp/activate/")
    sign_in(page)
    page.get_by_label("Password").fill("owner-password")
    page.get_by_role("button", name="Confirm").click()
    assert page.get_by_alt_text("QR code").evaluate("image => image.naturalWidth") > 0, "the policy blocks the QR code"
    look(page, "two-factor set up")
    assert_no_overflow(page)
    secret = page.locator("code").inner_text()
    page.get_by_label("Code from the app").fill(code_for(secret))
    page.get_by_role("button", name="Switch on").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    look(page, "recovery codes")
    assert_no_overflow(page)
    page.get_by_role("link", name="Done").click()
    look(page, "two-factor on")
    for name, path in {"new codes": "recovery-codes/generate/", "switch off": "totp/deactivate/"}.items():
        page.goto(f"/accounts/2fa/{path}")
        look(page, name)
    sign_out(page)
    page.goto("/accounts/profile/")
    sign_in(page)
    page.get_by_role("heading", name="Enter your code").wait_for()
    look(page, "enter code")
    assert_no_overflow(page)
    page.get_by_role("textbox", name="Code").fill(code_for(secret, steps=1))
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("heading", name="owner").wait_for()


def code_for(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def sign_in(page, password="owner-password"):
    page.get_by_label("Username or e-mail").fill("owner")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page):
    page.get_by_role("button", name=re.compile("Account menu")).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wrong_password_is_announced_and_focused(open_browser, owner, scheme):
    page = open_browser(scheme=scheme)
    page.goto("/accounts/login/")
    assert page.evaluate("document.activeElement.name") == "login"
    sign_in(page, "wrong")
    alert = page.get_by_role("alert")
    assert alert.inner_text().strip() == "The username or password is not right. Check both and try again."
    assert alert.evaluate("node => node === document.activeElement")
    look(page, "sign in wrong")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_form_errors_link_to_their_fields(open_browser, owner, width, scheme):
    page = open_browser(owner, width=width, height=900 if width > 640 else 844, scheme=scheme)
    page.goto("/accounts/password/change/")
    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password", exact=True).fill("password")
    page.get_by_label("New password again").fill("something-else")
    page.get_by_role("button", name="Change password").click()
    look(page, "change password wrong")
    assert_no_overflow(page)
    page.get_by_role("alert").get_by_role("link", name="New password", exact=True).click()
    assert page.evaluate("document.activeElement.name") == "password1"


def test_too_many_attempts(open_browser, owner):
    page = open_browser()
    for _ in range(6):
        page.goto("/accounts/login/")
        sign_in(page, "wrong")
    page.get_by_role("heading", name="Too many attempts").wait_for()
    page.complaints.expect("429")
    look(page, "too many attempts")


def test_theme_is_remembered_and_there_before_the_first_paint(open_browser, owner):
    page = open_browser(owner, scheme="light")
    page.goto("/accounts/profile/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Switch light or dark theme").click()
    dark = page.evaluate(background)
    assert dark != light
    page.route("**/app.js", lambda route: route.abort())  # the head alone must do it
    page.reload()
    page.complaints.expect("ERR_FAILED")
    assert page.evaluate(background) == dark
    page.goto("/accounts/2fa/")
    page.complaints.expect("ERR_FAILED")
    assert page.evaluate(background) == dark


def test_account_menu_and_navigation_by_keyboard(open_browser, owner):
    page = open_browser(owner, width=390, height=844)
    page.goto("/accounts/profile/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    side = page.locator("#side")
    assert not side.is_visible()
    opener = page.get_by_role("button", name="Open menu")
    opener.focus()
    page.keyboard.press("Enter")
    assert side.is_visible()
    look(page, "navigation open")
    page.keyboard.press("Escape")
    assert not side.is_visible()
    assert opener.evaluate("node => node === document.activeElement")
    page.get_by_role("button", name=re.compile("Account menu")).click()
    look(page, "account menu")
    assert_no_overflow(page)


def test_everything_works_without_javascript(open_browser, owner):
    page = open_browser(javascript=False)
    page.goto("/accounts/profile/")
    assert not page.get_by_role("button", name=re.compile("theme")).is_visible()
    sign_in(page)
    assert page.get_by_role("heading", level=1).inner_text() == "owner"
    sign_out(page)


def test_admin_works_under_the_policy(open_browser, admin_user, owner):
    page = open_browser(admin_user)
    page.goto("/admin/accounts/user/")
    page.get_by_role("link", name="owner", exact=True).click()
    page.get_by_label("First name").fill("Ada")
    page.get_by_text("Choose all", exact=False).first.wait_for()  # the group picker is made by a script
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("was changed successfully").wait_for()
    owner.refresh_from_db()
    assert owner.first_name == "Ada"

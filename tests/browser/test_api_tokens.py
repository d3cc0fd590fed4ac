"""A token as it is made and copied in a browser, which works at once and no longer than it is wanted."""

import json
import urllib.error
import urllib.request

import pytest

from tests.browser.checks import assert_no_overflow, look

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def ask(url, secret):
    """The API's answer to a program, and its status."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("width", [1440, 390])
def test_from_the_form_to_a_program_and_back(open_browser, owner, live_portal, width):
    page = open_browser(owner, width=width)
    page.goto("/accounts/tokens/")
    page.get_by_label("Name").fill("Nightly build")
    page.get_by_label("May").select_option("read")
    page.get_by_role("button", name="Make token").click()
    page.get_by_label("Password").fill("owner-password")
    page.get_by_role("button", name="Confirm").click()
    secret = page.locator("#secret").inner_text()
    look(page, "API token made")
    assert_no_overflow(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the token").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    status, me = ask(f"{live_portal}/api/v1/me", secret)
    assert (status, me["username"]) == (200, "owner")
    page.goto("/accounts/tokens/")
    look(page, "API tokens in use")
    page.get_by_role("button", name="Revoke Nightly build").click()
    page.get_by_text("Revoked “Nightly build”").wait_for()
    status, problem = ask(f"{live_portal}/api/v1/me", secret)
    assert (status, problem["code"]) == (401, "token_revoked")

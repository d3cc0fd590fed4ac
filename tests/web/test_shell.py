"""What every page has around it: the policy, navigation, menus, and static files that are there."""

import os
import re
import subprocess
import sys

import pytest
from django.contrib.messages import constants
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import override_settings

from portal.settings import BASE_DIR
from tests.services import missing
from tests.web.html import assert_no_inline, parse

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}
OPEN = ["/accounts/login/", "/accounts/password/reset/", "/accounts/password/reset/done/", "/accounts/signup/"]
OPEN += ["/accounts/inactive/", "/accounts/password/reset/key/1-x/", "/accounts/password/reset/key/done/"]
SIGNED_IN = ["/accounts/profile/", "/accounts/password/change/", "/accounts/2fa/", "/accounts/reauthenticate/"]


def read(response):
    assert response.status_code == 200
    assert_no_inline(response.content.decode())
    return parse(response.content.decode())


@pytest.fixture
def shell(client, owner):
    client.force_login(owner)
    return lambda: read(client.get("/accounts/profile/"))


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/", "/accounts/profile/", "/nothing-here/"])
def test_policy_is_strict_on_every_kind_of_page(client, admin_user, path):
    if path != "/accounts/login/":
        client.force_login(admin_user)
    response = client.get(path)
    assert set(response.headers["Content-Security-Policy"].split("; ")) == POLICY
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert_no_inline(response.content.decode())


@pytest.mark.parametrize("path", OPEN)
def test_pages_for_everyone_need_no_weaker_policy(client, db, path):
    page = read(client.get(path))
    assert len(page.all("h1")) == 1
    assert page.one("title").text().endswith(" · ISO portal")


@pytest.mark.parametrize("path", SIGNED_IN)
def test_pages_for_users_need_no_weaker_policy(client, owner, path):
    client.force_login(owner)
    assert len(read(client.get(path)).all("h1")) == 1
    client.logout()
    assert client.get(path).url == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("path", OPEN + SIGNED_IN)
def test_every_static_file_and_icon_is_there(client, owner, path):
    if path in SIGNED_IN:
        client.force_login(owner)
    page = read(client.get(path, follow=True))
    urls = [node.attrs.get("src") or node.attrs.get("href") or "" for node in page.walk() if node.tag != "a"]
    ours = {url.partition("#")[0] for url in urls if url.startswith("/static/")}
    assert len(ours) > 5
    assembled = {"/static/htmx.js", "/static/inter.woff2", "/static/icons.svg"}  # by portal.assets
    for url in ours - assembled:
        assert finders.find(url.removeprefix("/static/")), url


def test_behind_tls_cookies_are_secure_and_http_is_left():
    """In a new process, because settings are read once."""
    names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "ALLAUTH_TRUSTED_PROXY_COUNT"]
    script = f"from tests import settings; print([getattr(settings, name) for name in {names}])"
    command = [sys.executable, "-c", script]
    outputs = [
        subprocess.run(command, cwd=BASE_DIR, env=os.environ | extra, capture_output=True, text=True, check=True).stdout
        for extra in ({"BEHIND_TLS": "true"}, {"BEHIND_TLS": "false"})
    ]
    assert outputs == ["[True, True, True, 1]\n", "[False, False, False, 0]\n"]


def test_skip_link_is_first_and_leads_to_the_content(shell):
    page = shell()
    first = page.all("a")[0]
    assert (first.text(), first.attrs["href"]) == ("Skip to content", "#main")
    assert page.by_id("main").tag == "main"
    assert page.by_id("main").attrs["tabindex"] == "-1"


def test_navigation_names_only_what_exists(shell, owner):
    links = {node.text(): node.attrs["href"] for node in shell().by_id("side").all("a")}
    assert links == {"ISO portal": "/", "Apps": "/isos/", "Usage": "/usage/", "Activity": "/activity/"}
    owner.is_staff = True
    owner.save()
    assert shell().by_id("side").all("a")[-1].attrs["href"] == "/admin/"


def test_account_menu(shell):
    menu = shell().by_id("account-menu")
    assert menu.one("div").text() == "owner Demo account"
    assert [link.text() for link in menu.all("a")] == ["Profile", "Change password", "Two-factor sign-in"]
    assert menu.one("form").attrs == {"method": "post", "action": "/accounts/logout/"}
    assert menu.one("input").attrs["name"] == "csrfmiddlewaretoken"


def test_current_page_is_marked(shell):
    page = shell()
    tabs = page.one("header").one("nav")
    assert [link.text() for link in tabs.all("a") if link.attrs.get("aria-current") == "page"] == ["Overview"]


def test_popover_buttons_point_to_what_is_there(shell):
    page = shell()
    for button in (node for node in page.walk() if "popovertarget" in node.attrs):
        assert "popover" in page.by_id(button.attrs["popovertarget"]).attrs
        assert button.attrs["aria-label"]


def test_messages_are_notes_of_their_kind(client, owner):
    client.force_login(owner)
    client.post(
        "/accounts/password/change/",
        {"oldpassword": "owner-password"} | dict.fromkeys(["password1", "password2"], "brand-new-1"),
    )
    region = read(client.get("/accounts/profile/")).by_id("messages")
    assert region.attrs["role"] == "status"
    (note,) = (node for node in region.walk() if "note" in node.attrs.get("class", ""))
    assert note.attrs["class"] == "note ok"
    assert constants.DEFAULT_TAGS[constants.SUCCESS] == "success"


def test_what_a_user_is_called_is_shown_as_text(client, owner):
    owner.first_name = '<img src=x onerror="alert(1)">'
    owner.save()
    client.force_login(owner)
    page = read(client.get("/accounts/profile/"))
    assert page.one("h1").text() == owner.first_name
    assert not page.all("img")


def test_static_files_survive_hashing(tmp_path, settings):
    """Every url() in our css and every `{% static %}` must be known to the manifest."""
    settings.STATIC_ROOT = tmp_path
    settings.STATICFILES_DIRS = [BASE_DIR / "static", settings.ASSETS_DIR]
    if not (settings.ASSETS_DIR / "inter.woff2").exists():
        missing("The front-end parts are not installed; `python -m portal.assets --dev` does it.")
    storages = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
    with override_settings(STORAGES=settings.STORAGES | storages):
        call_command("collectstatic", "--no-input", verbosity=0)
    css = "".join(path.read_text() for path in (tmp_path / "css").glob("*.????????????.css"))
    urls = re.findall(r'url\("([^"]+)"\)', css)
    assert len(urls) == 3
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", url) for url in urls), urls

"""Lists of others' images, download, download links and the edit form in a browser, with real bytes."""

import hashlib
import urllib.request
from pathlib import Path

import pytest

from isos.models import DownloadLink, Iso
from portal.accounts.models import User
from portal.accounts.roles import Role
from tests import media
from tests.browser.checks import LOOKS, look, until
from tests.factories import GB, make_iso, make_version
from tests.isos.conftest import (
    actor,  # noqa: F401 -- a fixture
    start,  # noqa: F401 -- a fixture
)
from tests.isos.copies import uploaded

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="session")
def image():
    return media.iso("SHARED", bios=True, padding=900_000)


@pytest.fixture
def iso(live_portal, start, image, zone_a):  # noqa: F811
    iso = uploaded(start, image, zone_a, name="Debian 13 – DVD")
    Iso.objects.update(is_extractable=True)
    iso.refresh_from_db()
    return iso


@pytest.fixture
def shared(stranger, account, owner, zone_a, zone_b):
    zones = {zone_a: "ready", zone_b: "ready"}
    make_iso(account, {zone_a: "ready"}, "Our own", user=owner)
    for name, featured in (("Rescue system", False), ("Ubuntu Server 24.04.3", True), ("Windows 11", False)):
        make_iso(stranger.account, zones, name, user=stranger, size=3 * GB, is_public=True, is_featured=featured)


def names(page):
    return page.locator("[data-iso-id] [data-name]").all_inner_texts()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_lists_in_every_look(open_browser, owner, shared, width, scheme):
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/?scope=public")
    assert names(page)[0] == "Ubuntu Server 24.04.3"
    look(page, "public")
    page.goto("/isos/?scope=featured")
    assert names(page) == ["Ubuntu Server 24.04.3"]
    look(page, "featured")


def test_from_list_to_list_by_keyboard(open_browser, owner, shared):
    page = open_browser(owner)
    page.goto("/isos/")
    assert names(page) == ["Our own"]
    tab = page.get_by_role("navigation", name="Whose images").get_by_role("link", name="Public")
    tab.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/isos/?scope=public")
    assert names(page) == ["Ubuntu Server 24.04.3", "Windows 11", "Rescue system"]
    page.get_by_role("searchbox").fill("rescue")
    until(page, "document.querySelectorAll('[data-iso-id]').length === 1")
    assert page.url.endswith("/isos/?scope=public&q=rescue")
    assert page.get_by_role("button", name="Delete").count() == 0
    page.get_by_role("link", name="Rescue system", exact=True).click()
    page.get_by_text("Other", exact=True).wait_for()
    assert page.get_by_role("link", name="Edit").count() == 0


def test_download_whole_and_gone_on_with(open_browser, owner, iso, image, live_portal):
    page = open_browser(owner)
    page.goto(iso.get_absolute_url())
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download", exact=True).click()
    download = begun.value
    assert download.suggested_filename == "Debian 13 – DVD.iso"
    assert Path(download.path()).read_bytes() == image
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    headers = {"Cookie": f"sessionid={cookies['sessionid']}", "Range": f"bytes={len(image) // 2}-"}
    address = f"{live_portal}{iso.get_absolute_url()}download/"
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        assert answer.status == 206
        assert answer.read() == image[len(image) // 2 :]
        assert answer.headers["X-Checksum-Sha256"] == hashlib.sha256(image).hexdigest()


def test_a_link_is_made_copied_used_and_revoked(open_browser, owner, iso, image):
    page = open_browser(owner)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(iso.get_absolute_url())
    page.get_by_role("link", name="Download links").click()
    look(page, "links empty")
    page.get_by_label("Open for").select_option("7 days")
    page.get_by_role("button", name="Make link").click()
    page.get_by_role("heading", name="The link is ready").wait_for()
    look(page, "links made")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copy link").get_by_text("Copied").wait_for()
    address = page.evaluate("navigator.clipboard.readText()")
    assert address == page.locator("#new-link").inner_text().strip()
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == image
    page.goto(f"{iso.get_absolute_url()}links/")
    page.get_by_role("button", name="Revoke the link").click()
    page.locator("#messages").get_by_text("is revoked.").wait_for()
    assert DownloadLink.objects.get().uses == 1
    somebody = open_browser(None)
    somebody.goto(address)
    somebody.get_by_text("This download link was revoked.").wait_for()
    somebody.complaints.expect("410")
    look(somebody, "link revoked")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_edit_in_every_look(open_browser, owner, iso, width, scheme):
    make_version("Debian 13", "debian-13")
    Iso.objects.update(is_public=True)
    DownloadLink.objects.create(iso=iso, token_hash="0" * 64, token_end="abcd", expires_at="2099-01-01T00:00:00Z")
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto(iso.get_absolute_url())
    look(page, "detail with downloads")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Version").select_option("Debian 13")
    page.get_by_label("Description").fill("For the laboratory")
    page.get_by_label("Password Enabled").check()
    page.get_by_label("Public").uncheck()
    assert page.get_by_label("Featured").is_disabled()
    look(page, "edit")
    page.get_by_role("button", name="Save settings").click()
    page.get_by_text("Saved the settings").wait_for()
    assert "1 download link is open until 1 Jan 2099" in page.locator("#messages").inner_text()
    iso.refresh_from_db()
    assert (iso.description, iso.os_label, iso.is_public, iso.password_enabled, iso.is_extractable) == (
        "For the laboratory", "Debian 13", False, True, True,
    )  # fmt: skip
    page.goto(f"{iso.get_absolute_url()}links/")
    look(page, "links")


def test_edit_on_a_phone_without_script_and_its_errors(open_browser, owner, iso):
    make_version("Windows 11", "windows-11", "windows")
    page = open_browser(owner, width=390, javascript=False)
    page.goto(f"{iso.get_absolute_url()}edit/")
    page.get_by_label("Version").select_option("Windows 11")
    page.get_by_role("button", name="Save settings").click()
    assert page.get_by_text("Windows 11 is not a Linux version. Choose one that fits.").first.is_visible()
    page.complaints.expect("422")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_reader_has_nothing_to_press(open_browser, account, owner, iso, zone_b, width):
    make_iso(account, {zone_b: "failed"}, "Broken", user=owner)
    reader = User.objects.create_user("reader", account=account, role=Role.READ_ONLY)
    page = open_browser(reader, width=width)
    page.goto("/isos/")
    assert page.locator("main").get_by_role("button").count() == 0
    look(page, "list for a reader")
    page.goto(iso.get_absolute_url())
    assert page.get_by_role("link", name="Download", exact=True).is_visible()
    look(page, "detail for a reader")

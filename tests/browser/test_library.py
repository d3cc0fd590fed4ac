"""The list and the page of one ISO: live, by keyboard, on a phone, without JavaScript."""

import re

import pytest
from django.contrib.sessions.models import Session

from isos.models import Iso, Operation, Replica, Upload
from quotas.models import Reservation
from tests.browser.checks import LOOKS, look, until
from tests.factories import INSPECTION, MB, SENTENCE, make_iso, make_version
from tests.isos.conftest import run_all
from zones.models import Zone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def focused(page, what="id"):
    return page.evaluate(f"document.activeElement.{what}")


def row(page, iso):
    return page.locator(f"[data-iso-id='{iso.public_id}']")


@pytest.fixture
def library(account, owner, stranger, zone_a, zone_b):
    """One ISO in every state, with names as people give them."""
    Zone.objects.filter(pk=zone_a.pk).update(name="Frankfurt", description="eu-central")
    Zone.objects.filter(pk=zone_b.pk).update(name="London", description="eu-west")
    zone_a.refresh_from_db()
    zone_b.refresh_from_db()
    make_version("Debian 13", "debian-13", icon="brand-debian")
    ubuntu = make_version("Ubuntu 24.04", "ubuntu-24-04", icon="brand-ubuntu")
    long = "A name without any space in it: " + "x" * 88
    return {
        "ready": make_iso(
            account, {zone_a: "ready", zone_b: "ready"}, "Ubuntu Server 24.04.3", os_version=ubuntu, size=3080 * MB,
            is_public=True, is_extractable=True, inspection=INSPECTION, description="Base installer for build runners",
        ),
        "sending": make_iso(account, {zone_a: "receiving"}, "Debian 13.2 DVD", user=owner, size=3970 * MB),
        "paused": make_iso(account, {zone_a: "receiving"}, "Rocky Linux 10.1", user=owner, idle=True),
        "verifying": make_iso(account, {zone_b: "verifying"}, "FreeBSD 15.0", os_type="bsd"),
        "half": make_iso(account, {zone_a: "ready", zone_b: "failed"}, "SystemRescue 12", is_featured=True),
        "failed": make_iso(account, {zone_a: "failed"}, long, os_type="windows"),
        "deleting": make_iso(account, {zone_b: "deleting"}, "pfSense CE 2.8.1", os_type="bsd"),
        "theirs": make_iso(stranger.account, {zone_b: "ready"}, "Alpine", user=stranger, is_public=True),
    }  # fmt: skip


# --- looks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_in_every_look(open_browser, library, owner, width, scheme):
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/")
    look(page, "list")
    page.get_by_role("link", name="Rename Debian 13.2 DVD").click()
    page.locator("[data-rename-input]").fill("Rocky Linux 10.1")
    page.keyboard.press("Enter")
    page.locator(".rename .err").wait_for()
    page.complaints.expect("422")
    look(page, "list rename")
    page.get_by_role("link", name="Delete Ubuntu Server 24.04.3").click()
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator("#confirmation-error").wait_for()
    page.complaints.expect("422")
    look(page, "list delete")
    for name, path in {"list no match": "/isos/?q=zzz", "list narrowed": "/isos/?zone=zone-b&state=failed"}.items():
        page.goto(path)
        look(page, name)
    for name in ("ready", "half", "paused", "theirs"):
        page.goto(library[name].get_absolute_url())
        look(page, f"detail {name}")
    page.goto(f"{library['failed'].get_absolute_url()}delete/")
    look(page, "delete page")
    page.goto(f"{library['failed'].get_absolute_url()}rename/")
    look(page, "rename page")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_empty_library(open_browser, account, owner, scheme):
    page = open_browser(owner, scheme=scheme)
    page.goto("/isos/")
    look(page, "list empty")
    page.locator("#live").get_by_role("link", name="Upload ISO").click()
    page.get_by_role("heading", name="Upload ISO", level=1).wait_for()


# --- live ----------------------------------------------------------------------------------------


def columns(page):
    return page.evaluate("[...document.querySelectorAll('th')].map((th) => Math.round(th.getBoundingClientRect().x))")


def test_the_list_follows_what_happens_and_then_is_quiet(open_browser, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)
    page = open_browser(owner)
    page.goto("/isos/")
    places, chip = columns(page), row(page, iso).locator("[data-zone='zone-a']")
    Upload.objects.update(offset=iso.size * 99 // 100)
    chip.get_by_text("99%").wait_for()
    assert page.locator("#announce").inner_text() == "", "percents are not announced"
    Replica.objects.update(state="verifying")
    chip.get_by_text("verifying").wait_for()
    assert page.locator("#announce").text_content() == "Debian has arrived and is being verified."
    Replica.objects.update(state="ready")
    row(page, iso).locator("[data-state='ready']").wait_for()
    assert page.locator("#announce").text_content() == "Debian is ready."
    assert columns(page) == places
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(2500)
    assert not asked, "nothing moves, so nothing is asked"


def test_a_failure_is_announced_with_its_sentence(open_browser, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "verifying"}, "Debian")
    page = open_browser(owner)
    page.goto("/isos/")
    Operation.objects.all().delete()
    Reservation.objects.all().delete()
    Replica.objects.update(state="failed", error_message=SENTENCE)
    row(page, iso).get_by_text(SENTENCE).wait_for()
    assert page.locator("#announce").text_content() == f"Debian failed. {SENTENCE}"
    row(page, iso).get_by_role("button", name="Retry").click()
    page.get_by_role("heading", name="Choose the file again").wait_for()


def test_updates_leave_no_litter(open_browser, account, owner, zone_a):
    make_iso(account, {zone_a: "verifying"})
    page = open_browser(owner)
    page.goto("/isos/")
    count = "document.querySelector('.isos').childNodes.length + document.querySelectorAll('*').length"
    before = page.evaluate(count)
    for _ in range(2):
        with page.expect_response("**/isos/"):
            pass
    page.wait_for_timeout(100)
    assert page.evaluate(count) == before


def test_searching_is_live_and_survives_a_reload(open_browser, library, owner):
    page = open_browser(owner)
    page.goto("/isos/")
    box = page.get_by_role("searchbox")
    box.press_sequentially("debian", delay=30)
    page.get_by_text("Showing 1 of 1 images").wait_for()
    page.wait_for_timeout(2500)  # an update in between
    assert focused(page) == "id_q"
    box.press_sequentially("zzz")
    page.get_by_text("No ISO image matches").wait_for()
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_text("Showing 1–7 of 7 images").wait_for()
    page.get_by_label("State").select_option("Failed")
    page.get_by_text("Showing 1 of 1 images").wait_for()
    until(page, "location.search === '?state=failed'")
    page.reload()
    assert page.get_by_text("Showing 1 of 1 images").is_visible()
    assert page.get_by_label("State").input_value() == "failed"


def test_a_session_that_ended_leads_to_the_sign_in_and_back(open_browser, account, owner, zone_a):
    make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)
    page = open_browser(owner)
    page.goto("/isos/?q=deb")
    Session.objects.all().delete()
    page.wait_for_url("**/accounts/login/**")
    page.complaints.expect("401")
    page.get_by_label("Username or e-mail").fill("owner")
    page.get_by_label("Password").fill("owner-password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/isos/?q=deb")


# --- rename -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["list", "detail"])
def test_rename_by_keyboard_while_it_lives(open_browser, account, owner, zone_a, where):
    make_iso(account, {zone_a: "ready"}, "Taken")
    iso = make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)
    page = open_browser(owner)
    page.goto("/isos/" if where == "list" else iso.get_absolute_url())
    pencil = page.get_by_role("link", name="Rename Debian")
    pencil.focus()
    page.keyboard.press("Enter")
    editor = page.locator("[data-rename-input]")
    editor.wait_for()
    until(page, "document.activeElement.matches('[data-rename-input]')")
    page.keyboard.type("taken")  # the old name is selected, so typing replaces it
    page.keyboard.press("Enter")
    page.locator(".rename .err").wait_for()
    page.complaints.expect("422")
    assert page.locator(".rename .err").inner_text().strip() == (
        "You already have an ISO with this name. Try “taken (2)”."
    )
    assert focused(page, "value") == "taken"
    page.keyboard.type(" home")
    with page.expect_response(lambda response: "rename=" in response.url):
        pass  # a live update
    page.wait_for_timeout(100)
    assert focused(page, "value") == "taken home", "typing and focus are kept through updates"
    assert page.locator(".rename .err").is_visible()
    page.get_by_role("button", name="Save name").focus()
    with page.expect_response(lambda response: "rename=" in response.url):
        pass
    page.wait_for_timeout(100)
    assert focused(page, "ariaLabel") == "Save name", "an update takes the focus from nothing"
    page.keyboard.press("Escape")
    pencil.wait_for()
    until(page, f"document.activeElement.id === 'pencil-{iso.public_id}'")
    page.keyboard.press("Enter")
    until(page, "document.activeElement.matches('[data-rename-input]')")
    page.keyboard.type("Debian 13")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Rename Debian 13").wait_for()
    until(page, f"document.activeElement.id === 'pencil-{iso.public_id}'")
    assert page.locator("#messages").inner_text().strip() == "Renamed to “Debian 13”."
    iso.refresh_from_db()
    assert iso.name == "Debian 13"
    assert not page.locator("[data-rename-input]").count()


# --- delete and cancel ----------------------------------------------------------------------------------


def test_delete_from_the_list(open_browser, account, owner, zone_a, zone_b):
    iso = make_iso(account, {zone_a: "ready", zone_b: "ready"}, "Debian")
    other = make_iso(account, {zone_a: "ready"}, "Other")
    page = open_browser(owner)
    page.goto("/isos/")
    opener = page.get_by_role("link", name="Delete Debian")
    opener.click()
    dialog = page.get_by_role("dialog", name="Delete “Debian”?")
    dialog.wait_for()
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog')")
    assert focused(page, "ariaLabel") == "Delete Debian", "Escape gives the focus back"
    opener.click()
    dialog.get_by_label("zone-a").check()
    last = dialog.get_by_text("This removes the last copy. The ISO will be gone.")
    assert not last.is_visible()
    dialog.get_by_role("button", name="Select all").click()
    assert last.is_visible()
    assert "2 zones selected" in dialog.inner_text()
    assert "to delete from zone-a and zone-b" in dialog.inner_text()
    dialog.get_by_role("textbox").fill("confirn")
    page.keyboard.press("Enter")
    dialog.get_by_text("Type the word confirm to delete.").wait_for()
    page.complaints.expect("422")
    assert focused(page) == "confirmation"
    assert last.is_visible()
    assert dialog.get_by_role("textbox").input_value() == "confirn"
    page.keyboard.press("Backspace")
    page.keyboard.type("m")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    row(page, iso).get_by_text("zone-a deleting").wait_for()
    assert not page.locator("dialog").count()
    assert page.locator("#messages").inner_text().strip() == "Deleting “Debian” from zone-a and zone-b."
    assert "2 of 10 used" in page.locator("#list-quota").inner_text()
    run_all()
    page.get_by_text("Showing 1 of 1 images").wait_for()
    assert "Debian was deleted." in page.locator("#announce").text_content()
    assert "1 of 10 used" in page.locator("#list-quota").inner_text(), "the quota follows"
    assert list(Iso.objects.all()) == [other]


def test_cancel_from_the_list(open_browser, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "receiving"}, "Debian", user=owner)
    page = open_browser(owner)
    page.goto("/isos/")
    page.get_by_role("button", name="Cancel upload of Debian").click()
    question = page.get_by_role("dialog", name="Cancel the upload of “Debian”?")
    question.get_by_role("button", name="Keep uploading").click()
    until(page, "!document.querySelector('dialog')")
    assert iso.replicas.get().state == "receiving"
    page.get_by_role("button", name="Cancel upload of Debian").click()
    question.get_by_role("button", name="Cancel upload").click()
    row(page, iso).get_by_text("zone-a deleting").wait_for()
    run_all()
    page.get_by_text("No ISO images yet").wait_for()


# --- one ISO ----------------------------------------------------------------------------------------------


def test_the_page_of_an_iso(open_browser, library, owner):
    iso = library["ready"]
    page = open_browser(owner)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/isos/")
    page.get_by_role("link", name="View more about Ubuntu Server 24.04.3").click()
    page.get_by_role("button", name="Copy SHA-256").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == iso.sha256
    page.get_by_role("button", name="Set OS type to Debian 13").click()
    page.get_by_text("OS type set to Debian 13.").wait_for()
    until(page, "!document.querySelector('.suggestion')")
    page.get_by_role("link", name="Delete from London").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("checkbox", name="London").is_checked()
    assert not dialog.get_by_role("checkbox", name="Frankfurt").is_checked()
    dialog.get_by_role("textbox").fill("confirm")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    page.locator("#zone-zone-b").get_by_text("Deleting").wait_for()
    for operation in Operation.objects.exclude(replica__iso=iso):
        operation.delete()
    run_all()
    page.get_by_text("Available in 1 of 1 zone").wait_for()
    assert "Deleted in London" in page.locator(".time").inner_text()


def test_the_page_of_an_iso_that_goes_leads_to_the_list(open_browser, account, owner, zone_a):
    iso = make_iso(account, {zone_a: "deleting"})
    page = open_browser(owner)
    page.goto(iso.get_absolute_url())
    iso.delete()
    page.wait_for_url("**/isos/")
    page.complaints.expect("404")


# --- without JavaScript -----------------------------------------------------------------------------------


def test_everything_but_sending_works_without_javascript(open_browser, account, owner, zone_a, zone_b):
    make_iso(account, {zone_a: "ready", zone_b: "failed"}, "Debian", user=owner)
    make_iso(account, {zone_a: "ready"}, "FreeBSD", os_type="bsd")
    page = open_browser(owner, javascript=False)
    page.goto("/isos/")
    page.get_by_label("OS type").select_option("Linux")
    page.get_by_role("button", name="Apply").click()
    assert page.get_by_text("Showing 1 of 1 images").is_visible()
    page.get_by_role("link", name="Rename Debian").click()
    page.get_by_label("New name").fill("freebsd")
    page.get_by_role("button", name="Save name").click()
    assert page.get_by_text("You already have an ISO with this name.").first.is_visible()
    page.complaints.expect("422")
    page.get_by_label("New name").fill("Debian 13")
    page.get_by_role("button", name="Save name").click()
    assert page.get_by_text("Renamed to “Debian 13”.").is_visible()
    assert re.search(r"os_type=linux", page.url), "the filters are kept"
    page.get_by_role("link", name="Delete Debian 13").click()
    page.get_by_label("zone-a").check()
    assert page.get_by_text("If you choose every zone that holds it").is_visible()
    page.get_by_label("Type confirm to delete").fill("confirm")
    page.get_by_role("button", name="Delete", exact=True).click()
    assert page.get_by_text("Deleting “Debian 13” from zone-a.").is_visible()
    page.goto(make_iso(account, {zone_b: "failed"}, "Arch", user=owner).get_absolute_url())
    page.get_by_role("button", name="Retry").click()
    assert page.get_by_role("heading", name="Choose the file again").is_visible()
    page.get_by_role("link", name="Arch").click()
    page.get_by_role("button", name="Cancel upload").click()
    assert page.get_by_text("Cancelled “Arch”.").is_visible()

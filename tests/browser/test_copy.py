"""Copy ISO and delete per zone in a browser, with real stores and real copies."""

from pathlib import Path

import pytest

from isos.models import Iso, Operation
from tests import media
from tests.browser.checks import LOOKS, look, until
from tests.conftest import make_file_zone
from tests.factories import GB, make_iso
from tests.isos.conftest import (
    actor,  # noqa: F401 -- a fixture
    start,  # noqa: F401 -- a fixture
)
from tests.isos.copies import replica_in, uploaded
from zones.models import Zone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="session")
def image():
    return media.iso("COPIED", bios=True, padding=500_000)


@pytest.fixture
def zone_c(db, tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c")


@pytest.fixture
def iso(live_portal, start, image, zone_a):  # noqa: F811
    return uploaded(start, image, zone_a, name="Debian")


def open_popup(page, iso):
    page.goto("/isos/")
    page.get_by_role("link", name=f"Copy ISO {iso.name}").click()
    page.get_by_role("dialog").wait_for()


def chip(page, zone, state):
    return page.locator(f"[data-iso-id] [data-zone={zone.slug}][data-state={state}]")


def files_of(zone):
    return [path for path in Path(zone.options["location"]).rglob("*.iso") if path.is_file()]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_popup_in_every_look(open_browser, account, owner, zone_a, zone_b, tmp_path, width, scheme):
    Zone.objects.filter(pk=zone_a.pk).update(name="Frankfurt", description="eu-central")
    Zone.objects.filter(pk=zone_b.pk).update(name="Virginia", description="us-east")
    words = {"state": "maintenance", "state_reason": "New disks until Friday", "description": "ap-southeast"}
    make_file_zone("zone-c", tmp_path / "c", **words)
    iso = make_iso(account, {zone_a: "ready"}, "Ubuntu Server 24.04.3", size=3 * GB)
    page = open_browser(owner, width=width, scheme=scheme)
    open_popup(page, iso)
    page.get_by_label("Virginia").check()
    assert page.locator("[data-copy-total]").inner_text() == "1 zone · 3.00 GB of 97.0 GB free · No charge"
    look(page, "copy")
    page.get_by_label("Virginia").uncheck()
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_text("Select at least one zone.").wait_for()
    page.complaints.expect("422")
    look(page, "copy refused")
    page.goto(f"{iso.get_absolute_url()}copy/")
    look(page, "copy page")


def test_copy_by_keyboard_and_follow_it_live(open_browser, worker, owner, iso, zone_b, zone_c, image):
    page = open_browser(owner)
    page.goto("/isos/")
    opener = page.get_by_role("link", name="Copy ISO Debian")
    opener.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    until(page, "document.activeElement.getAttribute('aria-label') === 'Copy ISO Debian'")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    for name in ("zone-b", "zone-c"):
        page.get_by_label(name).focus()
        page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    for zone in (zone_b, zone_c):
        chip(page, zone, "ready").wait_for(timeout=20_000)
        assert [path.read_bytes() for path in files_of(zone)] == [image]
    assert "Available in 3 of 3 zones" in page.goto(iso.get_absolute_url()).text()
    assert replica_in(iso, zone_c).verified_at


def test_one_zone_fails_alone_and_is_tried_again(open_browser, worker, owner, iso, zone_b, zone_c, settings, image):
    settings.OPERATION_MAX_ATTEMPTS = 1
    location = Path(zone_b.options["location"])
    away = location.rename(f"{location}.away")  # its disk is not mounted
    page = open_browser(owner)
    open_popup(page, iso)
    page.get_by_label("zone-b").check()
    page.get_by_label("zone-c").check()
    page.get_by_role("button", name="Copy", exact=True).click()
    chip(page, zone_c, "ready").wait_for(timeout=20_000)
    chip(page, zone_b, "failed").wait_for(timeout=20_000)
    page.locator("[data-error-zone=zone-b]").get_by_text("can't be reached right now").wait_for()
    look(page, "copy failed in one zone")
    away.rename(location)
    page.get_by_role("button", name="zone-b failed").click()
    chip(page, zone_b, "ready").wait_for(timeout=20_000)
    assert [path.read_bytes() for path in files_of(zone_b)] == [image]
    assert Operation.objects.filter(kind="copy", zone=zone_c).count() == 1, "the other zone was left alone"


def test_delete_in_one_zone_of_three_then_in_all(open_browser, worker, owner, iso, zone_a, zone_b, zone_c):
    page = open_browser(owner)
    open_popup(page, iso)
    page.get_by_label("zone-b").check()
    page.get_by_label("zone-c").check()
    page.get_by_role("button", name="Copy", exact=True).click()
    for zone in (zone_b, zone_c):
        chip(page, zone, "ready").wait_for(timeout=20_000)
    page.get_by_role("link", name="Delete Debian").click()
    page.get_by_label("zone-b").check()
    assert page.locator("[data-last-copy]").is_hidden()
    page.get_by_label("Type confirm to delete").fill("confirm")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator("[data-iso-id] [data-zone=zone-b]").wait_for(state="detached", timeout=20_000)
    assert [len(files_of(zone)) for zone in (zone_a, zone_b, zone_c)] == [1, 0, 1]
    page.get_by_role("link", name="Delete Debian").click()
    page.get_by_role("button", name="Select all").click()
    page.locator("[data-last-copy]").wait_for()
    look(page, "delete everywhere")
    page.get_by_label("Type confirm to delete").fill("confirm")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.locator(f"[data-iso-id='{iso.public_id}']").wait_for(state="detached", timeout=20_000)
    until(page, "document.getElementById('announce').textContent.includes('Debian was deleted')")
    assert [len(files_of(zone)) for zone in (zone_a, zone_b, zone_c)] == [0, 0, 0]
    assert not Iso.objects.exists()


def test_several_at_once(open_browser, account, owner, zone_a, zone_b):
    for name in ("Debian", "FreeBSD", "Ubuntu"):
        make_iso(account, {zone_a: "ready"}, name, size=GB)
    make_iso(account, {zone_b: "verifying"}, "Moving", user=owner)  # so that the list is polled
    page = open_browser(owner)
    page.goto("/isos/")
    bar = page.locator("#bulk")
    assert bar.is_hidden()
    page.get_by_label("Select Debian").focus()
    page.keyboard.press("Space")
    page.get_by_label("Select Ubuntu").check()
    assert bar.inner_text().startswith("2 selected")
    with page.expect_response("**/isos/"):
        pass  # the list was replaced
    until(page, "document.querySelectorAll('[name=iso]:checked').length === 2")
    look(page, "bulk")
    bar.get_by_role("button", name="Copy ISO").click()
    page.get_by_role("dialog").get_by_label("zone-b").check()
    assert page.locator("[data-copy-total]").inner_text() == "1 zone · 2.00 GB of 96.3 GB free · No charge"
    look(page, "bulk copy")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_text("Copying 2 images.").wait_for()
    assert {one.iso_name for one in Operation.objects.filter(kind="copy")} == {"Debian", "Ubuntu"}
    assert bar.is_hidden()
    page.get_by_label("Select FreeBSD").check()
    page.get_by_label("Select Moving").check()
    bar.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Select all").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.locator("#confirmation-error").wait_for()
    page.complaints.expect("422")
    look(page, "bulk delete")
    page.get_by_label("Type confirm to delete").fill("confirm")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("Deleting 2 images.").wait_for()
    assert Operation.objects.filter(kind="delete").count() == 1, "the other one's job stops first"


def test_several_at_once_on_a_phone_without_script(open_browser, account, owner, zone_a, zone_b):
    for name in ("Debian", "FreeBSD"):
        make_iso(account, {zone_a: "ready"}, name, size=GB)
    page = open_browser(owner, width=390, javascript=False)
    page.goto("/isos/")
    page.get_by_label("Select Debian").check()
    page.locator("#bulk").get_by_role("button", name="Copy ISO").click()
    page.get_by_label("zone-b").check()
    page.get_by_role("button", name="Copy", exact=True).click()
    assert page.get_by_text("Copying 1 image.").is_visible()

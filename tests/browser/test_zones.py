"""Several zones at upload in a browser: the form, the stages, and what the list says while some wait."""

import hashlib

import pytest

from isos.models import Iso
from quotas.models import QuotaLimit
from tests import media
from tests.browser.checks import LOOKS, look, until
from tests.browser.test_upload import big, throttle  # noqa: F401 -- a fixture
from tests.conftest import make_file_zone
from tests.factories import MB, make_iso
from tests.isos.copies import content, replica_in
from zones.models import Zone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    return media.write(
        tmp_path_factory.mktemp("media") / "image.iso", media.iso("SEVERAL ZONES", bios=True, padding=500_000)
    )


@pytest.fixture
def zone_c(db, tmp_path):
    return make_file_zone("zone-c", tmp_path / "zone-c")


def fill_in(page, file, name="Debian"):
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(file))
    page.get_by_label("Name").fill(name)


def upload(page):
    page.get_by_role("button", name="Upload").click()


def stage(page):
    return page.locator("#stages [data-stage]")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_zones_in_every_look(open_browser, account, owner, zone_a, zone_b, zone_c, image, tmp_path, width, scheme):
    for zone, name, words in ((zone_a, "Frankfurt", "eu-central"), (zone_b, "Virginia", "us-east")):
        Zone.objects.filter(pk=zone.pk).update(name=name, description=words)
    Zone.objects.filter(pk=zone_c.pk).update(
        name="Singapore", state="maintenance", state_reason="New disks until Friday"
    )
    make_file_zone("zone-d", tmp_path / "d", description="sa-east")
    QuotaLimit.objects.create(account=account, max_bytes=MB)
    page = open_browser(owner, width=width, scheme=scheme)
    fill_in(page, image)
    assert page.get_by_label("Frankfurt").is_checked()
    assert page.get_by_label("Singapore").is_disabled()
    page.get_by_label("Virginia").check()
    page.locator("#zones-hint").scroll_into_view_if_needed()
    look(page, "upload zones")
    Zone.objects.filter(slug="zone-d").update(state="maintenance")
    page.get_by_label("zone-d").check()
    upload(page)
    page.locator("#zone-zone-d-error .err").wait_for()
    page.complaints.expect("422")
    page.locator("#zones-hint").scroll_into_view_if_needed()
    look(page, "upload zones wrong")
    page.locator("#error-summary a").click()
    assert page.evaluate("document.activeElement.id") == "id_zone-zone-d"
    page.keyboard.press("Space")  # what was wrong is taken back, and the page says no more of it
    page.locator("#zone-zone-d-error .err").wait_for(state="detached")
    upload(page)
    page.locator("#zones-error").get_by_text("In 2 zones this ISO needs").wait_for()
    page.complaints.expect("422")
    look(page, "upload zones over quota")
    make_iso(account, {zone_a: "receiving", zone_b: "waiting"}, "Waiting", user=owner, size=100)
    iso = Iso.objects.get()
    page.goto("/isos/")
    look(page, "list with a zone that waits")
    page.goto(iso.get_absolute_url())
    page.get_by_text("Waits for the upload to Frankfurt").wait_for()
    page.locator("#zone-zone-b").scroll_into_view_if_needed()
    look(page, "detail with a zone that waits")
    page.goto(f"{iso.get_absolute_url()}progress/")
    look(page, "progress with a zone that waits")


def test_to_three_zones_by_keyboard(open_browser, worker, owner, zone_a, zone_b, zone_c, image):
    page = open_browser(owner)
    fill_in(page, image)
    size = image.stat().st_size
    for slug in ("zone-b", "zone-c"):
        page.get_by_label(slug).focus()
        page.keyboard.press("Space")
    said = page.locator("[data-after]").inner_text()
    assert said.startswith(f"{3 * size / MB:.2f} MB used after this upload to 3 zones")
    page.get_by_label("Name").press("Enter")
    stage(page).get_by_text("“Debian” is ready in zone-a, zone-b and zone-c.").wait_for(timeout=30_000)
    assert page.locator("#stages .steps li").all_inner_texts() == ["Uploading", "Verifying", "Copying", "Ready"]
    until(page, "document.querySelector('[data-announce]').textContent.includes('zone-a, zone-b and zone-c')")
    look(page, "upload ready in three zones")
    iso = Iso.objects.get()
    for zone in (zone_a, zone_b, zone_c):
        assert content(replica_in(iso, zone)) == image.read_bytes()
    page.goto("/isos/")
    for zone in (zone_a, zone_b, zone_c):
        page.locator(f"[data-iso-id] [data-zone={zone.slug}][data-state=ready]").wait_for()


def test_the_list_follows_from_waiting_to_ready(open_browser, worker, owner, zone_a, zone_b, big):  # noqa: F811
    page, watcher = open_browser(owner), open_browser(owner)
    fill_in(page, big)
    page.get_by_label("zone-b").check()
    throttle(page, 1_500_000)
    upload(page)
    until(page, "parseInt(document.querySelector('[data-percent]').textContent) > 2")
    watcher.goto("/isos/")
    watcher.locator("[data-zone=zone-b][data-state=waiting]").wait_for()
    assert watcher.locator("[data-zone=zone-b]").text_content() == "zone-b waits for the upload to zone-a"
    watcher.locator("[data-zone=zone-a][data-state=receiving]").wait_for()
    throttle(page, 0)
    for slug in ("zone-a", "zone-b"):
        watcher.locator(f"[data-zone={slug}][data-state=ready]").wait_for(timeout=30_000)
    assert hashlib.sha256(content(replica_in(Iso.objects.get(), zone_b))).digest() == (
        hashlib.sha256(big.read_bytes()).digest()
    )


def test_the_first_fails_and_retry_takes_the_others_along(open_browser, worker, owner, zone_a, zone_b, image, tmp_path):
    bad = media.write(tmp_path / "bad.iso", bytes(image.stat().st_size))
    page = open_browser(owner)
    fill_in(page, bad)
    page.get_by_label("zone-b").check()
    upload(page)
    page.locator("#stages[data-state=failed]").wait_for(timeout=30_000)
    zone_b_now = page.locator("#stages li[data-zone=zone-b]")
    zone_b_now.get_by_text("Not copied: the upload to zone-a failed.").wait_for()
    look(page, "upload to two zones failed")
    page.goto("/isos/")
    page.locator("[data-error-zone=zone-b]").get_by_text("Choose Retry there").wait_for()
    assert page.get_by_role("button", name="zone-b failed").count() == 0
    look(page, "list with two failed zones")
    page.get_by_role("button", name="zone-a failed").click()
    page.get_by_role("heading", name="Upload “Debian”").wait_for()
    page.locator("#file").set_input_files(str(image))
    page.get_by_role("button", name="Upload").click()
    stage(page).get_by_text("“Debian” is ready in zone-a and zone-b.").wait_for(timeout=30_000)
    assert content(replica_in(Iso.objects.get(), zone_b)) == image.read_bytes()


def test_one_that_waits_is_cancelled_and_the_upload_goes_on(open_browser, worker, owner, zone_a, zone_b, big):  # noqa: F811
    page, other = open_browser(owner), open_browser(owner)
    fill_in(page, big)
    page.get_by_label("zone-b").check()
    throttle(page, 800_000)
    upload(page)
    until(page, "parseInt(document.querySelector('[data-percent]').textContent) > 2")
    other.goto(Iso.objects.get().get_absolute_url())
    other.get_by_role("button", name="Cancel copy of Debian to zone-b").click()
    dialog = other.get_by_role("dialog")
    dialog.get_by_text("The other zones are not touched.").wait_for()
    dialog.get_by_role("button", name="Cancel copy").click()
    other.locator("#zone-zone-b").wait_for(state="detached", timeout=20_000)
    throttle(page, 0)
    stage(page).get_by_text("“Debian” is ready in zone-a.").wait_for(timeout=30_000)
    assert [replica.zone.slug for replica in Iso.objects.get().replicas.all()] == ["zone-a"]


def test_without_script(open_browser, owner, zone_a, zone_b):
    page = open_browser(owner, width=390, javascript=False)
    page.goto("/isos/upload/")
    page.get_by_label("zone-b").check()
    page.get_by_label("zone-a").uncheck()
    page.get_by_label("Name").fill("Debian")
    page.get_by_role("button", name="Upload").click()
    page.locator("#error-summary").wait_for()
    page.complaints.expect("422")
    assert page.get_by_label("zone-b").is_checked()
    assert not page.get_by_label("zone-a").is_checked()

"""Uploading from the form to Ready, through everything that may happen on the way."""

import hashlib
import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from isos.actions.delete_from_zones import cancel
from isos.audit import Actor
from isos.models import Iso, Upload
from quotas.models import QuotaLimit, Reservation
from tests import media
from tests.browser.checks import LOOKS, look, until
from tests.browser.line import Line
from tests.factories import MB, make_iso, make_version
from tests.isos.conftest import run_all
from zones.models import Zone

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SLOW = 600_000  # bytes per second: the big file below takes some ten seconds


@pytest.fixture(scope="session")
def ipxe(tmp_path_factory):
    return media.write(tmp_path_factory.mktemp("media") / "ipxe.iso", media.real(media.IPXE))


@pytest.fixture(scope="session")
def big(tmp_path_factory):
    """A valid image that takes a while to send."""
    return media.big_iso(tmp_path_factory.mktemp("media") / "big.iso", 3 << 21)


def throttle(page, speed):
    """Upload at most `speed` bytes per second; 0 ends the limit."""
    session = getattr(page, "brake", None) or page.context.new_cdp_session(page)
    page.brake = session  # each session has a brake of its own, and the slowest one counts
    session.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": speed or -1}
    session.send("Network.emulateNetworkConditions", conditions)


def begin(page, file, name="Image", speed=0, at=""):
    """Fill in the form and press Upload; with a `speed`, wait until bytes travel."""
    page.goto(f"{at}/isos/upload/")
    page.locator("#file").set_input_files(str(file))
    page.get_by_label("Name").fill(name)
    throttle(page, speed)
    page.get_by_role("button", name="Upload").click()
    if speed:
        until(page, "parseInt(document.querySelector('[data-percent]').textContent) > 2")


def wait_until_ready(page, name="Image"):
    page.locator("#stages").get_by_text(f"“{name}” is ready in zone-a.").wait_for(timeout=60_000)


def sent_bytes(page):
    return page.locator("[data-numbers]").inner_text()


def assert_stored(file):
    iso = Iso.objects.get()
    assert iso.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert iso.replicas.get().state == "ready"


def offsets_of(page):
    """The Upload-Offset of each PATCH that the page sends from now on."""
    offsets = []
    page.on("request", lambda r: r.method == "PATCH" and offsets.append(int(r.headers["upload-offset"])))
    return offsets


# --- the way without trouble --------------------------------------------------------------------


def test_from_the_form_to_ready(open_browser, worker, owner, zone_a, ipxe):
    make_version("Debian 13", "debian-13")
    make_version("FreeBSD 15", "freebsd-15", "bsd")
    page = open_browser(owner)
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(ipxe))
    until(page, "document.querySelector('#id_name').value === 'ipxe'")  # the file suggests a name
    assert page.locator("#drop").inner_text().startswith("ipxe.iso, ")
    assert "used after this upload" in page.locator("[data-after]").inner_text()
    page.get_by_label("Name").fill("Network boot")
    versions = page.get_by_label("Version").locator("option")
    assert {"Not specified", "Debian 13"} <= set(versions.all_inner_texts())
    assert "FreeBSD 15" not in versions.all_inner_texts(), "versions follow the OS type"
    page.get_by_label("OS type").select_option("BSD")
    assert "FreeBSD 15" in versions.all_inner_texts()
    assert "Debian 13" not in versions.all_inner_texts()
    page.get_by_label("Version").select_option("FreeBSD 15")
    page.get_by_label("Extractable").check()
    page.get_by_label("Checksum").fill(hashlib.sha256(ipxe.read_bytes()).hexdigest().upper())
    page.get_by_role("button", name="Upload").click()
    wait_until_ready(page, "Network boot")
    assert page.locator("#transfer-title").inner_text() == "“Network boot”"
    assert page.locator("[data-announce]").inner_text() == "“Network boot” is ready in zone-a."
    assert page.evaluate("document.activeElement.id") == "transfer-title"
    look(page, "upload ready")
    assert_stored(ipxe)
    page.get_by_role("link", name="View ISO").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Network boot"
    main = page.locator("main").inner_text()
    for said in (Iso.objects.get().sha256, "Matches the checksum you gave", "FreeBSD 15", "Extractable", "ipxe.iso"):
        assert said in main


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_the_form_in_every_look(open_browser, account, owner, zone_a, zone_b, ipxe, width, scheme):
    Zone.objects.filter(pk=zone_b.pk).update(state="maintenance", state_reason="New disks until Friday")
    make_iso(account, {zone_a: "ready"}, "Taken")
    page = open_browser(owner, width=width, scheme=scheme)
    page.goto("/isos/upload/")
    look(page, "upload form")
    page.locator("#file").set_input_files({"name": "setup.exe", "mimeType": "", "buffer": b"MZ"})
    page.get_by_label("Name").fill("taken")
    page.locator("#name-error .err").wait_for()
    page.get_by_role("button", name="Upload").click()
    page.locator("#error-summary").wait_for()
    look(page, "upload form wrong")


# --- what is refused -----------------------------------------------------------------------------


def test_refused_before_a_byte_travels(open_browser, account, owner, zone_a, ipxe):
    QuotaLimit.objects.create(account=account, max_iso_bytes=3 * MB, max_bytes=4 * MB)
    make_iso(account, {zone_a: "ready"}, "Taken", size=2 * MB + 500_000)
    page = open_browser(owner)
    page.goto("/isos/upload/")
    upload, error = page.get_by_role("button", name="Upload"), page.locator("#file-error")
    upload.click()
    assert error.inner_text() == "Choose an ISO file."
    files = {
        "setup.exe": (b"MZ", "Only .iso files can be uploaded. Choose a file whose name ends in .iso."),
        "empty.iso": (b"", "The file is empty. Choose another file."),
        "large.iso": (bytes(3 * MB + 1), "This ISO is 3,000,001 bytes; the largest allowed is 3,000,000 bytes. "
                      "Choose a smaller one, or ask your administrator."),
        "storage.iso": (bytes(2 * MB), "This ISO needs 2.00 MB, but only 1.50 MB of your 4.00 MB is free. "
                        "Delete an ISO, or ask your administrator for more."),
    }  # fmt: skip
    for name, (content, sentence) in files.items():
        page.locator("#file").set_input_files({"name": name, "mimeType": "", "buffer": content})
        page.get_by_text(sentence).wait_for()
        upload.click()
        assert page.locator("#error-summary").inner_text().endswith(sentence)
        assert page.evaluate("document.activeElement.id") == "error-summary"
        page.locator("#error-summary a").click()
        assert page.evaluate("document.activeElement.id") == "file"
    assert page.locator("#file").get_attribute("aria-invalid") == "true"
    assert "file-error" in page.locator("#file").get_attribute("aria-describedby")
    assert Iso.objects.count() == 1


def test_refused_by_the_server_with_the_typing_kept(open_browser, worker, account, owner, zone_a, ipxe):
    make_iso(account, {zone_a: "ready"}, "Taken")
    page = open_browser(owner)
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(ipxe))
    name = page.get_by_label("Name")
    name.fill("taken")
    sentence = "You already have an ISO with this name. Try “taken (2)”."
    page.locator("#name-error").get_by_text(sentence).wait_for()
    assert name.get_attribute("aria-invalid") == "true", "it is said while it is typed"
    page.get_by_label("Description").fill("For builds")
    page.get_by_label("Checksum").fill("abc")
    page.get_by_role("button", name="Upload").click()
    summary = page.locator("#error-summary")
    summary.get_by_text("2 things need your attention").wait_for()
    page.complaints.expect("422")
    assert "A SHA-256 checksum has 64 characters" in summary.inner_text()
    page.get_by_label("Checksum").fill("")
    page.get_by_role("button", name="Upload").click()
    summary.get_by_text("1 thing needs your attention").wait_for()
    page.complaints.expect("422")
    assert page.get_by_label("Description").input_value() == "For builds"
    name.fill("Taken no more")
    page.get_by_role("button", name="Upload").click()
    wait_until_ready(page, "Taken no more")
    assert Iso.objects.get(name="Taken no more").description == "For builds"


def test_a_program_called_iso_costs_nothing_and_the_right_file_follows(
    open_browser, worker, owner, zone_a, ipxe, tmp_path
):
    program = media.write(tmp_path / "setup.iso", media.WINDOWS_PROGRAM.ljust(100_000, b"\0"))
    page = open_browser(owner)
    begin(page, program, "Setup")
    page.locator("#stages").get_by_text(re.compile("looks like .*not an ISO image")).wait_for()
    look(page, "upload refused")
    assert page.get_by_role("button", name="Retry").is_visible()
    assert not Reservation.objects.exists()
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(program))
    page.get_by_text("This does not look like an ISO image.").wait_for()
    page.goto(Iso.objects.get().get_absolute_url())
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("heading", name="Choose the file again").wait_for()
    page.get_by_role("button", name="Upload").click()
    assert page.locator("#file-error").inner_text() == "Choose the file first."
    page.locator("#file").set_input_files(str(ipxe))
    page.get_by_role("button", name="Upload").click()
    wait_until_ready(page, "Setup")
    assert_stored(ipxe)


# --- trouble on the way --------------------------------------------------------------------------


def test_pause_and_resume(open_browser, worker, owner, zone_a, big):
    page = open_browser(owner)
    offsets = offsets_of(page)
    begin(page, big, speed=SLOW)
    until(page, "/MB\\/s|kB\\/s/.test(document.querySelector('[data-numbers]').textContent)")
    assert re.fullmatch(r"[\d.]+ .B of 6\.29 MB · [\d.]+ .B/s · (about \d+ s|a few seconds) left", sent_bytes(page))
    look(page, "uploading")
    assert leaving_is_questioned(page)
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. What was sent is kept").wait_for()
    look(page, "upload paused")
    assert not leaving_is_questioned(page)
    stopped = sent_bytes(page)
    page.wait_for_timeout(500)
    assert sent_bytes(page) == stopped
    throttle(page, 0)
    page.get_by_role("button", name="Resume").click()
    wait_until_ready(page)
    page.complaints[:] = [one for one in page.complaints if "423" not in one and "409" not in one]
    assert offsets[0] == 0
    assert offsets[-1] > 0, "it went on where it stopped"
    assert_stored(big)


def leaving_is_questioned(page):
    return page.evaluate("() => !dispatchEvent(new Event('beforeunload', {cancelable: true}))")


def test_leave_in_the_middle_and_resume_from_the_list(open_browser, worker, owner, zone_a, big, ipxe):
    page = open_browser(owner)
    page.on("dialog", lambda dialog: dialog.accept())
    begin(page, big, speed=SLOW)
    assert page.url.endswith("/resume/"), "a reload would ask for the file again"
    page.goto("/isos/")
    page.get_by_role("link", name="Resume upload of Image").click(timeout=20_000)
    page.get_by_role("heading", name="Resume upload of “Image”").wait_for()
    look(page, "resume")
    page.locator("#file").set_input_files(str(ipxe))
    page.get_by_text("This file is called “ipxe.iso”. Choose “big.iso” of 6,291,456 bytes.").wait_for()
    other = big.read_bytes()[:-1]
    page.locator("#file").set_input_files({"name": "big.iso", "mimeType": "", "buffer": other})
    page.get_by_text("This file has 6,291,455 bytes.").wait_for()
    page.locator("#file").set_input_files({"name": "big.iso", "mimeType": "", "buffer": other + b"x"})
    page.get_by_text("the same name and size, but other content").wait_for()
    page.get_by_role("button", name="Resume upload").click()
    assert page.locator("#transfer").is_hidden()
    page.locator("#file").set_input_files(str(big))
    until(page, "document.querySelector('#file-error').textContent === ''")
    offsets = offsets_of(page)
    throttle(page, 0)
    page.get_by_role("button", name="Resume upload").click()
    wait_until_ready(page)
    assert offsets[0] > 0
    assert_stored(big)


def test_a_lost_connection_heals_by_itself(open_browser, live_portal, worker, owner, zone_a, big):
    page, line = open_browser(owner), Line(live_portal)
    offsets = offsets_of(page)
    begin(page, big, speed=SLOW, at=line.url)
    page.wait_for_timeout(1500)  # a checkpoint of the server, so that something is kept
    line.cut()
    page.get_by_text(re.compile(r"Connection lost\. Trying again in \d+ s\.")).wait_for()
    assert leaving_is_questioned(page)
    look(page, "upload connection lost")
    page.get_by_text("Trying again in 5 s.").wait_for(timeout=20_000)
    assert page.get_by_role("button", name="Try now").is_visible()
    throttle(page, 0)
    line.mend()
    wait_until_ready(page)
    page.complaints[:] = [one for one in page.complaints if not re.search("ERR_|423|409", one)]
    assert offsets[-1] > 0, "what was received is not sent again"
    assert_stored(big)


def test_another_connection_that_sends_is_waited_for(open_browser, worker, owner, zone_a, big):
    page = open_browser(owner)
    begin(page, big, speed=SLOW)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)  # the server has seen the broken connection and unlocked
    upload = Upload.objects.get()
    Upload.objects.update(lock_token=uuid.uuid4(), lock_expires=timezone.now() + timedelta(seconds=19))
    throttle(page, 0)
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Another tab or connection is sending this file. Trying again in").wait_for(timeout=20_000)
    Upload.objects.filter(pk=upload.pk).update(lock_token=None, lock_expires=None)
    page.get_by_role("button", name="Try now").click()
    wait_until_ready(page)
    page.complaints[:] = [one for one in page.complaints if not re.search("423|409", one)]
    assert_stored(big)


def test_a_session_that_ended_goes_on_after_sign_in(open_browser, worker, owner, zone_a, big):
    page = open_browser(owner)
    begin(page, big, speed=SLOW)
    Session.objects.all().delete()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("Your session ended. Sign in again in a new tab; this upload continues by itself.").wait_for()
    look(page, "upload signed out")
    with page.expect_popup() as popup:
        page.locator("#transfer").get_by_role("link", name="Sign in").click()
    tab = popup.value
    tab.get_by_label("Username or e-mail").fill("owner")
    tab.get_by_label("Password").fill("owner-password")
    throttle(page, 0)
    tab.get_by_role("button", name="Sign in").click()
    wait_until_ready(page)
    page.complaints[:] = [one for one in page.complaints if not re.search("401|423|409", one)]
    assert_stored(big)


def test_a_form_sent_after_the_session_ended_keeps_its_file(open_browser, worker, owner, zone_a, ipxe):
    page = open_browser(owner)
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(ipxe))
    page.wait_for_load_state("networkidle")
    Session.objects.all().delete()
    page.get_by_label("Name").fill("Image")
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("Your session ended. Sign in again in a new tab, then press Upload again.").wait_for()
    tab = page.context.new_page()
    tab.goto("/accounts/login/")
    tab.get_by_label("Username or e-mail").fill("owner")
    tab.get_by_label("Password").fill("owner-password")
    tab.get_by_role("button", name="Sign in").click()
    tab.wait_for_url("**/isos/")
    page.get_by_role("button", name="Upload").click()
    wait_until_ready(page)
    page.complaints[:] = [one for one in page.complaints if "401" not in one]


def test_cancel(open_browser, worker, owner, zone_a, big):
    page = open_browser(owner)
    begin(page, big, speed=SLOW)
    page.get_by_role("button", name="Cancel", exact=True).click()
    look(page, "upload cancel")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog')")
    assert page.evaluate("document.activeElement.textContent") == "Cancel", "Escape gives the focus back"
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel upload").click()
    page.get_by_text("Cancelled “Image”. What was received is being removed.").wait_for()
    page.get_by_text("No ISO images yet").wait_for()
    assert not Iso.objects.exists()
    assert not Reservation.objects.exists()


def test_an_upload_that_somebody_ended_says_so(open_browser, owner, zone_a, big):
    page = open_browser(owner)
    begin(page, big, speed=SLOW)
    cancel(Actor(owner), Iso.objects.get())
    ended = page.get_by_text("This upload was ended and what was received is gone. Start it again.")
    ended.wait_for(timeout=30_000)  # the brake on the line holds the answer back too
    page.complaints.expect("410")
    page.locator("#stages").get_by_text("“Image” is being deleted from zone-a.").wait_for()
    look(page, "upload ended")
    run_all()
    page.get_by_text("“Image” was deleted.").wait_for()
    page.complaints.expect("404")
    assert not leaving_is_questioned(page)
    assert not page.get_by_role("button", name="Pause").is_visible()


def test_without_javascript_it_says_what_is_missing(open_browser, owner, zone_a):
    page = open_browser(owner, javascript=False)
    page.goto("/isos/upload/")
    assert page.get_by_text("Sending a file needs JavaScript.").is_visible()
    assert page.locator("#transfer").is_hidden()
    page.get_by_label("Name").fill("Kept")
    page.get_by_role("button", name="Upload").click()
    assert page.locator("#file-error").inner_text().strip() == "Choose an ISO file."
    page.complaints.expect("422")
    assert page.get_by_label("Name").input_value() == "Kept"

"""Importing from a web address: the check, the form, the progress and what may go wrong."""

import hashlib
import threading

import pytest

from isos.models import Iso, Operation, UrlImport
from isos.operations import receiving
from tests import media
from tests.browser.checks import LOOKS, look, until
from tests.browser.conftest import session_cookie
from tests.isos.fetching.conftest import operator, site  # noqa: F401 -- fixtures
from tests.isos.fetching.site import File

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="session")
def image():
    return media.iso("IMPORTED", bios=True, padding=2_000_000)


@pytest.fixture(autouse=True)
def mirror(operator, site, image):  # noqa: F811
    """A mirror with an image, and its checksum beside it."""
    site.routes["/debian/image.iso"] = File(image)
    site.routes["/other/image.iso"] = File(image)
    site.routes["/debian/SHA256SUMS"] = File(f"{hashlib.sha256(image).hexdigest()}  image.iso\n".encode())
    site.routes["/page"] = lambda request: request.answer(b"<!doctype html><html>Hello", Content_Type="text/html")
    return site


class Slow:
    """A file whose first half comes slowly, and whose second half waits until the test lets it go."""

    def __init__(self, data):
        self.data = data
        self.rest = threading.Event()

    def __call__(self, request):
        if request.range[1] is not None or request.range[0]:  # the check, or a connection that goes on
            return File(self.data)(request)
        request.head(Content_Length=len(self.data), ETag='"v1"', Accept_Ranges="bytes")
        half, step = len(self.data) // 2, 1 << 20
        for start in range(0, half, step):
            request.send(self.data[start : min(start + step, half)])
            request.wait(0.1)
        self.rest.wait(30)
        request.send(self.data[half:])


@pytest.fixture(scope="session")
def big(tmp_path_factory):
    return media.big_iso(tmp_path_factory.mktemp("media") / "big.iso", 40 << 20).read_bytes()


@pytest.fixture
def slow(mirror, big):
    held = Slow(big)
    mirror.routes["/slow.iso"] = held
    yield held
    held.rest.set()


def open_form(page, url=""):
    page.goto("/isos/upload/")
    page.get_by_text("URL", exact=True).click()
    if url:
        page.get_by_label("Image URL").fill(url)
        page.get_by_label("Image URL").blur()


def begin(page, url, name="Image"):
    open_form(page)
    page.get_by_label("Image URL").fill(url)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/progress/")


def stage(page):
    return page.locator("[data-stage]")


def test_from_the_address_to_ready(open_browser, worker, owner, zone_a, mirror, image):
    watched = threading.Event()
    mirror.routes["/debian/image.iso"] = lambda request: (
        request.range[0] is None and watched.wait(30),  # not ready before somebody looks
        File(image)(request),
    )
    page = open_browser(owner)
    page.goto("/isos/upload/")
    assert not page.get_by_label("Image URL").is_visible()
    page.get_by_text("URL", exact=True).click()
    assert not page.locator("#drop").is_visible()
    page.get_by_label("Image URL").fill(mirror.url("/other/image.iso"))
    page.get_by_label("Image URL").press("Tab")  # leaving the field checks it
    verdict = page.locator("[data-verdict]")
    verdict.wait_for()
    said = verdict.inner_text()
    for words in (f"An ISO image at {mirror.host}", "image.iso", "IMPORTED", "Goes on where it stopped", " used"):
        assert words in said
    assert "used after this upload" in page.locator("[data-after]").inner_text()
    assert page.get_by_label("Name").input_value() == "image", "the file suggests a name"
    look(page, "import checked")
    page.get_by_label("Image URL").fill(mirror.url("/debian/image.iso"))
    assert not verdict.is_visible(), "a verdict on another address"
    page.get_by_label("Name").fill("Debian by URL")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/progress/")
    watched.set()
    stage(page).get_by_text("“Debian by URL” is ready in zone-a.").wait_for(timeout=30_000)
    look(page, "import ready")
    page.locator("[data-announce]").get_by_text("“Debian by URL” is ready in zone-a.").wait_for()
    page.get_by_role("link", name="View ISO").click()
    main = page.locator("main").inner_text()
    digest = hashlib.sha256(image).hexdigest()
    for words in (digest, f"Matches the publisher’s checksum ({mirror.url('/debian/SHA256SUMS')})", "unprotected"):
        assert words in main
    assert mirror.url("/debian/image.iso") in main
    look(page, "import detail")
    iso = Iso.objects.get()
    assert (iso.sha256, iso.source, iso.size) == (digest, "url", len(image))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_wrong_address_in_every_look(open_browser, owner, zone_a, zone_b, mirror, width, scheme):
    page = open_browser(owner, width=width, scheme=scheme)
    open_form(page, mirror.url("/page"))
    error = page.locator("#url-error")
    error.get_by_text("There is a web page at this address, not a file.").wait_for()
    assert page.get_by_label("Image URL").get_attribute("aria-invalid") == "true"
    look(page, "import wrong address")
    page.get_by_label("Description").fill("Kept")
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("2 things need your attention").wait_for()
    assert page.get_by_label("Description").input_value() == "Kept"
    assert page.get_by_label("Image URL").input_value() == mirror.url("/page")
    page.complaints.expect("422")
    look(page, "import refused")
    page.get_by_role("link", name="There is a web page").click()
    assert page.evaluate("document.activeElement.id") == "id_url"
    page.get_by_label("Image URL").fill(mirror.url("/debian/image.iso"))
    assert not error.inner_text(), "an error about another address"
    page.get_by_role("button", name="Check").click()
    page.locator("[data-verdict]").wait_for()
    page.complaints.clear()
    look(page, "import mended")


def test_the_portal_is_away_while_an_address_is_checked(open_browser, owner, zone_a, mirror):
    page = open_browser(owner)
    page.route("**/preflight/", lambda route: route.abort())
    open_form(page, mirror.url("/debian/image.iso"))
    page.locator("#url-error").get_by_text("The portal can’t be reached.").wait_for()
    page.complaints.clear()
    page.unroute("**/preflight/")
    page.get_by_role("button", name="Check").click()
    page.locator("[data-verdict]").wait_for()
    assert not page.locator("#url-error").inner_text()
    assert page.get_by_label("Image URL").get_attribute("aria-invalid") is None


def test_a_session_that_ended_loses_nothing_that_was_typed(open_browser, live_portal, owner, zone_a, mirror):
    page = open_browser(owner)
    open_form(page)
    page.get_by_label("Description").fill("Typed")
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("Image URL").fill(mirror.url("/debian/image.iso"))
    page.get_by_label("Image URL").blur()
    page.locator("#url-error").get_by_text("Your session ended.").wait_for()
    page.get_by_role("button", name="Upload").click()
    page.locator("#error-summary").get_by_text("Your session ended.").wait_for()
    assert page.get_by_label("Description").input_value() == "Typed"
    page.complaints.clear()
    page.context.add_cookies([session_cookie(owner, live_portal)])
    page.get_by_role("button", name="Check").click()
    page.locator("[data-verdict]").wait_for()


def test_a_long_name_of_a_server_stays_on_a_phone(open_browser, owner, zone_a, mirror):
    page = open_browser(owner, width=390)
    open_form(page, f"https://{'a' * 63}.{'b' * 63}.invalid/image.iso")
    page.locator("#url-error .err").wait_for()
    page.complaints.clear()
    look(page, "import long name")


def test_the_verdict_is_announced(open_browser, owner, zone_a, mirror):
    """Screen readers say what changes inside a live region, not a region that is new."""
    page = open_browser(owner)
    open_form(page)
    region = page.query_selector("#url-check[aria-live=polite]")
    for path, place in (("/page", "#url-error .err"), ("/debian/image.iso", "[data-verdict]")):
        page.get_by_label("Image URL").fill(mirror.url(path))
        page.get_by_label("Image URL").blur()
        page.locator(place).wait_for()
        assert region.evaluate("(region, place) => region.isConnected && !!region.querySelector(place)", place)
    page.complaints.clear()


def test_by_keyboard_alone(open_browser, worker, owner, zone_a, mirror):
    page = open_browser(owner)
    page.goto("/isos/upload/")
    page.locator("[name=source][value=file]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "id_url"
    page.keyboard.type(mirror.url("/debian/image.iso"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "check-url"
    page.locator("[data-verdict]").wait_for()
    page.get_by_label("Name").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/progress/")
    stage(page).get_by_text("is ready in").wait_for(timeout=30_000)


def test_progress_tells_how_much_how_fast_and_how_long(open_browser, worker, owner, zone_a, slow, mirror, monkeypatch):
    monkeypatch.setattr(receiving, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr("isos.operations.engine.BEAT_SECONDS", 0.05)
    page = open_browser(owner)
    begin(page, mirror.url("/slow.iso"))
    until(
        page, "/Downloading, 50%: .* of .* · .*\\/s · .* left/.test(document.querySelector('[data-stage]').textContent)"
    )
    until(page, "/^50% · /.test(document.title)")
    look(page, "import progress")
    page.goto("/isos/")
    page.locator("[data-zone=zone-a][data-state=receiving]").wait_for()
    page.get_by_role("link", name="View more").click()
    page.get_by_text("Watch progress").wait_for()
    look(page, "import detail receiving")
    page.get_by_text("Watch progress").click()
    slow.rest.set()
    stage(page).get_by_text("is ready in").wait_for(timeout=30_000)


def test_cancel_asks_and_gives_everything_back(open_browser, worker, owner, zone_a, slow, mirror):
    page = open_browser(owner)
    begin(page, mirror.url("/slow.iso"))
    page.get_by_role("button", name="Cancel upload").click()
    page.get_by_role("button", name="Keep uploading").click()
    page.get_by_role("button", name="Cancel upload").click()
    look(page, "import cancel")
    page.get_by_role("dialog").get_by_role("button", name="Cancel upload").click()
    page.get_by_text("Cancelled “Image”.").wait_for()
    slow.rest.set()
    until(page, "!document.querySelector('[data-iso-id]')")
    assert not Iso.objects.exists()


def test_a_failed_import_gets_another_address(open_browser, worker, owner, zone_a, mirror, image):
    broken = File(image[:40_000] + b"\1" * 10_000)  # shorter than its volume, which only the server's size told
    broken.declare, broken.ranges = False, False
    mirror.routes["/broken.iso"] = broken
    page = open_browser(owner)
    begin(page, mirror.url("/broken.iso"))
    stage(page).get_by_text("incomplete").wait_for(timeout=30_000)
    look(page, "import failed")
    page.get_by_role("link", name="Change address").click()
    assert page.get_by_label("Image URL").input_value() == mirror.url("/broken.iso")
    page.get_by_label("Image URL").fill(mirror.url("/page"))
    page.get_by_role("button", name="Try this address").click()
    page.get_by_text("There is a web page at this address").wait_for()
    page.complaints.clear()
    look(page, "import change address")
    page.get_by_label("Image URL").fill(mirror.url("/debian/image.iso"))
    page.get_by_role("button", name="Try this address").click()
    stage(page).get_by_text("“Image” is ready in zone-a.").wait_for(timeout=30_000)
    assert Iso.objects.get().sha256 == hashlib.sha256(image).hexdigest()
    assert not UrlImport.objects.get().url
    assert Operation.objects.filter(state="succeeded").count() == 1


def test_without_script(open_browser, worker, owner, zone_a, mirror):
    page = open_browser(owner, javascript=False)
    page.goto("/isos/upload/?source=url")
    page.get_by_label("Image URL").fill(mirror.url("/page"))
    page.get_by_label("Description").fill("Kept")
    page.get_by_role("button", name="Check address").click()
    assert "There is a web page at this address" in page.locator("main").inner_text()
    page.complaints.clear()
    assert page.get_by_label("Description").input_value() == "Kept"
    page.get_by_label("Image URL").fill(mirror.url("/debian/image.iso"))
    page.get_by_role("button", name="Check address").click()
    assert "An ISO image at" in page.locator("main").inner_text()
    page.get_by_label("Name").fill("Without script")
    page.get_by_label("Name").press("Enter")  # presses Upload
    page.wait_for_url("**/progress/")
    until(page, "true")

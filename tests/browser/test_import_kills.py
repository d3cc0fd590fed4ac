"""A real portal in a real browser: an import goes on although its worker is killed in the middle."""

import hashlib
import re

import pytest

from tests import media
from tests.browser.checks import until
from tests.chaos.test_fetch_kills import QUICK, Held, kill_workers, staged_bytes
from tests.isos.fetching.site import ADDRESS, Site
from tests.running import portal, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.xdist_group("browser")]
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def image():
    return media.iso("KILLED", bios=True, padding=16 << 20)


@pytest.fixture
def site():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def running(tmp_path, site):
    rules = {"IMPORT_ALLOWED_NETWORKS": f"{ADDRESS}/32", "IMPORT_PORTS": str(site.port)}
    with portal(tmp_path / "data", PORTAL_DEMO_PASSWORD=PASSWORD, **QUICK, **rules) as started:
        started.complete()
        yield started


@pytest.fixture
def page(chromium, running):
    context = chromium.new_context(base_url=running.url)
    yield context.new_page()
    context.close()


class Checked(Held):
    """Answers the checks of the address at once; only downloads are held."""

    def __call__(self, request):
        if request.range[1] is not None:
            self.file(request)
        else:
            super().__call__(request)


def test_an_import_survives_its_worker(page, running, site, image):
    site.routes["/image.iso"] = held = Checked(image, [len(image) // 2])
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.goto("/isos/upload/?source=url")
    page.get_by_label("Image URL").fill(site.url())
    page.get_by_label("Name").fill("Survivor")
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/progress/")
    stage = page.locator("[data-stage]")
    assert held.sent[0].wait(60), running.output
    wait_until(lambda: staged_bytes(running) > len(image) // 2 - (1 << 20), "half of it is staged")
    until(page, "/^[1-9]\\d?% · /.test(document.title)", 30)  # the page follows it
    kill_workers(running)
    stage.get_by_text("“Survivor” is ready in").wait_for(timeout=60_000)
    page.get_by_role("link", name="View ISO").click()
    main = page.locator("main").inner_text()
    assert hashlib.sha256(image).hexdigest() in main
    assert re.search(r"State\s+Ready", main)
    downloads = [request for request in site.requests if request.path == "/image.iso" and request.range[1] is None]
    assert len(downloads) == 2
    assert downloads[1].range[0] > len(image) // 4, "what had come did not come again"

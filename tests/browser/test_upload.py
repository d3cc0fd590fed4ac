"""Uploading from the form to Ready, through everything that may happen on the way."""

import hashlib
import threading

import pytest
from django.db import connection

from isos.models import Iso, Operation
from isos.operations import engine
from tests import media

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def worker(live_portal):
    """Does what the workers would, beside the browser."""
    stop = threading.Event()

    def work():
        while not stop.wait(0.1):
            for pk in Operation.objects.filter(state="queued").values_list("pk", flat=True):
                engine.run(pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.fixture(scope="session")
def ipxe(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "ipxe.iso"
    return media.write(path, media.real(media.IPXE))


def fill(page, file, **fields):
    page.goto("/isos/upload/")
    page.locator("#file").set_input_files(str(file))


def test_from_the_form_to_ready(open_browser, worker, owner, zone_a, ipxe):
    page = open_browser(owner)
    fill(page, ipxe)
    assert page.get_by_label("Name").input_value() == "ipxe"
    page.get_by_label("Name").fill("Network boot")
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("“Network boot” is ready in zone-a.").wait_for()
    iso = Iso.objects.get()
    assert iso.sha256 == hashlib.sha256(ipxe.read_bytes()).hexdigest()
    page.get_by_role("link", name="View ISO").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Network boot"
    assert iso.sha256 in page.locator("main").inner_text()

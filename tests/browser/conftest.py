"""A real Chromium. Every message in its console that nobody expected fails the test."""

import contextlib
import os
import threading

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from playwright.sync_api import sync_playwright

from isos.models import Operation
from isos.operations import engine
from tests.browser.checks import CHROMIUM_FLAGS
from tests.services import chromium_path

# Playwright's loop runs in the thread of the tests, and Django would take that for async code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def chromium():
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def live_portal(live_server):
    """The address of a portal that serves the test's rows."""
    cache.clear()  # its table is no model's, so it is not emptied between tests
    return live_server.url


class Complaints(list):
    """What the console said. A test that provokes an error takes it out by `expect`."""

    def expect(self, part):
        found = [one for one in self if part in one]
        assert found, f"nothing about {part!r} in {list(self)}"
        self[:] = [one for one in self if part not in one]


@pytest.fixture
def open_browser(chromium, live_portal):
    """`open_browser(user=…, width=…, scheme=…)`: a page of a fresh browser, signed in as `user`.

    `page.complaints` collects errors and policy violations; the end of the test wants it empty.
    """
    with contextlib.ExitStack() as stack:
        pages = []

        def make(user=None, width=1440, height=900, scheme="light", javascript=True):
            context = chromium.new_context(
                base_url=live_portal,
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                reduced_motion="reduce",
                java_script_enabled=javascript,
            )
            stack.callback(context.close)
            if user:
                context.add_cookies([session_cookie(user, live_portal)])
            page = context.new_page()
            page.set_default_timeout(10_000)
            page.complaints = Complaints()
            page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            pages.append(page)
            return page

        yield make
        complaints = [f"{page.url}: {one}" for page in pages for one in page.complaints]
    assert not complaints, "\n".join(complaints)


def session_cookie(user, url):
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}


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

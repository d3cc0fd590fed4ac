"""Pages for when something is wrong: calm, with a next step, and without what may be broken itself."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.urls import path

from portal.urls import urlpatterns as portal_urls
from tests.web.html import assert_no_inline, parse


def broken(request):
    raise RuntimeError("secret detail")


def refused(request):
    raise PermissionDenied


def form(request):
    return HttpResponse("taken")


urlpatterns = [path("broken/", broken), path("refused/", refused), path("form/", form), *portal_urls]
pytestmark = pytest.mark.urls(__name__)


def read(response, status):
    assert response.status_code == status
    html = response.content.decode()
    assert_no_inline(html)
    page = parse(html)
    assert page.one("html").attrs["lang"] == "en"
    assert page.one("main").attrs["id"] == "main"
    assert str(status) in page.one("main").text()
    assert page.one("main").all("a"), "no way on"
    return page


def test_unknown_address(client, db):
    page = read(client.get("/nothing-here/"), 404)
    assert page.one("h1").text() == "Page not found"
    assert "/nothing-here/" not in page.text()


def test_not_allowed(client):
    assert read(client.get("/refused/"), 403).one("h1").text() == "You can’t open this page"


def test_form_without_its_token():
    page = read(Client(enforce_csrf_checks=True).post("/form/"), 403)
    assert page.one("h1").text() == "The form has expired"


def test_unknown_host_name(client):
    page = read(client.get("/", headers={"host": "evil.example"}), 400)
    assert page.one("h1").text() == "The request can’t be used"


def test_failure_tells_no_detail(client):
    client.raise_request_exception = False
    page = read(client.get("/broken/"), 500)
    assert page.one("h1").text() == "Something failed on our side"
    assert "secret detail" not in page.text()


def test_failure_page_needs_nothing_that_may_have_failed(settings):
    """No database (this test has none), no request, no manifest of static files."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    html = render_to_string("500.html")
    for url in re.findall(r'(?:href|src)="/static/([^"]+)"', html):
        assert finders.find(url), url


@pytest.mark.parametrize("path", ["/nothing-here/", "/refused/"])
def test_error_pages_carry_the_policy(client, db, path):
    assert "script-src 'self'" in client.get(path).headers["Content-Security-Policy"]


def test_server_error_carries_the_policy(client):
    client.raise_request_exception = False
    assert "script-src 'self'" in client.get("/broken/").headers["Content-Security-Policy"]

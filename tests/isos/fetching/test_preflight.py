"""What the check of an address says, within about a second and 64 KiB."""

import time

import pytest

from isos.errors import DangerousFormat, NotAnIso, Truncated
from isos.fetching import preflight
from isos.fetching.errors import (
    BadAnswer,
    Busy,
    EmptyFile,
    EncodedBody,
    NotThere,
    Private,
    RefusedByServer,
    ServerTrouble,
    TimedOut,
    TooLarge,
    WebPage,
)
from isos.inspection.head import HEAD_BYTES
from tests import media
from tests.isos.fetching.site import OLD, File, redirect


@pytest.fixture
def check(fetchers, site):
    def check(path="/image.iso", **rules):
        limit = rules.pop("limit", None)
        return preflight.check(site.url(path), fetcher=fetchers(site, **rules), limit=limit)

    return check


def test_an_iso(check, site, iso_bytes):
    site.routes["/image.iso"] = File(iso_bytes, headers={"Content_Type": "application/x-iso9660-image; x=1"})
    found = check()
    assert found == preflight.Preflight(
        final_host=site.host,
        shown_url=site.url(),
        name="image.iso",
        size=len(iso_bytes),
        content_type="application/x-iso9660-image",
        accepts_ranges=True,
        validator='"v1"',
        volume_label="HYBRID",
        volume_size=found.volume_size,
        bootable=True,
    )
    assert 0 < found.volume_size <= len(iso_bytes)
    assert found.resumable
    assert len(site.requests) == 1


def test_only_the_beginning_is_asked_for(check, site, iso_bytes):
    site.routes["/image.iso"] = File(iso_bytes)
    check()
    assert site.requests[0].range == (0, HEAD_BYTES - 1)


def test_without_ranges_it_hangs_up_early(check, site, iso_bytes):
    """A server that sends everything: nobody waits for the 10 GB that follow."""
    sent = []

    def endless(request):
        request.head(Content_Length=10 << 30)
        request.send(iso_bytes)
        while True:
            request.send(bytes(1 << 20))
            sent.append(1)

    site.routes["/image.iso"] = endless
    found = check()
    assert (found.size, found.accepts_ranges, found.resumable) == (10 << 30, False, False)
    assert len(sent) < 50


def test_size_unknown(check, site, iso_bytes):
    site.routes["/image.iso"] = File(iso_bytes, ranges=False, declare=False, etag=None)
    found = check()
    assert (found.size, found.validator, found.volume_label) == (None, "", "HYBRID")


def test_not_bootable(check, site):
    site.routes["/image.iso"] = File(media.plain())
    assert check().bootable is False


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/a/b%20c.iso?x=y.iso", {}, "b c.iso"),
        ("/a/", {}, ""),
        ("/get", {"Content_Disposition": 'attachment; filename="Debian 13.iso"'}, "Debian 13.iso"),
        ("/get", {"Content_Disposition": "attachment; filename*=UTF-8''D%C3%A9bian.iso"}, "Débian.iso"),
        ("/get", {"Content_Disposition": 'attachment; filename="../../etc/passwd"'}, "passwd"),
        ("/get", {"Content_Disposition": 'attachment; filename="C:\\\\temp\\\\a.iso"'}, "a.iso"),
        ("/get", {"Content_Disposition": 'attachment; filename=".."'}, "get"),
        ("/get", {"Content_Disposition": "attachment"}, "get"),
    ],
)
def test_names(check, site, iso_bytes, path, headers, name):
    site.routes[path] = File(iso_bytes, headers=headers)
    assert check(path).name == name


def test_the_last_host_is_told_and_its_secrets_are_not(check, site, iso_bytes):
    site.routes["/get"] = redirect("/deep/image.iso?token=secret")
    site.routes["/deep/image.iso?token=secret"] = File(iso_bytes)
    found = check("/get")
    assert found.shown_url == site.url("/deep/image.iso?token=…")
    assert "secret" not in repr(found)


def status(line, **headers):
    return lambda request: request.answer(b"<html>sorry</html>", line, **({"Content_Type": "text/html"} | headers))


def page(html, **headers):
    return lambda request: request.answer(html, **({"Content_Type": "text/html"} | headers))


REFUSED = {
    "missing": (status("404 Not Found"), NotThere, "no file at this address"),
    "gone": (status("410 Gone"), NotThere, "no file"),
    "forbidden": (status("403 Forbidden"), Private, "signing in"),
    "unauthorised": (status("401 Unauthorized", WWW_Authenticate="Basic"), Private, "signing in"),
    "busy": (status("429 Too Many Requests", Retry_After="120"), Busy, "some minutes"),
    "down": (status("503 Service Unavailable"), Busy, "some minutes"),
    "broken": (status("500 Internal Server Error"), ServerTrouble, "problem of its own"),
    "teapot": (status("418 I'm a teapot"), RefusedByServer, "HTTP 418"),
    "nothing": (status("204 No Content"), BadAnswer, "understood"),
    "page": (page(media.WEB_PAGE), WebPage, "copy the address of the download"),
    "page as a file": (page(media.WEB_PAGE, Content_Type="application/octet-stream"), WebPage, "web page"),
    "sign-in page": (page(b"<!DOCTYPE html><html><input type=password></html>"), Private, "asks to sign in"),
    "empty": (page(b""), EmptyFile, "empty"),
    "empty with ranges": (File(b""), EmptyFile, "empty"),
    "gzip": (page(b"\x1f\x8b" + bytes(9), Content_Encoding="gzip"), EncodedBody, "compressed"),
    "gzip on the line": (status("200 OK", Transfer_Encoding="gzip"), EncodedBody, "compressed"),
    "text": (File(b"hello, this is text\n" * 5000), NotAnIso, "not an ISO"),
    "qcow2": (File(media.QCOW2 + bytes(100_000)), NotAnIso, "QCOW2"),
    "polyglot": (File(media.polyglot(b"QFI\xfb")), DangerousFormat, "at once"),
    "short": (File(b"x" * 100), NotAnIso, "not an ISO"),
    "truncated": (File(media.hybrid()[:90_000]), Truncated, "incomplete"),
    "another part": (
        lambda request: request.answer(b"x" * 9, "206 Partial Content", Content_Range="bytes 5-13/99"),
        BadAnswer,
        "understood",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence_that_fits(check, site, case):
    site.routes["/image.iso"], error, words = REFUSED[case]
    with pytest.raises(error, match=words) as caught:
        check()
    assert caught.value.message.endswith(".")


def test_how_long_a_busy_server_asks_to_wait(check, site):
    site.routes["/image.iso"] = status("429 Too Many Requests", Retry_After="120")
    with pytest.raises(Busy) as error:
        check()
    assert error.value.retry_after == 120


def test_a_login_address_without_a_password_field(check, site):
    site.routes["/image.iso"] = redirect("/sso/login?next=x")
    site.routes["/sso/login?next=x"] = page(b"<!DOCTYPE html><html><script src=app.js></script></html>")
    with pytest.raises(Private, match="asks to sign in"):
        check()


def test_larger_than_is_allowed(check, site, iso_bytes):
    site.routes["/image.iso"] = File(iso_bytes)
    with pytest.raises(TooLarge):
        check(limit=len(iso_bytes) - 1)
    assert check(limit=len(iso_bytes)).size == len(iso_bytes)


def test_a_slow_server_ends_the_check(check, site, settings):
    settings.IMPORT_CHECK_SECONDS = 0.5

    def trickle(request):
        request.head(Content_Length=100_000)
        for _ in range(1000):
            request.send(b"x")
            request.wait(0.05)

    site.routes["/image.iso"] = trickle
    began = time.monotonic()
    with pytest.raises(TimedOut):
        check()
    assert time.monotonic() - began < 10


def test_it_goes_by_the_operators_settings(settings, site, iso_bytes):
    settings.IMPORT_ALLOWED_NETWORKS = [f"{site.host}/32"]
    settings.IMPORT_PORTS = [site.port]
    site.routes["/image.iso"] = File(iso_bytes, modified=OLD, etag='W/"weak"')
    assert preflight.check(site.url()).validator == OLD

"""Whole imports where the trouble comes late: over TLS, behind redirects, on the second connection."""

import pytest

from isos.models import Operation, Replica, UrlImport
from isos.operations import receiving
from isos.states import OperationState, ReplicaState
from tests import media
from tests.isos.conftest import run_all
from tests.isos.fetching.importing import PATH, attempt, downloads, is_ready, nothing_left
from tests.isos.fetching.site import ADDRESS, File, redirect

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def secure(tls_sites, authority, settings, site):
    """An https site that the operator allows, with a certificate of the operator's own authority."""
    secure = tls_sites(ADDRESS)
    settings.IMPORT_PORTS = [site.port, secure.port]
    settings.IMPORT_CA_FILE = str(authority.ca_file)
    return secure


# --- TLS ---


@pytest.mark.parametrize("quarter", [0, 1, 2, 3, 4])
def test_over_tls_with_a_break_at_every_quarter(begin, secure, image, zone_a, quarter):
    at = len(image) * quarter // 4
    secure.routes[PATH] = File(image, cuts=[at])
    begin(url=secure.url())
    run_all()
    assert is_ready(image, zone_a)
    later = [request.headers.get("range") for request in downloads(secure)[1:]]
    assert later == ([f"bytes={at}-"] if 0 < at < len(image) else [None] if at == 0 else [])


def test_a_certificate_that_nobody_trusts(begin, secure, image, zone_a, settings):
    settings.IMPORT_CA_FILE = ""
    secure.routes[PATH] = File(image)
    begin(url=secure.url())
    run_all()
    assert Replica.objects.get().error_code == "tls_problem"
    assert secure.requests == []
    assert nothing_left(zone_a)


def test_from_https_to_http_in_the_middle(begin, secure, site, image, zone_a):
    """The first connection brought half of it; the second is led to an unprotected mirror."""
    answers = [redirect(site.url()), File(image, cuts=[len(image) // 2])]
    secure.routes[PATH] = lambda request: answers.pop()(request)
    begin(url=secure.url())
    run_all()
    assert Replica.objects.get().error_code == "insecure_redirect"
    assert site.connections == 0
    assert nothing_left(zone_a)


# --- redirects ---


STATUSES = ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]


def test_behind_a_chain_of_all_redirects_with_a_break_at_every_quarter(begin, secure, site, image, zone_a):
    """From http to https and on; each connection goes the whole way again."""
    quarter = len(image) // 4
    site.routes["/start"] = redirect(secure.url("/1"), STATUSES[0])
    for number, status in enumerate(STATUSES[1:], 1):
        secure.routes[f"/{number}"] = redirect(f"/{number + 1}" if number < 3 else PATH, status)
    secure.routes[PATH] = File(image, cuts=[quarter, 2 * quarter, 3 * quarter])
    begin("/start")
    run_all()
    assert is_ready(image, zone_a)
    assert site.paths().count("/start") == 4
    assert [request.headers.get("range") for request in downloads(secure)] == [
        None,
        *(f"bytes={quarter * n}-" for n in (1, 2, 3)),
    ]


def test_another_mirror_of_the_same_content_goes_on(begin, site, image, zone_a):
    """What a redirector leads to may be another server each time: the validator decides, not the address."""
    site.routes["/get"] = lambda request: redirect(f"/mirror-{site.paths().count('/get')}")(request)
    site.routes["/mirror-1"] = File(image, cuts=[len(image) // 2])
    site.routes["/mirror-2"] = File(image)
    begin("/get")
    run_all()
    assert is_ready(image, zone_a)
    assert site.requests[-1].headers["range"] == f"bytes={len(image) // 2}-"
    assert UrlImport.objects.get().restarts == 0


@pytest.mark.parametrize("status", STATUSES)
def test_a_loop_is_tried_once(begin, site, zone_a, status):
    site.routes[PATH], site.routes["/b"] = redirect("/b", status), redirect(PATH, status)
    begin()
    run_all()
    assert Replica.objects.get().error_code == "redirect_problem"
    assert (Operation.objects.get().attempt, len(site.requests)) == (1, 2)
    assert nothing_left(zone_a)


# --- the second connection is another matter ---


def then(image, *answers):
    """The line breaks in the middle; what the next connections get is `answers`, then the honest file."""
    waiting = [File(image, cuts=[len(image) // 2]), *answers]
    return lambda request: (waiting.pop(0) if waiting else File(image))(request)


def huge_headers(request):
    request.send(b"HTTP/1.1 206 Partial Content\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(40)))
    request.send(b"\r\n")


HEALS = {
    "429": lambda request: request.answer(b"later", "429 Too Many Requests", Retry_After="0"),
    "503": lambda request: request.answer(b"later", "503 Service Unavailable"),
    "500": lambda request: request.answer(b"oops", "500 Internal Server Error"),
    "huge headers": huge_headers,
    "one endless header": lambda request: request.send(b"HTTP/1.1 206 OK\r\nX: " + b"a" * 200_000),
    "nothing": lambda request: None,
}


@pytest.mark.parametrize("case", HEALS)
def test_trouble_on_the_second_connection_that_heals(begin, site, image, zone_a, case):
    """What came before is kept, and gone on from."""
    site.routes[PATH] = then(image, HEALS[case])
    begin()
    run_all()
    assert is_ready(image, zone_a)
    asked = [request.headers.get("range") for request in downloads(site)]
    assert asked == [None, *[f"bytes={len(image) // 2}-"] * 2]
    assert Operation.objects.get().attempt == 1


@pytest.mark.parametrize("headers", [b"Content-Ra", b'ETag: "v1"\r\nContent-Range: bytes 7-9/10\r\n\r\nxyz'])
def test_a_part_that_makes_no_sense_is_not_gone_on_with(begin, site, image, zone_a, headers):
    """A server that sends nonsense for a part may never send a right one: the whole is asked for."""
    site.routes[PATH] = then(image, lambda request: request.send(b"HTTP/1.1 206 Partial Content\r\n" + headers))
    begin()
    run_all()
    assert is_ready(image, zone_a)
    assert UrlImport.objects.get().restarts == 1


def test_secrets_of_an_address_reach_no_log(begin, site, image, zone_a, caplog):
    """Whatever the server sends, and at whatever level is logged."""
    caplog.set_level("DEBUG")
    half_a_header = lambda request: request.send(b"HTTP/1.1 206 Partial Content\r\nContent-Ra")  # noqa: E731
    site.routes[f"{PATH}?signature=topsecret"] = then(image, half_a_header, HEALS["500"], HEALS["huge headers"])
    begin(f"{PATH}?signature=topsecret")
    run_all()
    assert is_ready(image, zone_a)
    assert caplog.records
    assert "topsecret" not in caplog.text


ENDS = {
    "gzip": (
        lambda request: request.answer(b"\x1f\x8b" + bytes(99), "206 Partial Content", Content_Encoding="gzip"),
        "source_encoded",
    ),
    "html": (lambda request: request.answer(media.WEB_PAGE, Content_Type="text/html"), "source_page"),
    "gone": (lambda request: request.answer(b"", "404 Not Found"), "source_missing"),
}


@pytest.mark.parametrize("case", ENDS)
def test_trouble_on_the_second_connection_that_is_final(begin, site, image, zone_a, case):
    answer, code = ENDS[case]
    site.routes[PATH] = then(image, answer)
    begin()
    run_all()
    replica = Replica.objects.get()
    assert (replica.state, replica.error_code) == (ReplicaState.FAILED, code)
    assert len(downloads(site)) == 2
    assert nothing_left(zone_a)


def test_a_name_that_leads_inside_on_the_second_connection(begin, site, image, trap, zone_a, monkeypatch, settings):
    """Each connection asks for the name again, and is judged by that answer."""
    told = [(site.host, site.port), ("127.0.0.1", trap.port)]
    settings.IMPORT_PORTS = [site.port, trap.port]
    monkeypatch.setattr(
        "isos.fetching.guard.socket.getaddrinfo",
        lambda host, port, **_: [(2, 1, 6, "", told.pop(0) if len(told) > 1 else told[0])],
    )
    site.routes[PATH] = File(image, cuts=[len(image) // 2])
    begin(url=f"http://rebind.example:{site.port}{PATH}")
    run_all()
    assert Replica.objects.get().error_code == "refused_address"
    assert len(downloads(site)) == 1
    assert not trap.was_contacted()
    assert nothing_left(zone_a)


def test_a_file_that_grows_while_it_is_read_without_a_break(begin, site, image, zone_a):
    """What was declared is what is read: the end that was added meanwhile is never asked for."""
    site.routes[PATH] = File(image + bytes(4096), claim=len(image))
    begin()
    run_all()
    assert is_ready(image, zone_a)


def test_ten_bytes_a_second_from_the_first_byte_on(begin, site, image, settings, monkeypatch):
    settings.IMPORT_SLOW_SECONDS = 0.3
    monkeypatch.setattr(receiving, "PROGRESS_BYTES", 1 << 20)

    def trickle(request):
        request.head(Content_Length=len(image), ETag='"v1"')
        for at in range(len(image)):
            request.send(image[at : at + 1])
            request.wait(0.1)

    site.routes[PATH] = trickle
    begin()
    operation = attempt()
    assert (operation.state, operation.error_code) == (OperationState.QUEUED, "source_slow")
    assert len(downloads(site)) == receiving.MAX_FAILURES

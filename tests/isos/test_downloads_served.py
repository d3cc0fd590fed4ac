"""Downloads by a real web process: memory, clients that stop reading, and places that come back."""

import hashlib
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing

import psutil
import pytest

from tests import media
from tests.running import portal, wait_until
from tests.uploading import FORM, Client

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
PASSWORD = "download-password"
SIZE = 200_000_000
MB = 1_000_000


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return media.write(tmp_path_factory.mktemp("image") / "image.iso", media.iso("LARGE", padding=SIZE))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal") / "data"
    with portal(folder, PORTAL_DEMO_PASSWORD=PASSWORD, WEB_THREADS="6", DOWNLOAD_STREAMS="2") as started:
        yield started.ready()


@pytest.fixture(scope="module")
def address(running, image):
    """A download link of an extractable ISO."""
    with Client(running, "demo", PASSWORD) as client:
        client.upload(image, "Large")
        iso = re.search(rb'data-iso-id="([0-9a-f-]+)"', client.request("GET", "/isos/")[1])[1].decode()
        fields = urllib.parse.urlencode({"os_type": "other", "is_extractable": "on"})
        response, _ = client.request("POST", f"/isos/{iso}/edit/", fields, {"Content-Type": FORM})
        assert response.status == 302
        response, page = client.request("POST", f"/isos/{iso}/links/", "lasts=1", {"Content-Type": FORM})
        assert response.status == 201
        return re.search(rb'id="new-link">([^<]+)<', page)[1].decode()


def web(running):
    """The process that serves, below gunicorn's master."""
    master = running.program("portal.wsgi") or next(
        process
        for process in psutil.Process(running.process.pid).children()
        if "gunicorn" in " ".join(process.cmdline())
    )
    return master.children()[0]


def stalled(running, address):
    """A client that asks and then reads nothing beyond the headers."""
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=30)
    path = urllib.parse.urlsplit(address).path
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\n\r\n".encode())
    assert connection.recv(15).startswith(b"HTTP/1.1 200 OK")
    return connection


def test_bytes_arrive_and_memory_stays_bounded(running, image, address):
    process = web(running)
    before, digest, most = process.memory_info().rss, hashlib.sha256(), 0
    with urllib.request.urlopen(address) as answer:
        assert int(answer.headers["Content-Length"]) == image.stat().st_size
        while piece := answer.read(8 * MB):
            digest.update(piece)
            most = max(most, process.memory_info().rss)
    expected = hashlib.sha256(image.read_bytes()).hexdigest()
    assert digest.hexdigest() == expected == answer.headers["X-Checksum-Sha256"]
    assert most - before < 30 * MB


def test_clients_that_stop_reading_hold_no_more_than_their_places(running, image, address):
    with closing(stalled(running, address)):
        with pytest.raises(urllib.error.HTTPError) as busy:  # half of the places are for one link
            urllib.request.urlopen(address)
        assert (busy.value.code, busy.value.headers["Retry-After"]) == (503, "15")
        busy.value.close()
        assert running.get("healthz")[0] == 200
        assert "ISO portal" in running.get("accounts/login/")[1]

    def is_free():
        request = urllib.request.Request(address, headers={"Range": "bytes=-10"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read() == image.read_bytes()[-10:]
        except urllib.error.HTTPError as error:
            error.close()
            return False

    wait_until(is_free, "the place of the client that left is free again", 20)

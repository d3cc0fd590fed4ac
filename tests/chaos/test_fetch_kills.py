"""SIGKILL in the middle of an import from a web address: another worker goes on from what is durable."""

import hashlib
import threading
from contextlib import suppress

import psutil
import pytest

from isos.streaming import CHUNK_BYTES
from tests.importing import Importer
from tests.isos.fetching.site import ADDRESS, Authority, File, Site
from tests.media import iso
from tests.running import portal, wait_until
from tests.uploading import query, replica_state, wait_until_ready

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
SIZE = 24 << 20
QUICK = {"OPERATION_LEASE_SECONDS": "3", "SWEEP_SECONDS": "1"}


class Held:
    """A file whose first connections stop in the middle and stay open, silent, as long as the client does.

    `sent[n]` is set as soon as all of the nth connection's bytes went out.
    """

    def __init__(self, data, stops):
        self.file = File(data)
        self.stops = stops
        self.sent = [threading.Event() for _ in stops]
        self.next = 0

    def __call__(self, request):
        number, self.next = self.next, self.next + 1
        if number >= len(self.stops):
            self.file(request)
            return
        start, stop = request.range[0] or 0, self.stops[number]
        status = ("206 Partial Content",) if start else ()
        request.head(*status, **self.file._headers(request.range[0], start, len(self.file.data)))
        request.send(self.file.data[start:stop])
        self.sent[number].set()
        with suppress(OSError):
            request.line.recv(1)  # the client never sends more: this ends with its line


@pytest.fixture(scope="module")
def image():
    return iso("KILLED", bios=True, padding=SIZE)


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """An https server and the file that its certificate's authority is in."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    site = Site(context=authority.context(ADDRESS))
    yield site, authority.ca_file
    site.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory, secure):
    site, ca_file = secure
    rules = {
        "IMPORT_ALLOWED_NETWORKS": f"{ADDRESS}/32",
        "IMPORT_PORTS": str(site.port),
        "IMPORT_CA_FILE": str(ca_file),
    }
    with portal(tmp_path_factory.mktemp("chaos") / "data", **QUICK, **rules) as started:
        started.complete()
        yield started


def staged_bytes(running):
    folder = running.data_dir / "zones" / "zone-a" / ".staging"
    return sum(path.stat().st_size for path in folder.glob("*") if path.is_file()) if folder.exists() else 0


def kill_workers(running):
    killed = []
    for process in running.children():
        with suppress(psutil.NoSuchProcess):
            if "worker" in process.cmdline():
                process.kill()
                killed.append(process)
    assert not psutil.wait_procs(killed, 10)[1]


def test_workers_killed_again_and_again_while_they_fetch(running, secure, image):
    site, _ = secure
    stops = [len(image) // 4, len(image) // 2, len(image) * 3 // 4]
    site.routes["/image.iso"] = held = Held(image, stops)
    with Importer(running) as importer:
        started = importer.start("killed", site.url())
    durable = []
    for sent, stop in zip(held.sent, stops, strict=True):
        assert sent.wait(60), running.output
        # What the silent line leaves in a half filled buffer comes again.
        wait_until(lambda stop=stop: staged_bytes(running) > stop - CHUNK_BYTES, "what was sent is staged", 30)
        assert replica_state(running, started)[0] == "receiving"
        kill_workers(running)
        durable.append(staged_bytes(running))
    wait_until_ready(running, started, 60)
    digest = hashlib.sha256(image).hexdigest()
    assert query(running, "SELECT sha256 FROM isos_iso WHERE public_id = ?", started.replace("-", "")) == [(digest,)]
    images = [request for request in site.requests if request.path == "/image.iso"]
    assert [request.headers.get("range") for request in images] == [None, *(f"bytes={at}-" for at in durable)]
    assert {request.headers.get("if-range") for request in images[1:]} == {'"v1"'}
    ((state, attempts),) = query(running, "SELECT state, attempt FROM isos_operation")
    assert (state, attempts) == ("succeeded", 4)
    assert query(running, "SELECT state, bytes FROM quotas_reservation") == [("used", len(image))]
    assert staged_bytes(running) == 0

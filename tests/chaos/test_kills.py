"""SIGKILL in the middle: the upload, the verification, everything at once. Nothing is lost."""

import hashlib
import signal
import sqlite3
import threading
from contextlib import suppress

import psutil
import pytest

from tests.media import big_iso
from tests.running import portal, wait_until
from tests.uploading import Client, query, replica_state, wait_until_ready

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
PASSWORD = "chaos-password"
SIZE = 384 << 20
PART = 16 << 20
QUICK = {"OPERATION_LEASE_SECONDS": "4", "SWEEP_SECONDS": "1", "PORTAL_DEMO_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return big_iso(tmp_path_factory.mktemp("image") / "big.iso", SIZE)


@pytest.fixture(scope="module")
def digest(image):
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("chaos") / "data", **QUICK) as started:
        started.complete()
        yield started


def ended_well(running, iso, digest):
    """Ready with the right digest, quota settled, nothing active, nothing staged."""
    wait_until_ready(running, iso, 90)
    assert query(running, "SELECT sha256 FROM isos_iso WHERE public_id = ?", iso.replace("-", "")) == [(digest,)]
    wait_until(lambda: not query(running, "SELECT 1 FROM isos_operation WHERE state IN ('queued', 'running')"), "idle")
    assert query(running, "SELECT DISTINCT state FROM quotas_reservation") == [("used",)]
    assert not list((running.data_dir / "zones" / "zone-a" / ".staging").iterdir())


def operation_state(running):
    with suppress(sqlite3.OperationalError):
        found = query(running, "SELECT state, attempt FROM isos_operation ORDER BY id DESC LIMIT 1")
        return found[0] if found else None


def signed_in(running):
    return Client(running, "demo", PASSWORD)


def worker_processes(running):
    return [process for process in running.children() if "worker" in process.cmdline()]


def test_a_worker_killed_while_it_verifies(running, image, digest):
    with signed_in(running) as client:
        started = client.start(image, "worker killed")
        client.send(image, started["upload_url"])
    wait_until(lambda: operation_state(running) == ("running", 1), "a worker has it")
    for process in worker_processes(running):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    assert replica_state(running, started["iso"])[0] == "verifying"  # it was killed in time
    ended_well(running, started["iso"], digest)
    state, attempts = operation_state(running)
    assert state == "succeeded"
    assert attempts > 1


def test_a_web_process_killed_while_it_receives(running, image, digest):
    killed = threading.Event()

    def kill():
        wait_until(lambda: durable_offset(running) >= PART, "some bytes are durable")
        running.program("gunicorn").kill()
        killed.set()

    with signed_in(running) as client:
        started = client.start(image, "web killed")
        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(OSError):  # noqa: PT011 -- reset, refused or closed: as the moment will have it
            client.send(image, started["upload_url"], request_bytes=PART)
        killer.join()
        assert killed.is_set()
        wait_until(lambda: answers(running), "the web process is back")
        client.reconnect()
        assert PART <= client.offset(started["upload_url"]) < SIZE
        resume(client, image, started["upload_url"])
    ended_well(running, started["iso"], digest)


def test_everything_killed_and_started_again(tmp_path, image, digest):
    data_dir = tmp_path / "data"
    with portal(data_dir, **QUICK) as first:
        first.complete()
        with signed_in(first) as client, image.open("rb") as file:
            started = client.start(image, "all killed")
            client.patch(file, started["upload_url"], 0, PART)
        for process in [*first.children(), psutil.Process(first.process.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        first.process.wait()
    with portal(data_dir, **QUICK) as second:
        second.complete()
        with signed_in(second) as client:
            assert client.offset(started["upload_url"]) == PART
            resume(client, image, started["upload_url"])
        ended_well(second, started["iso"], digest)


def durable_offset(running):
    return query(running, 'SELECT "offset" FROM isos_upload ORDER BY id DESC LIMIT 1')[0][0]


def answers(running):
    with suppress(OSError):
        return running.get("healthz")[0] == 200
    return False


def resume(client, image, url):
    """As a tus client does: ask for the offset, go on from there, wait while it is locked."""
    with image.open("rb") as file:

        def taken():
            response, _ = client.patch(file, url, client.offset(url), 1)
            return response.status == 204

        wait_until(taken, "the dead writer's lock runs out", 30)
    client.send(image, url, client.offset(url), PART)

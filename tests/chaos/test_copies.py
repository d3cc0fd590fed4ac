"""Copies by real workers: killed in the middle, and never in the way of a delete."""

import hashlib
import json
import subprocess
import sys
import time
import urllib.parse
import uuid
from contextlib import contextmanager, suppress

import psutil
import psycopg
import pytest

from tests import services
from tests.media import big_iso
from tests.running import ROOT, portal, wait_until
from tests.uploading import FORM, Client

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
PASSWORD = "copies-password"
SIZE, STOP_AT = 48 << 20, 24 << 20
QUICK = {
    "OPERATION_LEASE_SECONDS": "4",
    "SWEEP_SECONDS": "1",
    "WORKER_CONCURRENCY": "2",
    "PORTAL_DEMO_PASSWORD": PASSWORD,
}
MAKE_ZONES = """
import json, pathlib
from zones.models import Zone
from zones.stores import open_store
folder = pathlib.Path({folder!r})
for slug in ("gated", "three", "four"):
    (folder / slug).mkdir(exist_ok=True)
gated = {{"location": str(folder / "gated"), "gate": str(folder / "gate"), "stop_at": {stop_at}}}
Zone.objects.create(slug="gated", name="Gated", backend="tests.contracts.backends.GatedStorage", options=gated)
for slug in ("three", "four"):
    open_store(Zone.objects.create(slug=slug, name=slug, options={{"location": str(folder / slug)}}))
"""
COPY = """
from isos.actions.copy_to_zones import copy_to_zones
from isos.audit import Actor
from isos.models import Iso
from portal.accounts.models import User
from zones.models import Zone
zones = Zone.objects.filter(slug__in={zones!r})
copy_to_zones(Actor(User.objects.get(username="demo")), Iso.objects.get(public_id={iso!r}), zones)
"""
STATES = """
import json
from isos.models import Operation, Replica
replicas = {f"{r.iso.public_id} {r.zone.slug}": r.state for r in Replica.objects.select_related("iso", "zone")}
operations = [[o.kind, o.state, o.attempt, o.bytes_done] for o in Operation.objects.order_by("id")]
print(json.dumps([replicas, operations]))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return big_iso(tmp_path_factory.mktemp("image") / "big.iso", SIZE)


def shell(running, code):
    """Run Python inside the portal's own settings, as an operator would."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-v", "0", "-c", code],
        cwd=ROOT,
        env=running.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def states(running):
    """State by "<iso> <zone>", and [kind, state, attempt, bytes done] of all operations, oldest first."""
    replicas, operations = json.loads(shell(running, STATES))
    return replicas, operations


@contextmanager
def with_gated_zone(tmp_path, **environment):
    """A portal that was started again after the zone was made: it reads the queues of those that it finds."""
    environment = QUICK | environment
    with portal(tmp_path / "data", **environment) as first:
        first.ready()
        shell(first, MAKE_ZONES.format(folder=str(tmp_path), stop_at=STOP_AT))
        first.stop()
    with portal(tmp_path / "data", **environment) as running:
        running.complete()
        yield running


def uploaded(running, client, image, name, zone):
    """The public id of an ISO that is Ready in `zone`."""
    client.reconnect()
    started = client.start(image, name, zone)
    client.send(image, started["upload_url"])
    iso = str(uuid.UUID(started["iso"]))
    wait_until(lambda: states(running)[0][f"{iso} {zone}"] == "ready", "the upload is Ready", 60)
    return iso


def delete(client, iso, zone):
    client.reconnect()
    body = urllib.parse.urlencode({"zones": zone, "confirmation": "confirm"})
    response, page = client.request("POST", f"/isos/{iso}/delete/", body, {"Content-Type": FORM})
    assert response.status in (204, 302), page


def copying(running, count):
    """Whether so many copies run, each as far as the gate lets it."""
    found = [one for one in states(running)[1] if one[0] == "copy" and one[1] == "running"]
    return len(found) == count and all(done >= STOP_AT - (2 << 20) for *_, done in found)


@contextmanager
def servers(tmp_path):
    """PostgreSQL, Redis and a queue for each zone."""
    server, name = services.postgres_url(), f"portal_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "DATABASE_URL": f"{server.rsplit('/', 1)[0]}/{name}",
                "CELERY_BROKER_URL": services.redis_url(),
                "ZONE_QUEUES": "1",
            }
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def embedded(tmp_path):
    yield {}


@pytest.mark.parametrize(
    "setting", [embedded, pytest.param(servers, marks=pytest.mark.services)], ids=["embedded", "servers"]
)
def test_a_delete_does_not_wait_behind_copies(tmp_path, image, setting):
    """Both processes of the worker are held up by copies of large images; a small delete goes through."""
    with (
        setting(tmp_path) as environment,
        with_gated_zone(tmp_path, **environment) as running,
        Client(running, "demo", PASSWORD) as client,
    ):
        large = uploaded(running, client, image, "large", "gated")
        small = uploaded(running, client, image, "small", "gated")
        shell(running, COPY.format(iso=large, zones=["three", "four"]))
        wait_until(lambda: copying(running, 2), "two copies fill the worker", 60)
        delete(client, small, "gated")
        wait_until(lambda: f"{small} gated" not in states(running)[0], "the delete is done", 30)
        assert copying(running, 2)
        (tmp_path / "gate").touch()
        wait_until(
            lambda: {states(running)[0][f"{large} {zone}"] for zone in ("three", "four")} == {"ready"},
            "the copies go on",
            60,
        )


def test_workers_killed_in_the_middle_of_a_copy(tmp_path, image):
    """Killed at its half: another one goes on from there, and the whole is verified."""
    with with_gated_zone(tmp_path) as running, Client(running, "demo", PASSWORD) as client:
        iso = uploaded(running, client, image, "large", "gated")
        shell(running, COPY.format(iso=iso, zones=["three"]))
        wait_until(lambda: copying(running, 1), "the copy is at its half", 60)
        reads = tmp_path / "gate.log"
        reads.unlink()
        for process in running.children():
            with suppress(psutil.NoSuchProcess):
                if "worker" in process.cmdline():
                    process.kill()
        (tmp_path / "gate").touch()
        wait_until(lambda: states(running)[0][f"{iso} three"] == "ready", "the copy is Ready", 60)
        [kind, state, attempts, _] = states(running)[1][-1]
        assert (kind, state) == ("copy", "succeeded")
        assert attempts > 1
        assert min(map(int, reads.read_text().split())) >= STOP_AT - (10 << 20)  # what is durable is not read again
        [copy] = (tmp_path / "three" / "isos").rglob("*.iso")
        assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(image.read_bytes()).digest()
        assert not list((tmp_path / "three" / ".staging").iterdir())


def test_workers_killed_while_a_new_iso_goes_on_to_its_other_zones(tmp_path, image):
    """Uploaded for three zones: Ready in the first, its copies at their half when every worker is killed."""
    with with_gated_zone(tmp_path) as running, Client(running, "demo", PASSWORD) as client:
        client.reconnect()
        started = client.start(image, "large", "gated", "three", "four")
        iso = str(uuid.UUID(started["iso"]))
        assert set(states(running)[0].values()) == {"receiving", "waiting"}
        client.send(image, started["upload_url"])
        wait_until(lambda: states(running)[0][f"{iso} gated"] == "ready", "the upload is Ready", 60)
        wait_until(lambda: copying(running, 2), "both copies are at their half", 60)
        for process in running.children():
            with suppress(psutil.NoSuchProcess):
                if "worker" in process.cmdline():
                    process.kill()
        (tmp_path / "gate").touch()
        wait_until(lambda: set(states(running)[0].values()) == {"ready"}, "all zones are Ready", 60)
        expected = hashlib.sha256(image.read_bytes()).digest()
        for zone in ("gated", "three", "four"):
            [copy] = (tmp_path / zone / "isos").rglob("*.iso")
            assert hashlib.sha256(copy.read_bytes()).digest() == expected
        assert sorted(kind for kind, *_ in states(running)[1]) == ["copy", "copy", "ingest"]


def test_workers_killed_while_they_verify_for_other_zones(tmp_path, image):
    """Killed again and again between the last byte and the copies: none is lost, none begins twice."""
    with portal(tmp_path / "data", **QUICK) as running:
        running.complete()
        with Client(running, "demo", PASSWORD) as client:
            client.reconnect()
            started = client.start(image, "large", "zone-a", "zone-b")
            iso = str(uuid.UUID(started["iso"]))
            client.send(image, started["upload_url"])
            for _ in range(3):
                for process in running.children():
                    with suppress(psutil.NoSuchProcess):
                        if "worker" in process.cmdline():
                            process.kill()
                time.sleep(0.7)  # long enough for the next one to begin, and to be killed somewhere else
            wait_until(lambda: set(states(running)[0].values()) == {"ready"}, "both zones are Ready", 90)
            assert [kind for kind, *_ in states(running)[1]] == ["ingest", "copy"]
            assert set(states(running)[0]) == {f"{iso} zone-a", f"{iso} zone-b"}

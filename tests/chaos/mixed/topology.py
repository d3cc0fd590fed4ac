"""What runs: two machines of the portal and their own PostgreSQL, Redis and S3 server; two kinds of store."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.mixed import machines
from tests.chaos.mixed.images import Image, make_images
from tests.chaos.mixed.machines import Machine, Second
from tests.chaos.mixed.mirror import Mirror
from tests.chaos.mixed.referee import watch
from tests.chaos.mixed.rows import Rows
from tests.chaos.mixed.servers import Postgres, Redis, S3Gateway
from tests.contracts.kits import Spec
from tests.running import ROOT, environment_without_ours, wait_until
from tests.services import missing
from tests.tools.proxy import Proxy
from tests.tools.rgw import RgwUnavailable, cluster

PASSWORD = "chaos-password"
LEASE_SECONDS = 4
UPLOAD_LOCK_SECONDS = 10  # not a setting of operators
EXPIRES_SECONDS = 20
SMALL_BYTES, GROWN_BYTES = 192 << 20, 4 << 30
START_SECONDS = 120
FILE_BACKEND, S3_BACKEND = "django.core.files.storage.FileSystemStorage", "storages.backends.s3.S3Storage"
QUICK = {
    "OPERATION_LEASE_SECONDS": str(LEASE_SECONDS),
    "SWEEP_SECONDS": "1",
    "UPLOAD_EXPIRES_SECONDS": str(EXPIRES_SECONDS),
    "OPERATION_MAX_ATTEMPTS": "5",
    "ZONE_MAX_OPERATIONS": "3",
    "WORKER_CONCURRENCY": "2",
    "QUOTA_MAX_ISOS": "24",
    "QUOTA_MAX_BYTES": str(900 << 20),
    "IMPORT_READ_SECONDS": "4",
    "IMPORT_CHECKS_PER_MINUTE": "0",
    "VERIFY_SHARE": "0",  # a round at two in the morning would be another load than the one that was asked for
    "PYTHONUNBUFFERED": "1",
    "PORTAL_DEMO_PASSWORD": PASSWORD,
    "PORTAL_ADMIN_PASSWORD": PASSWORD,
}
SET_UP = """
import json, os
from django.core.management import call_command
from zones.models import Zone
from zones.stores import open_store
call_command("migrate", interactive=False, verbosity=0)
for position, (slug, backend, options) in enumerate(json.loads(os.environ["CHAOS_ZONES"])):
    open_store(Zone.objects.create(slug=slug, name=slug, position=position, backend=backend, options=options))
"""


@dataclass
class Zone:
    """One zone and how to look into its store past the portal. `root` is a file zone's directory."""

    slug: str
    spec: Spec
    root: Path | None = None


class World:
    """All of it, running. Made by `world`."""

    def __init__(self, folder: Path, images: list[Image], stack: ExitStack) -> None:
        self.folder = folder
        self.images = images
        self.postgres = _closing(stack, Postgres(folder / "postgres"))
        self.redis = _closing(stack, Redis(folder / "redis"))
        try:
            server = stack.enter_context(cluster(folder / "s3"))
        except RgwUnavailable as error:
            missing(f"An S3 server can't be run here: {error}.")
        self.s3 = _closing(stack, S3Gateway(server))
        self.line = Proxy(server.endpoint_url)  # between the portal and the S3 server
        stack.callback(self.line.go_down)
        self.mirror = _closing(stack, Mirror(images))
        self.small, self.why_not_small = _small_disk(folder, stack)
        self.zones = self._zones()
        environment = self._environment()
        self._set_up(environment)
        self.rows = _closing(stack, Rows(self.postgres.url))
        watch(self.rows)
        self.first = _closing(stack, Machine(folder / "first", environment))
        self.first.start()
        wait_until(lambda: answers(self.first), "the first machine answers", START_SECONDS)
        self.second = _closing(stack, Second(folder / "second", environment, self.first))
        self.second.start()
        self.wait_until_up()

    @property
    def machines(self) -> list[Machine]:
        return [self.first, self.second]

    def grow_small_disk(self) -> None:
        """What an operator does about a disk that is full all the time: then nothing has to fail there any more."""
        if not self.why_not_small:
            size = f"remount,size={GROWN_BYTES}"
            subprocess.run(["mount", "-o", size, str(self.small.parent)], check=True)

    def wait_until_up(self) -> None:
        """Every server answers, every program runs."""
        servers = {"PostgreSQL": self.postgres, "Redis": self.redis, "the S3 server": self.s3}
        for name, server in servers.items():
            wait_until(server.answers, f"{name} answers", START_SECONDS)
        for machine in self.machines:
            wait_until(lambda machine=machine: answers(machine), f"{machine.folder.name} answers", START_SECONDS)
            names = [machines.WEB, machines.WORKER, machines.LIGHT] + [machines.BEAT] * (machine is self.first)
            for name in names:
                wait_until(
                    lambda m=machine, n=name: m.program(n), f"{name} runs on {machine.folder.name}", START_SECONDS
                )

    def _zones(self) -> list[Zone]:
        disk = self.folder / "disk"
        disk.mkdir()
        s3 = {
            "bucket_name": "zones",
            "location": "portal",
            "endpoint_url": self.line.url,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "access_key": self.s3.server.access_key,
            "secret_key": self.s3.server.secret_key,
        }
        spec = Spec(S3_BACKEND, s3)
        spec.open().client.create_bucket(Bucket="zones")
        files = [Zone(path.name, Spec(FILE_BACKEND, {"location": str(path)}), path) for path in (disk, self.small)]
        return [*files, Zone("s3", spec)]

    def _environment(self) -> dict[str, str]:
        return (
            environment_without_ours()
            | QUICK
            | {
                "SECRET_KEY": secrets.token_urlsafe(48),
                "DATABASE_URL": self.postgres.url,
                "CELERY_BROKER_URL": self.redis.url,
                "IMPORT_ALLOWED_NETWORKS": f"{self.mirror.host}/32",
                "IMPORT_PORTS": str(self.mirror.port),
            }
        )

    def _set_up(self, environment: dict[str, str]) -> None:
        zones = json.dumps([[zone.slug, zone.spec.backend, zone.spec.options] for zone in self.zones])
        own = environment | {"CHAOS_ZONES": zones, "PORTAL_DATA_DIR": str(self.folder / "set-up")}
        command = [sys.executable, "manage.py", "shell", "--no-imports", "-v", "0", "-c", SET_UP]
        done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"The zones could not be made: {done.stderr}")


def _closing(stack: ExitStack, thing):
    stack.callback(thing.close)
    return thing


def answers(machine: Machine) -> bool:
    """Whether the machine's web process finds everything it needs."""
    try:
        with urllib.request.urlopen(f"{machine.url}readyz", timeout=10) as response:
            return response.status == 200
    except OSError:
        return False


def _small_disk(folder: Path, stack: ExitStack) -> tuple[Path, str]:
    """A directory on a small file system, or on the usual one with the reason why."""
    mount, path = folder / "mount", folder / "mount" / "small"
    mount.mkdir()
    reason = "" if os.geteuid() == 0 else "Mounting a file system needs root."
    if not reason:
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=755", "tmpfs", str(mount)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        reason = f"A file system can't be mounted here: {done.stderr.strip()}." if done.returncode else ""
        if not reason:
            stack.callback(subprocess.run, ["umount", "--lazy", str(mount)], check=True)
    path.mkdir()
    return path, reason


@contextmanager
def world(seed: int, *, large: int) -> Iterator[World]:
    """A world of its own in a folder of its own. `large`: how many of the images have 64 MiB and more.

    The folder stays where something went wrong, for its logs.
    """
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user
    with ExitStack() as stack:
        yield World(folder, make_images(folder / "images", seed, large), stack)

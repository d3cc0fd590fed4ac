"""Copies between zones against floors that move the same bytes, and deletes of small and large images.

    python -m benchmarks.copy [--size BYTES] [--rounds N] [--only files|s3|many|delete ...]

Each copy is the operation itself, from its claim to Ready, run in this process on SQLite. Floors, one
after the other in the same rounds: between directories, `cp` with the syncs that a copy makes, then
SHA-256 of the copy; with S3, boto3's managed transfers with as many requests at once, then SHA-256.
Goals: files to files at most 1.3, to S3 and back at most 1.2, within S3 at most 1.2 of the floor, the
reading back apart; 8 at once at least 0.9 of the rate that 8 floors at once get from the disk; a delete
takes the same time whatever the size, beside what the file system needs
to unlink. S3 is a Ceph RADOS Gateway on bluestore below BENCHMARK_DIR.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.upload import cp, synced_copy
from benchmarks.upload import floor as file_floor

MIB = 1 << 20
AT_ONCE = 8
numbers = itertools.count()


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def row(name: str, ours: list[float], floor: list[float], goal: float, note: str = "") -> None:
    mine, theirs = statistics.median(ours), statistics.median(floor)
    print(f"{name}: {mine:.2f} s, floor {theirs:.2f} s, ratio {mine / theirs:.2f}, goal {goal}{note}")


class Library:
    """An account with zones, and ISOs of one size that are Ready somewhere without having been sent."""

    def __init__(self, image: Path) -> None:
        from portal.accounts.models import Account, User
        from quotas.models import QuotaLimit

        self.image, self.size = image, image.stat().st_size
        with image.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.account = Account.objects.create(name="Benchmark")
        User.objects.create_user("benchmark", account=self.account)
        QuotaLimit.objects.create(account=self.account, max_isos=10**6, max_bytes=10**15, max_iso_bytes=10**13)

    def zone(self, slug: str, backend: str, options: dict[str, Any]) -> Any:
        from zones.models import Zone
        from zones.stores import open_store

        zone = Zone.objects.create(slug=slug, name=slug, backend=backend, options=options, max_operations=0)
        open_store(zone)
        return zone

    def ready_in(self, zone: Any) -> Any:
        """A new ISO whose bytes are the image's."""
        from django.utils import timezone

        from isos.models import Iso, Replica
        from zones.stores import open_store

        iso = Iso.objects.create(
            account=self.account, name=f"Image {next(numbers)}", size=self.size, sha256=self.sha256,
            ready_at=timezone.now(),
        )  # fmt: skip
        replica = Replica.objects.create(iso=iso, zone=zone, state="ready", verified_at=timezone.now())
        staged = open_store(zone).stage(replica.staging_token, replica.key)
        with self.image.open("rb") as file:
            while chunk := file.read(8 * MIB):
                staged.append(chunk)
        staged.commit()
        return iso

    def start(self, iso: Any, zone: Any) -> Any:
        from isos.actions.copy_to_zones import copy_to_zones
        from isos.audit import Actor

        return copy_to_zones(Actor(self.account.users.get()), iso, [zone])[0]

    def delete(self, iso: Any, *zones: Any) -> float:
        """Seconds of the delete operations, one after the other."""
        from isos.actions.delete_from_zones import delete_from_zones
        from isos.audit import Actor
        from isos.models import Operation

        replicas = iso.replicas.select_related("iso", "zone").filter(zone__in=zones)
        delete_from_zones(Actor(self.account.users.get()), iso, replicas, confirmation="confirm")
        return sum(run(operation) for operation in Operation.objects.filter(kind="delete", state="queued"))


def run(operation: Any) -> float:
    """Seconds of the operation; it must succeed."""
    from isos.operations import engine

    elapsed = seconds(lambda: engine.run(operation.pk))
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.error_message
    return elapsed


def copied(library: Library, iso: Any, target: Any) -> float:
    """Seconds of one copy to `target`, which is removed again."""
    elapsed = run(library.start(iso, target))
    library.delete(iso, target)
    return elapsed


# --- directories -------------------------------------------------------------------------------


def files(library: Library, rounds: int) -> None:
    here, there = file_zones(library)
    iso = library.ready_in(here)
    ours, floors, unsynced = [], [], []
    for _ in range(rounds):
        floors.append(file_floor(synced_copy, library.image))
        unsynced.append(file_floor(cp, library.image))
        ours.append(copied(library, iso, there))
    row("file zone to file zone", ours, floors, 1.3)
    row("file zone to file zone, against plain cp that syncs nothing", ours, unsynced, 1.3)
    library.delete(iso, here)


def many(library: Library, rounds: int) -> None:
    """As many copies at once as workers might run, each of its own ISO, beside the floor's gain or loss by that."""
    from django.db import connection

    from isos.models import Operation
    from isos.operations import engine

    here, there = file_zones(library)
    isos = [library.ready_in(here) for _ in range(AT_ONCE)]

    def one(operation: Any) -> None:
        """A message is for the zone: it may be another thread that runs this very operation."""
        try:
            engine.run(operation.pk)
        finally:
            connection.close()

    gains, beside = [], []
    for _ in range(rounds):
        alone = statistics.median(copied(library, isos[0], there) for _ in range(3))
        floor_alone = statistics.median(file_floor(synced_copy, library.image) for _ in range(3))
        operations = [library.start(iso, there) for iso in isos]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            together = seconds(lambda operations=operations: list(pool.map(one, operations)))
            floor_together = seconds(lambda: list(pool.map(lambda n: parallel_floor(library.image, n), range(AT_ONCE))))
        assert not Operation.objects.exclude(state="succeeded").exists()
        gain, floor_gain = AT_ONCE * alone / together, AT_ONCE * floor_alone / floor_together
        gains.append(gain / floor_gain)
        beside.append(floor_together / together)
        print(f"  alone {alone:.2f} s, at once {together:.2f} s; floor {floor_alone:.2f} and {floor_together:.2f} s")
        for iso in isos:
            library.delete(iso, there)
    print(
        f"{AT_ONCE} copies at once: {statistics.median(beside):.2f} of the rate of {AT_ONCE} floors, goal 0.9 or more"
    )
    print(f"  the gain over one alone is {statistics.median(gains):.2f} of the floor's gain over one alone")
    for iso in isos:
        library.delete(iso, here)


def parallel_floor(image: Path, number: int) -> None:
    target = image.with_name(f"copy-{number}")
    synced_copy(image, target)
    with target.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    target.unlink()


def file_zones(library: Library) -> tuple[Any, Any]:
    zones = []
    for _ in range(2):
        slug = f"files-{next(numbers)}"
        root = library.image.parent / slug
        root.mkdir()
        zones.append(library.zone(slug, "django.core.files.storage.FileSystemStorage", {"location": str(root)}))
    return zones[0], zones[1]


# --- S3 ----------------------------------------------------------------------------------------


@contextmanager
def s3_options(folder: Path) -> Iterator[dict[str, Any]]:
    from tests.tools.rgw import cluster

    with cluster(folder / "rgw", store="bluestore", store_bytes=24 << 30) as server:
        yield {
            "bucket_name": "zones",
            "endpoint_url": server.endpoint_url,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "access_key": server.access_key,
            "secret_key": server.secret_key,
        }


class Managed:
    """boto3's managed transfers, with the portal's client, part sizes and number of requests at once."""

    def __init__(self, library: Library, zone: Any) -> None:
        from boto3.s3.transfer import TransferConfig

        from zones.stores import open_store, s3_ahead, s3_copy, s3_staged

        store: Any = open_store(zone)
        self.client, self.image = store.client, library.image
        self.sending = TransferConfig(multipart_chunksize=s3_staged.PART_BYTES, max_concurrency=s3_staged.IN_FLIGHT)
        self.reading = TransferConfig(multipart_chunksize=s3_ahead.PIECE_BYTES, max_concurrency=s3_ahead.AT_ONCE)
        self.copying = TransferConfig(multipart_chunksize=s3_copy.STEP, max_concurrency=s3_copy.AT_ONCE)

    def upload(self) -> None:
        """The hash first: it reads the file once more, as verifying what was sent would."""
        digest(self.image)
        self.client.upload_file(str(self.image), "zones", "floor", Config=self.sending)

    def download(self) -> None:
        target = self.image.with_name("floor")
        self.client.download_file("zones", "floor", str(target), Config=self.reading)
        fd = os.open(target, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        digest(target)
        target.unlink()

    def copy(self) -> None:
        self.client.copy({"Bucket": "zones", "Key": "floor"}, "zones", "floor-copy", Config=self.copying)

    def read(self) -> None:
        target = self.image.with_name("floor")
        self.client.download_file("zones", "floor", str(target), Config=self.reading)
        digest(target)
        target.unlink()

    def remove(self) -> None:
        for key in ("floor", "floor-copy"):
            self.client.delete_object(Bucket="zones", Key=key)


def digest(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def s3(library: Library, rounds: int, options: dict[str, Any]) -> None:
    first, second = s3_zones(library, options)
    here, there = file_zones(library)
    managed = Managed(library, first)
    iso = library.ready_in(here)
    to, to_floor, back, back_floor, within, within_floor, verify, verify_floor = ([] for _ in range(8))
    for _ in range(rounds):
        to_floor.append(seconds(managed.upload))
        to.append(run(library.start(iso, first)))
        back_floor.append(seconds(managed.download))
        library.delete(iso, here)
        back.append(copied(library, iso, there))
        within_floor.append(seconds(managed.copy))
        verify_floor.append(seconds(managed.read))
        with phases() as times:
            run(library.start(iso, second))
        within.append(times["copying"])
        verify.append(times["verifying"])
        run(library.start(iso, here))
        library.delete(iso, first, second)
        managed.remove()
    row("file zone to S3", to, to_floor, 1.2)
    row("S3 to file zone", back, back_floor, 1.2)
    row("S3 to S3, copying", within, within_floor, 1.2)
    row("S3 to S3, reading back", verify, verify_floor, 1.2, " (floor: managed download + SHA-256)")
    library.delete(iso, here)


def s3_zones(library: Library, options: dict[str, Any]) -> tuple[Any, Any]:
    from contextlib import suppress

    from zones.stores import open_store

    zones = []
    for _ in range(2):
        slug = f"s3-{next(numbers)}"
        zone = library.zone(slug, "storages.backends.s3.S3Storage", {**options, "location": slug})
        client: Any = open_store(zone).client  # type: ignore[attr-defined]
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket="zones")
        zones.append(zone)
    return zones[0], zones[1]


@contextmanager
def phases() -> Iterator[dict[str, float]]:
    """Seconds that each phase of the operations inside took."""
    from isos.operations.engine import Job

    times: dict[str, float] = {}
    now: list[tuple[str, float]] = []
    original = Job.phase

    def ended() -> None:
        if now:
            name, begin = now.pop()
            times[name] = times.get(name, 0) + time.perf_counter() - begin

    def phase(self: Any, name: Any, **more: Any) -> None:
        ended()
        now.append((str(name), time.perf_counter()))
        original(self, name, **more)

    Job.phase = phase  # type: ignore[method-assign]
    try:
        yield times
        ended()
    finally:
        Job.phase = original  # type: ignore[method-assign]


# --- deletes ---------------------------------------------------------------------------------------


def deletes(large: Library, rounds: int, options: dict[str, Any]) -> None:
    from tests.media import big_iso

    small = object.__new__(Library)
    small.__dict__ |= large.__dict__
    small.image = big_iso(large.image.with_name("small.iso"), MIB)
    small.size = MIB
    unlinks = {library: statistics.median(unlinked(library.image) for _ in range(rounds)) for library in (small, large)}
    for name, zone in (("file zone", file_zones(large)[0]), ("S3", s3_zones(large, options)[0])):
        times: dict[int, list[float]] = {small.size: [], large.size: []}
        for _ in range(rounds):
            for library in (small, large):
                times[library.size].append(library.delete(library.ready_in(zone), zone))
        few, much = (statistics.median(times[size]) * 1000 for size in (small.size, large.size))
        print(f"delete from {name}: {few:.0f} ms of 1 MiB, {much:.0f} ms of {large.size / 2**30:.2f} GiB")
    few, much = (unlinks[library] * 1000 for library in (small, large))
    print(f"  of which this file system takes {few:.0f} and {much:.0f} ms to unlink a file of such a size")


def unlinked(image: Path) -> float:
    target = image.with_name("copy")
    synced_copy(image, target)
    return seconds(target.unlink)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=["files", "s3", "many", "delete"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as folder:
        os.environ |= {"PORTAL_TEST_DIR": folder, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/portal.sqlite3"
        import django

        django.setup()
        from django.core.management import call_command

        from tests.media import big_iso

        call_command("migrate", verbosity=0)
        library = Library(big_iso(Path(folder) / "image.iso", options.size))
        if "files" in options.only:
            files(library, options.rounds)
        if "many" in options.only:
            many(library, options.rounds)
        if {"s3", "delete"} & set(options.only):
            with s3_options(Path(folder)) as server:
                if "s3" in options.only:
                    s3(library, options.rounds, server)
                if "delete" in options.only:
                    deletes(library, options.rounds, server)


if __name__ == "__main__":
    main()

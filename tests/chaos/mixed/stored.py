"""What really is in the zones, read past the portal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from tests.chaos.mixed.topology import World, Zone
from tests.contracts.kits import Spec

PREFIX = "portal/"  # the S3 zone's location
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """`modified` in seconds since 1970."""

    zone: str
    key: str
    size: int
    modified: float


class Stores:
    """Looks into every zone with nothing but the operating system and a plain S3 client."""

    def __init__(self, world: World) -> None:
        self._zones = {zone.slug: zone for zone in world.zones}
        self._spools = [machine.data_dir / "spool" for machine in world.machines]
        [s3] = [zone for zone in world.zones if zone.root is None]
        # Straight to the server: the line between is for the portal.
        straight = s3.spec.options | {"endpoint_url": world.s3.server.endpoint_url}
        self._client: Any = Spec(s3.spec.backend, straight).open().client
        self._bucket = s3.spec.options["bucket_name"]

    def objects(self) -> list[Stored]:
        """Everything that stands under a key, whoever made it."""
        return [stored for zone in self._zones.values() for stored in _outside_staging(self._all(zone))]

    def staged_objects(self) -> Iterator[Stored]:
        """Staged files, and on S3 the notes of what is staged."""
        return (stored for zone in self._zones.values() for stored in self._all(zone) if _is_staged(stored))

    def staged(self) -> list[str]:
        """Everything that is on its way: staged files and notes, parts of unfinished uploads, spooled bodies."""
        found = [f"{one.zone}: {one.key}, {one.size} bytes" for one in self.staged_objects()]
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket)
        found += [f"s3: unfinished upload to {one['Key']}" for page in pages for one in page.get("Uploads", [])]
        for spool in self._spools:
            # A lock is an empty file; one whose holder was killed stays.
            files = [path for path in spool.rglob("*") if path.is_file() and path.stat().st_size]
            found += [f"{path}: {path.stat().st_size} bytes" for path in files]
        return found

    def sha256(self, zone: str, key: str) -> str:
        """Of what stands there; FileNotFoundError or a boto3 error where nothing does."""
        root = self._zones[zone].root
        if root is not None:
            with (root / key).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        with self._client.get_object(Bucket=self._bucket, Key=PREFIX + key)["Body"] as body:
            for chunk in _chunks(body):
                digest.update(chunk)
        return digest.hexdigest()

    def _all(self, zone: Zone) -> Iterator[Stored]:
        if zone.root is not None:
            for path in zone.root.rglob("*"):
                if path.is_file() and path.name != ".zone":
                    about = path.stat()
                    yield Stored(zone.slug, path.relative_to(zone.root).as_posix(), about.st_size, about.st_mtime)
            return
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            for found in page.get("Contents", []):
                modified = found["LastModified"].timestamp()
                yield Stored(zone.slug, found["Key"].removeprefix(PREFIX), found["Size"], modified)


def _is_staged(stored: Stored) -> bool:
    return stored.key.startswith(".staging/")


def _outside_staging(objects: Iterator[Stored]) -> Iterator[Stored]:
    return (stored for stored in objects if not _is_staged(stored))


def _chunks(body: BinaryIO) -> Iterator[bytes]:
    while chunk := body.read(READ_BYTES):
        yield chunk

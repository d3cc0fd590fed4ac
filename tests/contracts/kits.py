"""How the contract suite gets at each kind of store: an empty one, a full one, one that only reads.

A spec is a STORAGES entry, so that another process can open the same store.
"""

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.mounts import Mounts
from tests.s3 import client, empty
from tests.tools.rgw import S3Server, free_port
from zones.stores.base import Store
from zones.stores.marker import MARKER
from zones.stores.registry import build


@dataclass(frozen=True)
class Spec:
    backend: str
    options: dict[str, Any]
    owner: str = ""  # whose marker the root must bear

    def open(self) -> Store:
        return build(self.backend, self.options, self.owner)

    def to_json(self) -> str:
        return json.dumps([self.backend, self.options, self.owner])


class FileKit:
    marks: tuple[pytest.MarkDecorator, ...] = ()
    backend = "django.core.files.storage.FileSystemStorage"
    owner = str(uuid.UUID(int=1))
    unit = 100_000  # bytes of one step in tests; a store with parts takes more than one part
    crash_points = 60  # lines at which a crash test dies

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.root: Path = request.getfixturevalue("tmp_path") / "root"
        self._mounts: Callable[[], Mounts] = lambda: request.getfixturevalue("mounts")

    def spec(self) -> Spec:
        self.root.mkdir(exist_ok=True)
        return self._at(self.root)

    def full(self) -> tuple[Spec, int]:
        """A store with room for less than so many bytes."""
        return self._at(self._mounts().tmpfs(size=1_000_000)), 2_000_000

    def read_only(self, fill: Callable[[Store], None]) -> Spec:
        """A store that `fill` could write to and nobody can any more."""
        spec = self.spec()
        fill(spec.open())
        self._mounts().read_only(self.root)
        return spec

    def unreachable(self) -> Spec:
        return self._at(self.root / "not-mounted")

    def _at(self, root: Path) -> Spec:
        if self.owner and root.is_dir():
            (root / MARKER).write_text(self.owner)
        return Spec(self.backend, {"location": str(root)}, self.owner)


class S3Kit:
    """A location of its own for each test, in a bucket of a real Ceph."""

    marks = (pytest.mark.services,)
    backend = "storages.backends.s3.S3Storage"
    unit = 9 * 1024 * 1024  # over half a part, so that a flush sends it as one
    crash_points = 15

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._server: S3Server = request.getfixturevalue("s3_server")
        self._finally = request.addfinalizer

    def spec(self) -> Spec:
        return self._place(self._server.access_key, self._server.secret_key)

    def full(self) -> tuple[Spec, int]:
        name = f"quota-{uuid.uuid4().hex}"
        return self._place(*self._server.user(name, max_bytes=4_000_000), bucket_name=name), 80_000_000

    def read_only(self, fill: Callable[[Store], None]) -> Spec:
        spec = self.spec()
        fill(spec.open())
        reader = f"reader-{uuid.uuid4().hex}"
        access, secret = self._server.user(reader)
        bucket = spec.options["bucket_name"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": [f"arn:aws:iam:::user/{reader}"]},
                    "Action": ["s3:GetObject", "s3:ListBucket"],
                    "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                }
            ],
        }
        client(spec).put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        return Spec(self.backend, {**spec.options, "access_key": access, "secret_key": secret})

    def unreachable(self) -> Spec:
        return Spec(self.backend, {**self._options("a", "b"), "endpoint_url": f"http://127.0.0.1:{free_port()}"})

    def _options(self, access: str, secret: str) -> dict[str, Any]:
        return {
            "bucket_name": "zones",
            "location": f"portal-{uuid.uuid4().hex}",
            "endpoint_url": self._server.endpoint_url,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "access_key": access,
            "secret_key": secret,
        }

    def _place(self, access: str, secret: str, **changes: str) -> Spec:
        spec = Spec(self.backend, {**self._options(access, secret), **changes})
        with suppress(client(spec).exceptions.BucketAlreadyOwnedByYou):
            client(spec).create_bucket(Bucket=spec.options["bucket_name"])
        self._finally(lambda: empty(spec))
        return spec


class AnyKit(FileKit):
    """A backend that the portal knows nothing of. It can only be given whole files."""

    backend = "tests.contracts.backends.PlainStorage"
    owner = ""

    def unreachable(self) -> Spec:
        url = f"ftp://user:password@127.0.0.1:{free_port()}/"
        return Spec("storages.backends.ftp.FTPStorage", {"location": url})


# A store joins the contract suite here.
KITS: dict[str, Any] = {"files": FileKit, "s3": S3Kit, "any": AnyKit}

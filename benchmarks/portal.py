"""A real portal in a temporary folder, with quotas out of the way."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import Portal
from tests.running import portal as started_portal
from tests.uploading import Client

PASSWORD = "benchmark-password"


@contextmanager
def running(**environment: str) -> Iterator[Portal]:
    """A portal below BENCHMARK_DIR (else the system's temporary folder), gone at the end."""
    own = {
        "PORTAL_DEMO_PASSWORD": PASSWORD,
        "PORTAL_ADMIN_PASSWORD": PASSWORD,
        "QUOTA_MAX_ISOS": "100000",
        "QUOTA_MAX_BYTES": str(10**15),
    }
    with (
        tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DIR")) as folder,
        started_portal(Path(folder) / "data", **own, **environment) as portal,
    ):
        portal.complete()
        yield portal


def client(portal: Portal) -> Client:
    return Client(portal, "demo", PASSWORD)

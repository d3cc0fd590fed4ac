"""Starts URL imports in a running portal. For process tests and benchmarks."""

from __future__ import annotations

import subprocess
import sys

from tests.running import ROOT, Portal

_PROGRAM = """
import sys
from isos.actions.import_url import import_url
from isos.actions.start_upload import NewIso
from isos.audit import Actor
from portal.accounts.models import User
from zones.models import Zone

actor = Actor(User.objects.get(username="demo"), "127.0.0.1")
print("ready", flush=True)
for line in sys.stdin:
    name, url = line.split()
    new = NewIso(name=name, zone=Zone.objects.get(slug="zone-a"))
    print(import_url(actor, new, url=url).replica.iso.public_id, flush=True)
"""


class Importer:
    """A process beside the portal that does what its pages do: the action, for the user `demo`.

    Use as a context. It is up before the first import begins, so that the time from `start`
    on is the import's own.
    """

    def __init__(self, portal: Portal) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", _PROGRAM],
            cwd=ROOT,
            env=portal.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def __enter__(self) -> Importer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, name: str, url: str) -> str:
        """Begin an import into zone-a. Returns the ISO's public id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name} {url}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

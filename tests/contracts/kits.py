"""How the contract suite gets at each kind of store: an empty one, a full one, one that only reads.

A spec is a STORAGES entry, so that another process can open the same store.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.mounts import Mounts
from zones.stores.base import Store
from zones.stores.registry import build


@dataclass(frozen=True)
class Spec:
    backend: str
    options: dict[str, Any]

    def open(self) -> Store:
        return build(self.backend, self.options)

    def to_json(self) -> str:
        return json.dumps([self.backend, self.options])


class FileKit:
    backend = "django.core.files.storage.FileSystemStorage"
    unit = 100_000  # bytes of one step in tests; a store with parts takes more than one part
    crash_stride = 1  # a crash test dies at every so-many-th line

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
        return Spec(self.backend, {"location": str(root)})


# A store joins the contract suite here.
KITS = {"files": FileKit}

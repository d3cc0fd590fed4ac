"""Real small and read-only file systems, which only root can mount."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.services import missing


class Mounts:
    def __init__(self, base: Path) -> None:
        self._base = base
        self._mounted: list[Path] = []

    def tmpfs(self, size: int) -> Path:
        """A file system of `size` bytes."""
        path = self._base / f"tmpfs-{len(self._mounted)}"
        path.mkdir()
        self._mount(path, "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs")
        return path

    def read_only(self, path: Path) -> None:
        """From now on nothing below `path` can be changed."""
        self._mount(path, "--bind", str(path))
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)

    def _mount(self, path: Path, *arguments: str) -> None:
        if os.geteuid() != 0:
            missing("Mounting a file system needs root.")
        done = subprocess.run(["mount", *arguments, str(path)], capture_output=True, text=True)
        if done.returncode:
            missing(f"A file system can't be mounted here: {done.stderr.strip()}.")
        self._mounted.append(path)

    def unmount(self) -> None:
        for path in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def mounts(tmp_path):
    made = Mounts(tmp_path)
    yield made
    made.unmount()

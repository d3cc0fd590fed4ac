"""Django storage backends of somebody else's."""

import time
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage


class PlainStorage(FileSystemStorage):
    """Not FileSystemStorage itself: the portal must not take it for a directory that it may use as one."""


class GatedStorage(FileSystemStorage):
    """Reads of a file wait at its byte `stop_at` until the file `gate` is there; each is noted in `<gate>.log`."""

    def __init__(self, location, gate, stop_at):
        super().__init__(location=location)
        self.gate, self.stop_at = Path(gate), stop_at

    def _open(self, name, mode="rb"):
        return _GatedFile(super()._open(name, mode), self)


class _GatedFile(File):
    def __init__(self, file, storage):
        super().__init__(file, file.name)
        self._storage = storage

    def read(self, size=-1):
        with self._storage.gate.with_suffix(".log").open("a") as log:
            log.write(f"{self.tell()}\n")
        while self.tell() >= self._storage.stop_at and not self._storage.gate.exists():
            time.sleep(0.02)
        return self.file.read(size)

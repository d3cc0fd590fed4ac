"""Collecting static files only when they changed: it is the slowest step of a start."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.utils.module_loading import import_string

STAMP = ".collected"


def signature() -> str:
    """Changes when a source file appears, goes, grows or is written, and with the code that stores them."""
    backend = import_string(settings.STORAGES["staticfiles"]["BACKEND"])
    digest = hashlib.sha256(Path(inspect.getfile(backend)).read_bytes())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"\0{name}\0{status.st_size}\0{status.st_mtime_ns}".encode())
    return digest.hexdigest()


def collect() -> bool:
    """Returns False when everything was collected already."""
    root = Path(settings.STATIC_ROOT)
    stamp, wanted = root / STAMP, signature()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted)
    return True

"""The process environment, in which every variable NAME may also be given as NAME_FILE.

Standard library alone: the embedded start needs it before the settings can be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent


class UnreadableFile(Exception):
    """A NAME_FILE variable names a file that can't be read."""


class Environment(Mapping[str, str]):
    """`os.environ` with NAME_FILE read as NAME.

    One newline at the end of the file is dropped: editors and secret stores write it, and it
    is never part of an address or a key.
    """

    def __getitem__(self, name: str) -> str:
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return os.environ[name]
        try:
            return Path(path).read_text().removesuffix("\n")
        except OSError as error:
            raise UnreadableFile(f"{name}_FILE names {path}, which can't be read: {error.strerror}.") from None

    def __iter__(self) -> Iterator[str]:
        names = set(os.environ) | {name.removesuffix("_FILE") for name in os.environ}
        return iter(sorted(names))

    def __len__(self) -> int:
        return len(list(iter(self)))


environment = Environment()


def data_dir() -> Path:
    """Where the portal keeps everything it writes, as an absolute path."""
    return Path(environment.get("PORTAL_DATA_DIR") or BASE_DIR / "var").absolute()

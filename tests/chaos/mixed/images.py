"""The images that people upload and import, each with a content of its own."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path

from tests.media import SECTOR, big_iso

MIB = 1 << 20


@dataclass(frozen=True)
class Image:
    path: Path
    size: int
    sha256: str

    @property
    def is_large(self) -> bool:
        return self.size >= 64 * MIB


def make_images(folder: Path, seed: int, large: int) -> list[Image]:
    """Twelve of 1 to 24 MiB and so many `large` ones of a little over 64 MiB."""
    folder.mkdir()
    dice = random.Random(f"{seed} images")
    sizes = [dice.randrange(1 * MIB, 7 * MIB) for _ in range(8)] + [dice.randrange(8 * MIB, 24 * MIB) for _ in range(4)]
    sizes += [64 * MIB + dice.randrange(8 * MIB) for _ in range(large)]
    return [_make(folder / f"{number}.iso", size) for number, size in enumerate(sizes)]


def _make(path: Path, size: int) -> Image:
    big_iso(path, size // SECTOR * SECTOR)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Image(path, path.stat().st_size, digest)

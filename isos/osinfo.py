"""osinfo-db, the table of operating systems of the libosinfo project, where it is installed.

Never required. The data (Debian package osinfo-db, Fedora osinfo-db) are XML files, one per
release, each with regular expressions for what the release's images say of themselves.
Format: https://gitlab.com/libosinfo/osinfo-db/-/blob/main/data/schema/osinfo.rng.in
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

logger = logging.getLogger(__name__)

DIRECTORIES = (Path("/usr/local/share/osinfo/os"), Path("/usr/share/osinfo/os"))
_MAX_FILE_BYTES = 1 << 20
_TEXTS = ("volume-id", "publisher-id", "application-id", "system-id")


@dataclass(frozen=True)
class Medium:
    """One image of one release: what must be found in which field. `sizes` in bytes, often none."""

    name: str
    family: str
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    sizes: frozenset[int]

    def score(self, fields: dict[str, str], volume_size: int) -> int:
        """How many facts agree; 0 as soon as one does not."""
        if self.sizes and volume_size not in self.sizes:
            return 0
        agree = all(pattern.search(fields.get(field, "")) for field, pattern in self.patterns)
        return (len(self.patterns) + bool(self.sizes)) * agree


def recognise(fields: dict[str, str], volume_size: int) -> list[tuple[str, str]]:
    """The (name, family) pairs that fit best; several where the data can't tell releases apart.

    `fields` are named as osinfo-db names them: volume-id, publisher-id, application-id, system-id.
    """
    best: dict[tuple[str, str], int] = {}
    for medium in load(DIRECTORIES):
        if score := medium.score(fields, volume_size):
            key = (medium.name, medium.family)
            best[key] = max(score, best.get(key, 0))
    return [key for key, score in best.items() if score == max(best.values())]


@cache
def load(directories: tuple[Path, ...]) -> tuple[Medium, ...]:
    """Every medium described in the first of these directories that exists; empty where none does."""
    place = next((directory for directory in directories if directory.is_dir()), None)
    return tuple(medium for path in sorted(place.rglob("*.xml")) for medium in _media_of(path)) if place else ()


def _media_of(path: Path) -> Iterator[Medium]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return
        # Installed by the machine's administrator, as trusted as the code; no user can put a file there.
        systems = ElementTree.parse(path).getroot().iterfind("os")  # noqa: S314
    except (OSError, ElementTree.ParseError) as error:
        logger.warning("osinfo-db: %s can't be read: %s", path.name, error)
        return
    for system in systems:
        name, family = system.findtext("name", ""), system.findtext("family", "")
        for iso in system.iterfind("media/iso"):
            if medium := _medium(name, family, iso):
                yield medium


def _medium(name: str, family: str, iso: ElementTree.Element) -> Medium | None:
    """None where the description has no volume label: other fields alone are too weak a proof."""
    if not iso.findtext("volume-id"):
        return None
    try:
        patterns = tuple((tag, re.compile(text)) for tag in _TEXTS if (text := iso.findtext(tag)))
    except re.error as error:
        logger.debug("osinfo-db: %s has a pattern that is not understood: %s", name, error)
        return None
    sizes = frozenset(int(e.text) for e in iso.iterfind("volume-size") if e.text and e.text.isdigit())
    return Medium(name, family, patterns, sizes)

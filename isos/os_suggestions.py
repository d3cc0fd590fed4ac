"""Which operating system an image probably is. Only ever a suggestion; the user decides.

Asked in this order: the administrators' own table (`OsVersion.match`) about what the image
says; osinfo-db about the same, where the machine has it; the table about the file's name,
which anyone may have changed; and a few words that give away the type alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from isos import osinfo
from isos.models import OsVersion
from isos.models.iso import OsType

logger = logging.getLogger(__name__)

_FAMILIES = {
    "linux": OsType.LINUX,
    "winnt": OsType.WINDOWS,
    "freebsd": OsType.BSD,
    "openbsd": OsType.BSD,
    "netbsd": OsType.BSD,
    "dragonflybsd": OsType.BSD,
}
# Windows 10 and 11, or Server 2019 to 2025, carry the same label: the type is all that it tells.
_TYPE_ONLY = [
    (
        OsType.WINDOWS,
        re.compile(r"^microsoft corporation|^(j_)?(c?ccoma|ccsn?a|cpb?a|ss?ss)_(x64|x86|a64)", re.I | re.M),
    ),
    (OsType.BSD, re.compile(r"\b(free|open|net|dragonfly|ghost)bsd\b", re.I)),
    (OsType.LINUX, re.compile(r"\blinux\b", re.I)),
]


@dataclass(frozen=True)
class Traits:
    """What an image says of itself, as far as it tells systems apart. `volume_size` in bytes."""

    label: str
    publisher: str = ""
    application: str = ""
    system: str = ""
    volume_size: int = 0
    file_name: str = ""

    @property
    def said(self) -> str:
        """The image's own words, a line each, as `OsVersion.match` is searched in."""
        return "\n".join((self.label, self.publisher, self.application))


@dataclass(frozen=True)
class Suggestion:
    """`version_slug` names an `OsVersion`; None where there is no such row or only the type is known."""

    os_type: str
    name: str
    version_slug: str | None = None


def suggest(traits: Traits) -> Suggestion | None:
    """The best guess, or None."""
    versions = list(OsVersion.objects.filter(active=True).order_by("position", "name"))
    return (
        _from_table(versions, traits.said)
        or _from_osinfo(versions, traits)
        or _from_table(versions, traits.file_name)
        or _type_only(traits)
    )


def _from_table(versions: Sequence[OsVersion], text: str) -> Suggestion | None:
    """The first row, by position, whose pattern is found. Case does not matter; ^ and $ are ends of lines."""
    for version in versions:
        try:
            hit = version.match and re.search(version.match, text, re.IGNORECASE | re.MULTILINE)
        except re.error:
            logger.warning("OS version %s: its pattern is not a regular expression", version.slug)
            continue
        if hit:
            return Suggestion(version.os_type, version.name, version.slug)
    return None


def _from_osinfo(versions: Sequence[OsVersion], traits: Traits) -> Suggestion | None:
    """What all of osinfo-db's best matches have in common: one release, or one type."""
    fields = {
        "volume-id": traits.label,
        "publisher-id": traits.publisher,
        "application-id": traits.application,
        "system-id": traits.system,
    }
    matches = osinfo.recognise(fields, traits.volume_size)
    types = {_FAMILIES.get(family, OsType.OTHER) for _, family in matches}
    if len(types) != 1:
        return None
    os_type = types.pop()
    if len(matches) > 1:
        return Suggestion(os_type, os_type.label)
    name = matches[0][0].removeprefix("Microsoft ")
    row = next((version for version in versions if version.name.casefold() == name.casefold()), None)
    return Suggestion(os_type, name, row.slug if row else None)


def _type_only(traits: Traits) -> Suggestion | None:
    text = f"{traits.said}\n{traits.system}"
    return next((Suggestion(kind, kind.label) for kind, pattern in _TYPE_ONLY if pattern.search(text)), None)

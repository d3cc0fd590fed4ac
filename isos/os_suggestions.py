"""Which operating system an image probably is. Only ever a suggestion; the user decides.

First the administrators' own table (`OsVersion.match`), then, where the machine has it, the
osinfo-db data that virt-manager and GNOME Boxes use (Debian package osinfo-db).
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from isos.models import OsVersion

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Traits:
    """What an image says of itself, as far as it tells systems apart. `volume_size` in bytes."""

    label: str
    publisher: str = ""
    application: str = ""
    system: str = ""
    volume_size: int = 0
    file_name: str = ""


@dataclass(frozen=True)
class Suggestion:
    """`version_slug` names an `OsVersion`; None where only the type is known."""

    os_type: str
    name: str
    version_slug: str | None = None


def suggest(traits: Traits) -> Suggestion | None:
    """The best guess, or None."""
    return _from_table(traits)


def _from_table(traits: Traits) -> Suggestion | None:
    """The first active row, by position, whose pattern is found in one of the texts."""
    text = "\n".join((traits.label, traits.publisher, traits.application, traits.file_name))
    for version in OsVersion.objects.filter(active=True).exclude(match="").order_by("position", "name"):
        try:
            hit = re.search(version.match, text, re.IGNORECASE | re.MULTILINE)
        except re.error:
            logger.warning("OS version %s has a pattern that is no regular expression", version.slug)
            continue
        if hit:
            return Suggestion(version.os_type, version.name, version.slug)
    return None

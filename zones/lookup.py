"""Zones by the slugs that operators type."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from portal.kernel.errors import InvalidInput
from zones.models import Zone

_FEW = 10


def zone_named(slug: str) -> Zone:
    """Raises InvalidInput, which names the zones that there are or those with a similar slug."""
    if zone := Zone.objects.filter(slug=slug).first():
        return zone
    slugs = list(Zone.objects.values_list("slug", flat=True))
    if not slugs:
        raise InvalidInput(f"There is no zone “{slug}”, and no other either.", field="zone")
    if len(slugs) <= _FEW:
        raise InvalidInput(f"There is no zone “{slug}”. There are: {', '.join(slugs)}.", field="zone")
    close = get_close_matches(slug, slugs, n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else "`zones list` shows them."
    raise InvalidInput(f"There is no zone “{slug}”. {hint}", field="zone")


def zones_named(slugs: Iterable[str]) -> list[Zone]:
    """The zones in the order of `slugs`, each once. Raises InvalidInput."""
    return [zone_named(slug) for slug in dict.fromkeys(slugs)]

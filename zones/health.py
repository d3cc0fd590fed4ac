"""Does a zone's storage work, now?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zones.stores import open_store
from zones.stores.base import Probe, StoreError
from zones.stores.probing import in_words

if TYPE_CHECKING:
    from zones.models import Zone


def mark_zone(zone: Zone) -> str:
    """Open the zone, which marks a new one's directory. What is in the way, in words, or ""."""
    try:
        open_store(zone)
    except StoreError as error:
        return in_words(error)
    return ""


def probe_zone(zone: Zone) -> Probe:
    """Write, read back and delete a few bytes in the zone. Never raises a store error."""
    try:
        return open_store(zone).probe()
    except StoreError as error:
        return Probe(False, in_words(error))

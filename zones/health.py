"""Does a zone's storage work, now? And what did the last look say?"""

from __future__ import annotations

import time

from django.utils import timezone

from zones.models import Zone, ZoneCheck
from zones.stores import open_store
from zones.stores.base import Probe, StoreError
from zones.stores.probing import in_words


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


def check_zone(zone: Zone) -> ZoneCheck:
    """`probe_zone`, timed and kept as the zone's last check. Never raises a store error."""
    began = time.monotonic()
    probe = probe_zone(zone)
    found = {
        "checked_at": timezone.now(),
        "milliseconds": round((time.monotonic() - began) * 1000),
        "ok": probe.ok,
        "sentence": probe.message,
        "free_bytes": probe.free_bytes,
    }
    check, _ = ZoneCheck.objects.update_or_create(zone=zone, defaults=found)
    return check

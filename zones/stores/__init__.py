"""Opening the store of a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zones.stores.base import Store

if TYPE_CHECKING:
    from zones.models import Zone


def open_store(zone: Zone) -> Store:
    """The store that fits the zone's storage backend. Cheap: no connection is made here."""
    from zones.stores.registry import build  # the backends import heavy clients

    return build(zone.backend, zone.storage_options())

"""Opening the store of a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from zones.stores.base import Store, StoreRefused

if TYPE_CHECKING:
    from zones.models import Zone


def open_store(zone: Zone) -> Store:
    """The store that fits the zone's storage backend. Cheap: no connection is made here.

    Raises `StoreRefused` where the zone's storage options can't be used.
    """
    from zones.stores.registry import build  # the backends import heavy clients

    try:
        options = zone.storage_options()
    except ImproperlyConfigured as error:
        raise StoreRefused(reason=str(error)) from error
    return build(zone.backend, options)

"""Opening the store of a zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from zones.stores.base import Store, StoreRefused

if TYPE_CHECKING:
    from zones.models import Zone


def open_store(zone: Zone) -> Store:
    """The store that fits the zone's storage backend. Cheap: no connection and no query is made here.

    The first time a zone on a directory is opened its root is marked (zones.stores.files), which
    may raise any `StoreError`. Raises `StoreRefused` where the zone's options can't be used.
    """
    store = build_store(zone)
    if zone.marked_at is None:
        from zones.marking import mark_storage

        mark_storage(zone, store)
    return store


def build_store(zone: Zone, owner: str | None = None) -> Store:
    """The zone's store, marked or not. `owner` is whose marker its root must bear: the zone's, "" for nobody's.

    Raises `StoreRefused` where the zone's storage options can't be used.
    """
    from zones.stores.registry import build  # the backends import heavy clients

    try:
        options = zone.storage_options()
    except ImproperlyConfigured as error:
        raise StoreRefused(reason=str(error)) from error
    return build(zone.backend, options, str(zone.public_id) if owner is None else owner)

"""When the storage of a file zone is marked as the zone's own. zones.stores.files says why and by which rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from zones.models import Zone
from zones.stores import build_store
from zones.stores.base import StoreUnreachable
from zones.stores.files import FileStore
from zones.stores.marker import MARKER, foreign, read_marker, write_marker
from zones.stores.oserrors import store_errors
from zones.stores.rooted import Root, sync_directory

if TYPE_CHECKING:
    from zones.stores.base import Store


def adopt(zone: Zone, *, empty: bool = False) -> None:
    """Mark what is mounted now as the storage of a zone that may have ISO images already.

    A root without any file is taken for such a zone only where `empty` allows it. Raises `StoreError`.
    """
    unowned = build_store(zone, owner="")  # the marker is what is missing
    if not empty and zone.is_needed() and not any(unowned.list()):
        raise StoreUnreachable(reason="the zone has ISO images, but its root holds no file: is the disk mounted?")
    mark_storage(zone, unowned, sure=True)


def mark_storage(zone: Zone, store: Store, *, sure: bool = False) -> None:
    """Write the zone's marker into its root and note it in the row. Idempotent, from any number of processes.

    `sure` is the word of somebody who knows that this directory holds what the zone's rows say.
    Does nothing for stores other than files. Raises a `StoreError` where the root is not there,
    can't be written, bears another zone's marker, or nobody is sure and must be.
    """
    if not isinstance(store, FileStore):
        return
    zone.refresh_from_db(fields=["marked_at"])  # another process may have been faster
    if zone.marked_at and not sure:
        return
    owner = str(zone.public_id)
    with store_errors(), Root(store.root.path).directory() as root:
        found = read_marker(root)
        if found is None:
            if not sure and zone.is_needed():
                raise StoreUnreachable(
                    reason=f"the zone has ISO images, but its root has no file {MARKER}: mount the right disk,"
                    f" then run manage.py mark_zone {zone.slug}"
                )
            write_marker(root, owner)
        elif found != owner:
            raise foreign(found, owner)
        sync_directory(root)  # before the row says so, whoever wrote it
    if zone.marked_at is None:
        Zone.objects.filter(pk=zone.pk, marked_at=None).update(marked_at=timezone.now())
        zone.refresh_from_db(fields=["marked_at"])

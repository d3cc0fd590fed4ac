"""Giving the bytes of a replica back to its zone."""

from __future__ import annotations

import logging
from contextlib import closing

from isos.models import Replica
from portal.kernel.errors import PortalError
from zones.stores import open_store

logger = logging.getLogger(__name__)


def discard_bytes(replica: Replica) -> None:
    """Remove staged and committed bytes. Idempotent.

    Raises StagedBusy while a writer still holds the staged object: it stops at its next
    checkpoint, because its upload or operation is no longer running.
    """
    store = open_store(replica.zone)
    with closing(store.stage(replica.staging_token, replica.key)) as staged:
        staged.abort()
    store.delete(replica.key)


def discard_unowned(replica: Replica) -> None:
    """Whoever was too late, and has let go of the staged object, leaves nothing behind.

    He may have opened it anew after its delete was done. While a row names these bytes they are
    that row's and stay; where the storage does not answer, `manage.py reconcile` finds them.
    """
    if Replica.objects.filter(public_id=replica.public_id).exists():
        return
    try:
        discard_bytes(replica)
    except PortalError as error:
        logger.warning("staged bytes of %s, which is gone, could not be removed: %s", replica.public_id, error.code)

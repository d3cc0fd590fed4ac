"""Retry a failed replica: go on with what is kept, or ask for the file again."""

from __future__ import annotations

from django.db import transaction

from isos import audit
from isos.actions.import_url import reserve
from isos.actions.permissions import require_change
from isos.actions.start_upload import open_upload
from isos.models import Event, Operation, Replica, Upload, UrlImport
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.states import IllegalTransition, ReplicaState, UploadState
from portal.accounts.models import User
from portal.kernel.errors import Conflict
from quotas import reservations


def retry(actor: audit.Actor, replica: Replica) -> Upload | None:
    """Start the failed replica again.

    Returns the new Upload where the file has to be sent again, None where the portal goes on
    by itself. Raises NotAllowed, OverQuota, or Conflict when it has not failed.
    """
    require_change(actor.person, replica.iso)
    try:
        with transaction.atomic():
            reservations.lock_accounts([replica.iso.account])  # the lock order: accounts come first
            move_replica(replica, ReplicaState.QUEUED, error_code="", error_message="")
            audit.record(Event.Verb.RETRIED, replica.iso, actor, zone=replica.zone)
            return _restart(replica, actor.person)
    except IllegalTransition:
        raise Conflict("Only what failed can be tried again. Reload the page to see its state.") from None


def _restart(replica: Replica, user: User) -> Upload | None:
    if hasattr(replica, "url_import"):
        _fetch_again(replica, replica.url_import)
        return None
    old = replica.upload
    if old.state == UploadState.RECEIVED:  # the bytes are still staged and their quota is still held
        enqueue(replica, Operation.Kind.INGEST)
        return None
    old.delete()
    move_replica(replica, ReplicaState.RECEIVING)
    return open_upload(replica, user, size=old.length, fingerprint=old.fingerprint)


def _fetch_again(replica: Replica, url_import: UrlImport) -> None:
    """Go on with what is staged where quota is still held for it, else from the first byte."""
    if not reservations.is_held(replica.public_id):
        reserve(replica, url_import.size)
    if url_import.checksum_origin in UrlImport.READ_ORIGINS:
        # What was read may be what was wrong: read it again.
        url_import.checksum, url_import.checksum_origin, url_import.checksum_sought = "", "", False
        url_import.save(update_fields=["checksum", "checksum_origin", "checksum_sought"])
    enqueue(replica, Operation.Kind.FETCH)

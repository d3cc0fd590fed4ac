"""Retry a failed replica: go on with what is kept, copy it again, ask for the file again, or wait for it again."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction

from isos import audit
from isos.actions.import_url import reserve
from isos.actions.permissions import require, require_active
from isos.actions.start_upload import open_upload
from isos.actions.wait_again import take_along, wait_again
from isos.fetching.urls import redact
from isos.models import Event, Iso, Operation, Replica, Upload, UrlImport
from isos.operations.moves import move_replica
from isos.operations.queue import enqueue
from isos.operations.sources import require_source
from isos.operations.waiting import receiver_of
from isos.states import ACTIVE_OPERATION, IllegalTransition, ReplicaState, UploadState
from portal.accounts.models import User
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict
from quotas import reservations


def retry(actor: audit.Actor, replica: Replica) -> Upload | None:
    """Start the failed replica again.

    Returns the new Upload where the file has to be sent again, None where the portal goes on
    by itself. Raises NotAllowed, OverQuota, InvalidInput where the zone takes nothing now,
    or Conflict when it has not failed, is still being cleaned up, or waits for a replica that has
    failed too. Retry of that one takes along those that wait for it.
    """
    require(actor, Right.RETRY, replica.iso)
    try:
        with transaction.atomic():
            reservations.lock_accounts([replica.iso.account])  # the lock order: accounts come first
            iso = Iso.objects.select_for_update(no_key=True).get(pk=replica.iso_id)
            if replica.operations.filter(state__in=ACTIVE_OPERATION).exists():
                raise Conflict("What failed is still being cleaned up. Try again in a moment.")
            audit.record(Event.Verb.RETRIED, replica.iso, actor, zone=replica.zone)
            if iso.ready_at is None and receiver_of(iso) != replica:
                wait_again(replica, iso)
                return None
            only = [ReplicaState.FAILED]
            move_replica(replica, ReplicaState.QUEUED, only_from=only, error_code="", error_message="")
            if iso.ready_at is not None:  # its content is settled: it only ever comes from another zone
                _copy_again(replica, iso)
                return None
            upload = _restart(replica, actor.user)
            take_along(replica, iso)
            return upload
    except Iso.DoesNotExist:
        raise Conflict("This ISO was deleted meanwhile. Reload the page.") from None
    except (IllegalTransition, IntegrityError):
        raise Conflict("Only what failed can be tried again. Reload the page to see its state.") from None


def _copy_again(replica: Replica, iso: Iso) -> None:
    """Go on with what is staged, or with the quota of what was lost, where it is still held; else begin anew."""
    require_source(iso)
    if not reservations.is_held(replica.public_id):
        require_active(replica.zone)
        _rename_bytes(replica)
        reservations.reserve_copies(
            iso.account, iso_ref=iso.public_id, replica_refs=[replica.public_id], size=iso.size or 0
        )
    enqueue(replica, Operation.Kind.COPY)


def _restart(replica: Replica, user: User | None) -> Upload | None:
    if replica.is_import:
        _fetch_again(replica, replica.url_import)
        return None
    old = Upload.objects.get(replica=replica)  # as it is now, not as the page saw it
    if old.state == UploadState.RECEIVED:  # the bytes are still staged and their quota is still held
        enqueue(replica, Operation.Kind.INGEST)
        return None
    old.delete()
    _rename_bytes(replica)
    move_replica(replica, ReplicaState.RECEIVING)
    # An administrator of another account can't send the file: whoever began it still can.
    sender = user if user is not None and user.account_id == replica.iso.account_id else old.user
    return open_upload(replica, sender, size=old.length, fingerprint=old.fingerprint)


def _rename_bytes(replica: Replica) -> None:
    """Let the new bytes have another token and key than the old ones.

    A worker that slept through the loss of its lease may still be about to remove the old
    bytes. When it wakes up it must not meet the new ones under their names.
    """
    replica.public_id = uuid.uuid4()
    Replica.objects.filter(pk=replica.pk).update(public_id=replica.public_id)


def _fetch_again(replica: Replica, url_import: UrlImport) -> None:
    """Go on with what is staged where quota is still held for it, else from the first byte."""
    if not reservations.is_held(replica.public_id):
        _rename_bytes(replica)
        reserve(replica, url_import.size)
    if url_import.checksum_origin in UrlImport.READ_ORIGINS:
        # What was read may be what was wrong: read it again. What was found may not be found again.
        url_import.checksum, url_import.checksum_origin, url_import.checksum_sought = "", "", False
        url_import.shown_checksum_url = redact(url_import.checksum_url) if url_import.checksum_url else ""
        url_import.save(update_fields=["checksum", "checksum_origin", "checksum_sought", "shown_checksum_url"])
    enqueue(replica, Operation.Kind.FETCH)

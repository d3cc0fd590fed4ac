"""Fetch a failed import from another address, or compare it with another checksum."""

from __future__ import annotations

import logging

from django.db import transaction

from isos import audit
from isos.actions.import_url import address_fields, checked_address, sha256_in
from isos.actions.permissions import require
from isos.actions.retry import retry
from isos.fetching.answers import plain_name
from isos.fetching.urls import redact
from isos.models import Event, Iso, Replica, UrlImport
from isos.operations import leftovers
from isos.source_keys import keys_of_address
from isos.states import ACTIVE_OPERATION, ReplicaState
from portal.accounts.roles import Right
from portal.kernel.errors import Conflict, PortalError
from quotas import reservations

logger = logging.getLogger(__name__)


def replace_source(
    actor: audit.Actor, replica: Replica, *, url: str, checksum: str = "", size: int | None = None, file_name: str = ""
) -> None:
    """Start the failed import again from `url`; the ISO's name and settings stay, bytes that had come go.

    `size` in bytes and `file_name` as a check of the address told them. The address is the
    actor's from now on. Raises what import_url and retry raise; the import then is still what it was.
    """
    require(actor, Right.CHANGE, replica.iso)
    checked_address(url)
    fields = address_fields(url, checksum) | {"size": size, "user": actor.user}
    with transaction.atomic():
        reservations.lock_accounts([replica.iso.account])  # the lock order: accounts come first
        before = _locked(replica)
        UrlImport.objects.filter(replica=before).update(**fields)
        Iso.objects.filter(pk=before.iso_id).update(
            size=size,
            source_name=plain_name(file_name),
            source_key=keys_of_address(url)[0],
            expected_sha256=sha256_in(fields["checksum"]),
        )
        shown = before.url_import.shown_url
        audit.record(
            Event.Verb.EDITED, before.iso, actor, zone=before.zone, field="address", before=shown, after=redact(url)
        )
        reservations.release(before.public_id)  # of another size; retry holds the new one, under another name
        retry(actor, Replica.objects.select_related("iso__account", "zone", "url_import").get(pk=before.pk))
    _discard(before)


def _locked(replica: Replica) -> Replica:
    """The replica as it is now, which may be long after a page showed it. Raises Conflict where it has moved on."""
    iso = Iso.objects.select_for_update(no_key=True).filter(pk=replica.iso_id).first()
    now = Replica.objects.select_for_update(no_key=True, of=("self",)).select_related("iso", "zone", "url_import")
    found = now.filter(pk=replica.pk).first() if iso else None
    if iso is None or found is None:
        raise Conflict("This ISO was deleted meanwhile. Reload the page.")
    is_active = found.operations.filter(state__in=ACTIVE_OPERATION).exists()
    if found.state != ReplicaState.FAILED or iso.ready_at is not None or is_active:
        raise Conflict("Only an import that failed can get another address. Reload the page to see its state.")
    return found


def _discard(before: Replica) -> None:
    """Remove what had come. Only now: its name is nobody's any more, so no bytes that are wanted can go with it."""
    try:
        leftovers.discard_bytes(before)
    except PortalError as error:
        logger.warning("the bytes of %s before its address changed are left: %s", before.staging_token, error.code)

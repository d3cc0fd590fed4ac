"""Fetch a failed import from another address, or compare it with another checksum."""

from __future__ import annotations

from django.db import transaction

from isos import audit
from isos.actions.import_url import address_fields, checked_address, sha256_in
from isos.actions.permissions import require_acting_for
from isos.actions.retry import retry
from isos.fetching.answers import plain_name
from isos.fetching.urls import redact
from isos.models import Event, Iso, Replica, UrlImport
from isos.operations import endings
from isos.source_keys import keys_of_address
from isos.states import ACTIVE_OPERATION, ReplicaState
from portal.kernel.errors import Conflict
from quotas import reservations


def replace_source(
    actor: audit.Actor, replica: Replica, *, url: str, checksum: str = "", size: int | None = None, file_name: str = ""
) -> None:
    """Start the failed import again from `url`; the ISO's name and settings stay, bytes that had come go.

    `size` in bytes and `file_name` as a check of the address told them. Raises what import_url
    and retry raise; the import then is still what it was, but begins with its first byte.
    """
    require_acting_for(actor, replica.iso)
    checked_address(url)
    fields = address_fields(url, checksum) | {"size": size}
    _require_failed(replica)
    endings.discard_bytes(replica)
    with transaction.atomic():
        reservations.lock_accounts([replica.iso.account])  # the lock order: accounts come first
        _require_failed(Replica.objects.select_for_update().get(pk=replica.pk))
        before = replica.url_import.shown_url
        UrlImport.objects.filter(pk=replica.url_import.pk).update(**fields)
        Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(
            size=size,
            source_name=plain_name(file_name),
            source_key=keys_of_address(url)[0],
            expected_sha256=sha256_in(fields["checksum"]),
        )
        replica.url_import.refresh_from_db()
        replica.iso.refresh_from_db(fields=["size", "source_name", "source_key", "expected_sha256"])
        reservations.release(replica.public_id)  # of another size; retry holds the new one
        audit.record(
            Event.Verb.EDITED, replica.iso, actor, zone=replica.zone, field="address", before=before, after=redact(url)
        )
        retry(actor, replica)


def _require_failed(replica: Replica) -> None:
    if replica.state != ReplicaState.FAILED or replica.operations.filter(state__in=ACTIVE_OPERATION).exists():
        raise Conflict("Only an import that failed can get another address. Reload the page to see its state.")

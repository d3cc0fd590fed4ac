"""Start an import from a web address: the rows and the quota first, then a worker fetches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from isos import audit
from isos.actions.permissions import require_active
from isos.actions.start_upload import NewIso, copies_to, insert_iso, insert_waiting, require_new
from isos.fetching.answers import plain_name
from isos.fetching.checksums import Checksum, is_address, parse_digest
from isos.fetching.errors import BadChecksum, FetchError
from isos.fetching.locations import download_address
from isos.fetching.policy import Policy
from isos.fetching.urls import parse, redact
from isos.models import Event, Iso, Operation, Replica, UrlImport
from isos.operations.queue import enqueue
from isos.source_keys import keys_of_address
from quotas import reservations
from quotas.models import Reservation


def import_url(actor: audit.Actor, new: NewIso, *, url: str, checksum: str = "", size: int | None = None) -> UrlImport:
    """Create the ISO, its replicas, their quota and the operation that fetches `url`.

    `checksum` is a digest or the address of a checksum file; without one the fetch looks for
    one beside the image. `size` in bytes where a check of the address told it. Nothing is
    contacted here. Raises BadUrl, RefusedAddress, BadChecksum, OverQuota, NameTaken or
    InvalidInput, leaving nothing behind.
    """
    require_new(actor, new)
    checked_address(url)
    fields = address_fields(url, checksum or new.expected_sha256)
    new = replace(
        new,
        source_name=plain_name(new.source_name or _name_in(url)),
        source_key=keys_of_address(url)[0],
        expected_sha256=sha256_in(fields["checksum"]),
    )
    with transaction.atomic():
        reservations.lock_accounts([actor.account])  # the lock order: accounts come first
        iso = insert_iso(actor, new, Iso.Source.URL, size)
        replica = Replica.objects.create(iso=iso, zone=new.zone)
        waiting = insert_waiting(iso, new)
        reserve(replica, size, waiting)
        started = UrlImport.objects.create(replica=replica, user=actor.user, **fields)
        enqueue(replica, Operation.Kind.FETCH)
        audit.record(Event.Verb.IMPORT_STARTED, iso, actor, zone=new.zone, url=redact(url), **copies_to(waiting))
    return started


def address_fields(url: str, checksum: str) -> dict[str, Any]:
    """The fields of a UrlImport of which nothing has been fetched yet. Raises BadUrl or BadChecksum."""
    digest, checksum_url = given_checksum(checksum)
    return {
        "url": url.strip(),
        "shown_url": redact(url),
        "size": None,
        "validator": "",
        "restarts": 0,
        "checksum": str(digest or ""),
        "checksum_origin": UrlImport.ChecksumOrigin.DIGEST if digest else UrlImport.ChecksumOrigin.NONE,
        "checksum_url": checksum_url,
        "shown_checksum_url": redact(checksum_url) if checksum_url else "",
        "checksum_sought": False,
    }


def sha256_in(checksum: str) -> str:
    """The digest of an `algorithm:digest`, where it is a SHA-256."""
    algorithm, _, digest = checksum.partition(":")
    return digest if algorithm == "sha256" else ""


def reserve(replica: Replica, size: int | None, waiting: Sequence[Replica] = ()) -> None:
    """Hold quota for a replica that is to be fetched and new ones that wait for it; 0 bytes where the size is unknown.

    Raises OverQuota, or InvalidInput where the zone takes nothing now.
    """
    require_active(replica.zone)
    reservations.reserve(
        replica.iso.account,
        iso_ref=replica.iso.public_id,
        replica_ref=replica.public_id,
        size=size or 0,
        source=Reservation.Source.FETCH,
        copies=[copy.public_id for copy in waiting],
    )


def checked_address(url: str) -> str:
    """The address of the download that `url` stands for, as far as it can be judged without contacting it."""
    address = download_address(url)
    Policy.from_settings().check(parse(address))
    return address


def given_checksum(checksum: str) -> tuple[Checksum | None, str]:
    """The digest, or the address of the checksum file, that the user gave; None and "" for nothing.

    Raises BadChecksum. Nothing is contacted.
    """
    checksum = checksum.strip()
    if not checksum:
        return None, ""
    if not is_address(checksum):
        return parse_digest(checksum), ""
    try:
        checked_address(checksum)
    except FetchError as error:
        raise BadChecksum(
            f"The address of the checksum file can't be used. {error.message}", code=error.code
        ) from error
    return None, checksum


def _name_in(url: str) -> str:
    """The last part of the address as the user wrote it: `image.iso`."""
    return url.strip().partition("?")[0].partition("#")[0].rpartition("/")[2] if url.count("/") > 2 else ""

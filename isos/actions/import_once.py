"""Imports that are safe to ask for twice: what is there is left, what is under way is joined, what failed is retried.

For operators at the command line, who act for an account without being one of its users.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet

from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.import_url import given_checksum, import_url
from isos.actions.retry import retry
from isos.actions.start_upload import NewIso
from isos.audit import Actor
from isos.errors import ChecksumMismatch, NameTaken
from isos.fetching import preflight
from isos.fetching.checksums import is_address
from isos.fetching.urls import redact
from isos.models import Iso, OsVersion, Replica, Upload, UrlImport
from isos.operations.waiting import receiver_of
from isos.os_suggestions import Traits, suggest
from isos.source_keys import keys_of_address
from isos.states import UNFINISHED_REPLICA, ReplicaState
from portal.accounts.models import Account
from portal.kernel.errors import Conflict
from portal.kernel.text import join_words
from quotas import reservations
from quotas.usage import limits_of
from zones.models import Zone


class How(StrEnum):
    """How a request was met."""

    STARTED = "started"
    RETRIED = "retried"
    JOINED = "joined"  # it was under way already
    COPIED = "copied"  # Ready in another zone before; its copy was started
    THERE = "there"  # Ready before; nothing was done


@dataclass(frozen=True)
class ImportRequest:
    """One import that an operator asks for. Empty strings: what the source says.

    It arrives in `zone`; where it begins now it is copied to `more_zones` afterwards. `base` is the
    folder from which paths of files and of checksum files count. `again` imports a source once
    more that is there under another name.
    """

    source: str
    account: Account
    zone: Zone
    base: Path
    more_zones: tuple[Zone, ...] = ()
    name: str = ""
    description: str = ""
    os_type: str = ""
    os_version: OsVersion | None = None
    is_public: bool = False
    is_featured: bool = False
    is_extractable: bool = False
    checksum: str = ""
    again: bool = False

    @property
    def is_url(self) -> bool:
        return is_address(self.source)

    @property
    def shown(self) -> str:
        """The source as it may stand in a log."""
        return redact(self.source) if self.is_url else self.source

    @property
    def path(self) -> Path:
        return self.base / self.source


@dataclass(frozen=True)
class Begun:
    """Where the import stands. `upload` is set where the bytes are still to be sent by whoever asked."""

    replica: Replica
    how: How
    upload: Upload | None = None


def name_from(file_name: str) -> str:
    """The name that an ISO gets from its file: one line, without the ending."""
    stem = file_name[:-4] if file_name.lower().endswith(".iso") else file_name
    longest = Iso._meta.get_field("name").max_length or 0
    return " ".join("".join(c for c in stem if c.isprintable()).split())[:longest].strip()


def import_url_once(request: ImportRequest) -> Begun:
    """Have a worker fetch the address, unless that was asked for before.

    The address is checked first, so that a wrong one is refused at once. Raises PortalErrors,
    leaving nothing behind.
    """
    if before := _url_before(request):
        return before
    found = preflight.check(request.source, limit=limits_of(request.account).max_iso_bytes)
    traits = Traits(found.volume_label, volume_size=found.volume_size, file_name=found.name)
    new = new_iso(request, found.name, traits)
    actor = Actor(operates_for=request.account)
    try:
        started = import_url(actor, new, url=request.source, checksum=request.checksum, size=found.size)
    except NameTaken:
        if before := _url_before(request):  # another run was quicker
            return before
        raise taken(new.name) from None
    return Begun(started.replica, How.STARTED)


def _url_before(request: ImportRequest) -> Begun | None:
    return begun_before(request, keys_of_address(request.source), _take_up_url, lambda: _digest_in(request.checksum))


# --- what is there already ---------------------------------------------------------------


def begun_before(
    request: ImportRequest,
    keys: Sequence[str],
    take_up: Callable[[ImportRequest, Replica], Begun],
    sha256: Callable[[], str],
) -> Begun | None:
    """What became of an earlier import of the same source, brought to go on; None where there is none.

    `take_up` goes on with the replica in the zone; `sha256` tells what the content must be, or "".
    """
    isos = Iso.objects.filter(account=request.account, source_key__in=keys)
    if request.again:
        isos = isos.filter(name__iexact=request.name)
    replicas = list(replicas_in(request).filter(iso__in=isos).order_by("-created_at", "-id"))
    replicas.sort(key=lambda replica: (replica.iso.name.lower() != request.name.lower(), not is_ready(replica)))
    if replicas:
        return take_up(request, replicas[0])
    elsewhere = next((iso for iso in isos if not request.name or iso.name.lower() == request.name.lower()), None)
    return _copied(request, elsewhere, sha256) if elsewhere else None


def _copied(request: ImportRequest, iso: Iso, sha256: Callable[[], str]) -> Begun:
    """It came into another zone before: a copy of the verified replica is quicker and surely the same."""
    replicas = list(iso.replicas.select_related("zone"))
    if not any(map(is_ready, replicas)):
        zones = join_words([replica.zone.name for replica in replicas])
        raise Conflict(
            f"“{iso.name}” came from this source into {zones} and is not Ready there. "
            f"Run this again when it is: then it is copied to {request.zone}."
        )
    require_same(iso, sha256())
    copy_to_zones(Actor(operates_for=request.account), iso, [request.zone])
    return Begun(replicas_in(request).get(iso=iso), How.COPIED)


def replicas_in(request: ImportRequest) -> QuerySet[Replica]:
    return Replica.objects.filter(zone=request.zone).select_related("iso__account", "zone", "upload", "url_import")


def is_ready(replica: Replica) -> bool:
    return replica.state == ReplicaState.READY


def taken(name: str) -> NameTaken:
    return NameTaken(
        f"The account has an ISO “{name}” already, from another source. Give another name with --name.", field="name"
    )


def deleting(replica: Replica) -> Conflict:
    return Conflict(f"“{replica.iso.name}” is being deleted. Run this again when it is gone.")


def _take_up_url(request: ImportRequest, replica: Replica) -> Begun:
    if replica.state == ReplicaState.FAILED:
        return retried(request, replica)
    if replica.state == ReplicaState.DELETING:
        raise deleting(replica)
    if not is_ready(replica):
        return Begun(replica, How.JOINED)
    require_same(replica.iso, _digest_in(request.checksum))
    return Begun(replica, How.THERE)


def _digest_in(checksum: str) -> str:
    """The SHA-256 that was given as such; a checksum file is only read by what fetches."""
    digest, _ = given_checksum(checksum)
    return digest.digest if digest and digest.algorithm == "sha256" else ""


def require_same(iso: Iso, sha256: str) -> None:
    if sha256 and sha256 != iso.sha256:
        mismatch = ChecksumMismatch.digests(expected=sha256, found=iso.sha256)
        raise Conflict(
            f"“{iso.name}” came from this source before and is Ready, but with other content. {mismatch.message} "
            "To import what is there now, give --again and another --name."
        )


def retried(request: ImportRequest, replica: Replica) -> Begun:
    """Start what failed again, with the checksum of today where one is given.

    What only waited for another zone begins there, and is copied from there afterwards.
    """
    actor = Actor(operates_for=request.account)
    arrival = (receiver_of(replica.iso) if replica.iso.ready_at is None else None) or replica
    if arrival.state != ReplicaState.FAILED:
        arrival = replica
    try:
        with transaction.atomic():
            reservations.lock_accounts([request.account])  # the lock order: accounts come first
            if request.checksum and hasattr(arrival, "url_import"):
                _correct_checksum(arrival, request.checksum)
            upload = retry(actor, arrival)
    except Conflict:
        replica = replicas_in(request).get(pk=replica.pk)  # as it is now
        if replica.state in UNFINISHED_REPLICA:  # another run was quicker
            return Begun(replica, How.JOINED, ours(replica))
        raise
    return Begun(replica, How.RETRIED, upload)


def ours(replica: Replica) -> Upload | None:
    """The upload whose bytes come from an operator's machine; None where nothing is to be sent. Raises Conflict."""
    upload = replica.open_upload
    if upload is not None and upload.user is not None:
        raise Conflict(
            f"“{replica.iso.name}” is being uploaded by {upload.user.display_name()}. "
            "Run this again when that is done, or give another name with --name."
        )
    return upload


def _correct_checksum(replica: Replica, checksum: str) -> None:
    """What failed may have failed for a wrong checksum."""
    digest, address = given_checksum(checksum)
    Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(expected_sha256=_digest_in(checksum))
    url_import = replica.url_import
    url_import.checksum = str(digest or "")
    url_import.checksum_origin = UrlImport.ChecksumOrigin.DIGEST if digest else UrlImport.ChecksumOrigin.NONE
    url_import.checksum_url, url_import.shown_checksum_url = address, redact(address) if address else ""
    url_import.checksum_sought = False
    if address:
        url_import.user = None  # it may be signed, and whoever typed the import's address is not who typed this one
    url_import.save(
        update_fields=["checksum", "checksum_origin", "checksum_url", "shown_checksum_url", "checksum_sought", "user"]
    )


def new_iso(request: ImportRequest, file_name: str, traits: Traits) -> NewIso:
    """What was asked for, completed by what the image's first bytes and its file name say."""
    os_type, version = request.os_type, request.os_version
    if version is not None:
        os_type = version.os_type
    elif not os_type and (guess := suggest(traits)):
        os_type = guess.os_type
        version = OsVersion.objects.filter(slug=guess.version_slug, active=True).first()
    name = request.name or name_from(file_name)
    if not name:
        raise Conflict("The source gives the ISO no name. Give one with --name.")
    return NewIso(
        name=name,
        zone=request.zone,
        more_zones=request.more_zones,
        description=request.description,
        os_type=os_type or "linux",
        os_version=version,
        is_public=request.is_public,
        is_featured=request.is_featured,
        is_extractable=request.is_extractable,
        source_name=file_name,
    )

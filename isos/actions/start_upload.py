"""Start an upload: the rows and the quota first, then the bytes may come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from isos import audit
from isos.actions.naming import name_taken
from isos.actions.permissions import require_active, require_may_feature
from isos.models import Event, Iso, OsVersion, Replica, Upload
from isos.operations.receive import expiry
from isos.states import ReplicaState
from portal.accounts.models import User
from portal.kernel.errors import InvalidInput
from quotas import reservations
from quotas.models import Reservation
from zones.models import Zone


@dataclass(frozen=True)
class NewIso:
    """What the user says of a new ISO, validated. Sizes in bytes, digests in lower-case hex."""

    name: str
    zone: Zone
    description: str = ""
    os_type: str = "linux"
    os_version: OsVersion | None = None
    is_public: bool = False
    is_featured: bool = False
    is_extractable: bool = False
    expected_sha256: str = ""
    source_name: str = ""
    source_key: str = ""


def start_upload(actor: audit.Actor, new: NewIso, *, size: int, fingerprint: str = "") -> Upload:
    """Create the ISO, its replica, its quota and the tus session for `size` bytes.

    Raises OverQuota, NameTaken or InvalidInput, leaving nothing behind.
    """
    if size <= 0:
        raise InvalidInput("The file is empty. Choose another file.", field="file")
    require_may_feature(actor, new.is_featured)
    with transaction.atomic():
        iso = insert_iso(actor, new, Iso.Source.UPLOAD, size)
        replica = Replica.objects.create(iso=iso, zone=new.zone, state=ReplicaState.RECEIVING)
        upload = open_upload(replica, actor.user, size=size, fingerprint=fingerprint)
        audit.record(Event.Verb.UPLOAD_STARTED, iso, actor, zone=new.zone, size=size)
    return upload


def open_upload(replica: Replica, user: User | None, *, size: int, fingerprint: str) -> Upload:
    """Reserve quota for the replica and open a tus session on it. Call inside a transaction.

    Without a user no browser can go on with it; only an operator's command can.
    """
    require_active(replica.zone)
    reservations.reserve(
        replica.iso.account,
        iso_ref=replica.iso.public_id,
        replica_ref=replica.public_id,
        size=size,
        source=Reservation.Source.UPLOAD,
    )
    return Upload.objects.create(
        replica=replica,
        user=user,
        length=size,
        filename=replica.iso.source_name,
        fingerprint=fingerprint,
        expires_at=expiry(),
    )


def insert_iso(actor: audit.Actor, new: NewIso, source: Iso.Source, size: int | None) -> Iso:
    """The ISO's row; `size` in bytes, None where nobody knows it yet. Raises NameTaken."""
    fields: dict[str, Any] = {name: getattr(new, name) for name in NewIso.__dataclass_fields__ if name != "zone"}
    try:
        with transaction.atomic():
            return Iso.objects.create(account=actor.account, created_by=actor.user, source=source, size=size, **fields)
    except IntegrityError:
        raise name_taken(actor.account, new.name) from None

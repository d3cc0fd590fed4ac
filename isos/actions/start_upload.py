"""Start an upload: the rows and the quota first, then the bytes may come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from isos import audit
from isos.actions.naming import name_taken
from isos.actions.permissions import require_active, require_creating, require_may_feature, require_may_publish
from isos.models import Event, Iso, OsVersion, Replica, Upload
from isos.operations.receive import expiry
from isos.states import ReplicaState
from portal.accounts.models import User
from portal.kernel.errors import InvalidInput
from portal.kernel.text import join_words
from quotas import reservations
from quotas.models import Reservation
from zones.models import Zone


@dataclass(frozen=True)
class NewIso:
    """What the user says of a new ISO, validated. Sizes in bytes, digests in lower-case hex.

    Its bytes arrive in `zone`; `more_zones` get copies as soon as it is Ready there.
    """

    name: str
    zone: Zone
    more_zones: tuple[Zone, ...] = ()
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
    """Create the ISO, its replicas, their quota and the tus session for `size` bytes.

    Raises OverQuota, NameTaken or InvalidInput, leaving nothing behind.
    """
    if size <= 0:
        raise InvalidInput("The file is empty. Choose another file.", field="file")
    require_new(actor, new)
    with transaction.atomic():
        iso = insert_iso(actor, new, Iso.Source.UPLOAD, size)
        replica = Replica.objects.create(iso=iso, zone=new.zone, state=ReplicaState.RECEIVING)
        waiting = insert_waiting(iso, new)
        upload = open_upload(replica, actor.user, size=size, fingerprint=fingerprint, waiting=waiting)
        audit.record(Event.Verb.UPLOAD_STARTED, iso, actor, zone=new.zone, size=size, **copies_to(waiting))
    return upload


def require_new(actor: audit.Actor, new: NewIso) -> None:
    """Whether the actor may add this ISO with these flags. Raises NotAllowed or InvalidInput. Outside a transaction."""
    require_creating(actor)
    require_may_publish(actor, new.is_public, name=new.name)
    require_may_feature(actor, new.is_featured, name=new.name)


def open_upload(
    replica: Replica, user: User | None, *, size: int, fingerprint: str, waiting: Sequence[Replica] = ()
) -> Upload:
    """Reserve quota for the replica and new ones that wait for it, and open a tus session. Call inside a transaction.

    Without a user no browser can go on with it; only an operator's command can.
    """
    require_active(replica.zone)
    reservations.reserve(
        replica.iso.account,
        iso_ref=replica.iso.public_id,
        replica_ref=replica.public_id,
        size=size,
        source=Reservation.Source.UPLOAD,
        copies=[copy.public_id for copy in waiting],
    )
    return Upload.objects.create(
        replica=replica,
        user=user,
        length=size,
        filename=replica.iso.source_name,
        fingerprint=fingerprint,
        expires_at=expiry(),
    )


def insert_waiting(iso: Iso, new: NewIso) -> list[Replica]:
    """A replica for each further zone, without quota yet. Raises InvalidInput where a zone takes nothing now."""
    zones = {zone.pk: zone for zone in new.more_zones if zone.pk != new.zone.pk}
    for zone in zones.values():
        require_active(zone)
    return [Replica.objects.create(iso=iso, zone=zone, state=ReplicaState.WAITING) for zone in zones.values()]


def copies_to(waiting: Sequence[Replica]) -> dict[str, str]:
    """What the event of a start says of the zones that wait; nothing where none does."""
    return {"copies_to": join_words([replica.zone.name for replica in waiting])} if waiting else {}


def insert_iso(actor: audit.Actor, new: NewIso, source: Iso.Source, size: int | None) -> Iso:
    """The ISO's row; `size` in bytes, None where nobody knows it yet. Raises NameTaken."""
    fields: dict[str, Any] = {name: getattr(new, name) for name in NewIso.__dataclass_fields__ if "zone" not in name}
    try:
        with transaction.atomic():
            return Iso.objects.create(account=actor.account, created_by=actor.user, source=source, size=size, **fields)
    except IntegrityError:
        raise name_taken(actor.account, new.name) from None

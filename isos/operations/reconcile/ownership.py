"""Which replica, if any, a stored or staged object belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from isos.models import Operation, Replica
from isos.operations.damage import LOSS_CODES
from isos.states import ACTIVE_OPERATION, UNFINISHED_REPLICA, ReplicaState, UploadState
from quotas.models import Reservation
from zones.models import Zone

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEY = re.compile(rf"isos/{_ID}/({_ID})\.iso", re.ASCII)
_TOKEN = re.compile(_ID, re.ASCII)
_PROBE = re.compile(r"(?:probe/)?probe-[0-9a-f]{16}", re.ASCII)


def replica_id(key: str) -> UUID | None:
    """The public id of the replica that a key was made for; None where the portal makes no such key."""
    match = _KEY.fullmatch(key)
    return UUID(match[1]) if match else None


def token_id(token: str) -> UUID | None:
    """The same for a staging token."""
    return UUID(token) if _TOKEN.fullmatch(token) else None


def is_probe(name: str) -> bool:
    """Whether a key or token is one with which zones are tested."""
    return bool(_PROBE.fullmatch(name))


def replicas_by_key(zone: Zone, keys: Iterable[str]) -> dict[str, Replica]:
    """The replicas of the zone whose bytes, here or still to come, stand under these keys."""
    ids = [found for key in keys if (found := replica_id(key))]
    rows = Replica.objects.filter(zone=zone, public_id__in=ids).select_related("iso", "zone")
    return {replica.key: replica for replica in rows}


def owned_tokens(zone: Zone, tokens: Iterable[str]) -> set[str]:
    """Those with which an upload, an operation or a retry of the zone can go on, or that a delete gives back."""
    ids = [found for token in tokens if (found := token_id(token))]
    owners = Replica.objects.filter(_owns_staged(), zone=zone, public_id__in=ids)
    return {str(public_id) for public_id in owners.values_list("public_id", flat=True)}


def _owns_staged() -> Q:
    """What is Ready has nothing staged; what failed has where its quota, its upload or its loss says so."""
    held = Exists(Reservation.objects.filter(replica_ref=OuterRef("public_id")))
    active = Exists(Operation.objects.filter(replica=OuterRef("pk"), state__in=ACTIVE_OPERATION))
    kept = Q(held) | Q(error_code__in=LOSS_CODES) | Q(upload__state__in=[UploadState.RECEIVING, UploadState.RECEIVED])
    return Q(state__in=[*UNFINISHED_REPLICA, ReplicaState.DELETING]) | (Q(state=ReplicaState.FAILED) & kept) | Q(active)

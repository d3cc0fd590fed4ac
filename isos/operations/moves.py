"""State changes as conditional UPDATEs: the WHERE holds the states that the table allows.

Zero rows means that someone else moved the row meanwhile; the caller must not go on.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils import timezone

from isos.models import Replica, Upload
from isos.states import (
    REPLICA_MOVES,
    UPLOAD_MOVES,
    IllegalTransition,
    ReplicaState,
    UploadState,
    sources,
)


def move_replica(
    replica: Replica, target: ReplicaState, *, only_from: Collection[ReplicaState] = tuple(ReplicaState), **fields: Any
) -> None:
    """Move `replica` to `target` and set `fields`. Raises IllegalTransition, writing nothing.

    `only_from` narrows the states that the table allows.
    """
    fields |= {"state": target, "changed_at": timezone.now()}
    allowed = [state for state in sources(REPLICA_MOVES, target) if state in only_from]
    moved = Replica.objects.filter(pk=replica.pk, state__in=allowed).update(**fields)
    if not moved:
        raise IllegalTransition(f"replica {replica.public_id} can't become {target}")
    _reflect(replica, fields)


def move_upload(upload: Upload, target: UploadState, **fields: Any) -> None:
    """Move `upload` to `target` and set `fields`. Raises IllegalTransition, writing nothing."""
    fields |= {"state": target}
    moved = Upload.objects.filter(pk=upload.pk, state__in=sources(UPLOAD_MOVES, target)).update(**fields)
    if not moved:
        raise IllegalTransition(f"upload {upload.public_id} can't become {target}")
    _reflect(upload, fields)


def _reflect(row: Replica | Upload, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(row, name, value)

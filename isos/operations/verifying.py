"""The last steps to Ready, whatever brought the bytes: check, commit, publish. Shared by runners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone

from isos import audit, inspection
from isos.models import Event, Iso, Replica
from isos.operations.engine import Job
from isos.operations.moves import move_replica, move_upload
from isos.states import ReplicaState, UploadState
from isos.streaming import CheckedStream, Content, read_through
from quotas import reservations
from zones.stores.base import StagedObject, Store

Verified = tuple[Content, inspection.Inspection]


@dataclass(frozen=True)
class Expected:
    """What the bytes must be: size in bytes where it is known, digests where somebody gave them."""

    size: int | None = None
    sha256: str = ""
    digest: str = ""  # of another algorithm, as `sha512:3b1f…`

    def stream(self, job: Job) -> CheckedStream:
        return CheckedStream(
            expected_size=self.size,
            expected_sha256=self.sha256,
            expected_digest=self.digest,
            on_progress=job.progress,
        )


def read_back(job: Job, store: Store, staged: StagedObject, expected: Expected) -> Verified:
    """Check the bytes where they are and commit them, in the order that the store allows."""
    reader = None if staged.committed else staged.open()
    if reader is None:
        # Committed by an attempt that died, or a store that shows bytes only once they are
        # committed. Not Ready before the check either way; a bad one is deleted.
        staged.commit()
        return _check(job, store.open(staged.key), expected)
    result = _check(job, reader, expected)
    job.beat()
    staged.commit()
    return result


def _check(job: Job, reader: BinaryIO, expected: Expected) -> Verified:
    with reader:
        stream = expected.stream(job)
        read_through(reader, stream)
        content = stream.finish()
        return content, _inspect(job, reader, content.size)


def _inspect(job: Job, reader: BinaryIO, size: int) -> inspection.Inspection:
    """Inspection tells no progress, so it gets a fresh lease and less time than that lasts."""
    job.beat()
    seconds = settings.OPERATION_LEASE_SECONDS / 2
    return inspection.inspect(reader, size, file_name=job.replica.iso.source_name, deadline_seconds=seconds)


def inspect_and_commit(job: Job, store: Store, staged: StagedObject, content: Content) -> Verified:
    """The same for bytes that were hashed on their way: only the few reads of the inspection are left."""
    reader = staged.open()
    if reader is None:
        staged.commit()
        reader = store.open(staged.key)
    with reader:
        found = _inspect(job, reader, content.size)
    job.beat()
    staged.commit()
    return content, found


def publish(replica: Replica, content: Content, found: inspection.Inspection) -> None:
    """The replica becomes Ready, and with the first one the ISO gets its content's facts.

    Inside the transaction that ends the operation.
    """
    now = timezone.now()
    move_replica(replica, ReplicaState.READY, verified_at=now, error_code="", error_message="")
    Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(
        size=content.size, sha256=content.sha256, inspection=found.as_json(), ready_at=now
    )
    if upload := getattr(replica, "upload", None):
        move_upload(upload, UploadState.FINISHED, offset=content.size)
    reservations.settle(replica.public_id)
    audit.record(
        Event.Verb.READY, replica.iso, audit.PORTAL, zone=replica.zone, size=content.size, sha256=content.sha256
    )

"""The last steps to Ready, whatever brought the bytes: check, commit, publish. Shared by runners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from django.conf import settings
from django.utils import timezone

from isos import audit, inspection
from isos.models import Event, Iso, Replica
from isos.operations import waiting
from isos.operations.engine import Job
from isos.operations.moves import move_replica, move_upload
from isos.states import ReplicaState, UploadState
from isos.streaming import CheckedStream, Content, read_through
from quotas import reservations, usage_spans
from zones.stores.base import StagedObject, Store

Verified = tuple[Content, inspection.Inspection]
T = TypeVar("T")


@dataclass(frozen=True)
class Expected:
    """What the bytes must be: size in bytes where it is known, digests where somebody gave them."""

    size: int | None = None
    sha256: str = ""
    digest: str = ""  # of another algorithm, as `sha512:3b1f…`
    known: bool = False  # the bytes of an ISO that is Ready elsewhere: nothing but the above is asked of them

    def stream(self, job: Job) -> CheckedStream:
        return CheckedStream(
            expected_size=self.size,
            expected_sha256=self.sha256,
            expected_digest=self.digest,
            known=self.known,
            on_progress=job.progress,
        )


def read_back(job: Job, store: Store, staged: StagedObject, expected: Expected) -> Verified:
    """Check the bytes where they are and commit them, in the order that the store allows."""
    return _read_back(job, store, staged, lambda reader: _check(job, reader, expected))


def read_back_known(job: Job, store: Store, staged: StagedObject, expected: Expected) -> Content:
    """The same for bytes of an ISO that was inspected before: they only have to be the same."""
    return _read_back(job, store, staged, lambda reader: hashed(job, reader, expected))


def _read_back(job: Job, store: Store, staged: StagedObject, check: Callable[[BinaryIO], T]) -> T:
    reader = None if staged.committed else staged.open()
    if reader is None:
        # Committed by an attempt that died, or a store that shows bytes only once they are
        # committed. Not Ready before the check either way; a bad one is deleted.
        commit(job, staged)
        with store.open(staged.key) as reader:
            return check(reader)
    with reader:
        result = check(reader)
    commit(job, staged)
    return result


def commit(job: Job, staged: StagedObject) -> None:
    """Commit, which may take longer than a lease: S3 joins parts, other backends get the file only now."""
    job.waiting(lambda report: staged.commit())


def hashed(job: Job, reader: BinaryIO, expected: Expected) -> Content:
    """Read to the end and give the verdict."""
    stream = expected.stream(job)
    read_through(reader, stream)
    return stream.finish()


def _check(job: Job, reader: BinaryIO, expected: Expected) -> Verified:
    content = hashed(job, reader, expected)
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
        commit(job, staged)
        reader = store.open(staged.key)
    with reader:
        found = _inspect(job, reader, content.size)
    commit(job, staged)
    return content, found


def publish(replica: Replica, content: Content, found: inspection.Inspection) -> None:
    """The replica becomes Ready, and with the first one the ISO gets its content's facts; copies that wait begin.

    Inside the transaction that ends the operation.
    """
    Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(
        size=content.size, sha256=content.sha256, inspection=found.as_json(), ready_at=timezone.now()
    )
    make_ready(replica, content)
    waiting.start(replica.iso, content.size)


def begin_usage(replica: Replica, size: int) -> None:
    """From now on the replica counts as usage of its account."""
    iso = replica.iso
    usage_spans.begin(
        iso.account, replica.zone, iso_ref=iso.public_id, iso_name=iso.name, replica_ref=replica.public_id, size=size
    )


def make_ready(replica: Replica, content: Content, **data: str) -> None:
    """The replica becomes Ready; `data` goes into the event. Inside the transaction that ends the operation."""
    move_replica(replica, ReplicaState.READY, verified_at=timezone.now(), error_code="", error_message="")
    upload = getattr(replica, "upload", None)
    if upload is not None and upload.state != UploadState.FINISHED:  # else a copy repairs what once was uploaded
        move_upload(upload, UploadState.FINISHED, offset=content.size)
    reservations.settle(replica.public_id)
    begin_usage(replica, content.size)
    audit.record(
        Event.Verb.READY, replica.iso, audit.PORTAL, zone=replica.zone, size=content.size, sha256=content.sha256, **data
    )

"""Ingest: verify what an upload left in staging and make it a Ready replica."""

from __future__ import annotations

from contextlib import closing
from typing import BinaryIO

from django.utils import timezone

from isos import audit, inspection
from isos.models import Event, Iso, Operation, Replica
from isos.operations import endings
from isos.operations.engine import Job
from isos.operations.moves import move_replica, move_upload
from isos.states import ReplicaState, UploadState
from isos.streaming import CheckedStream, Content, read_through
from portal.kernel.errors import PortalError
from quotas import reservations
from zones.stores import open_store
from zones.stores.base import Store


class IngestRunner:
    """Reads the received bytes back once: hash, size, ISO check; then commits them."""

    gives_up = True

    def run(self, job: Job) -> None:
        replica = job.replica
        store = open_store(replica.zone)
        if replica.state == ReplicaState.QUEUED:
            move_replica(replica, ReplicaState.VERIFYING)
        job.phase(Operation.Phase.VERIFYING, total=replica.upload.length)
        content, found = self._verified(job, store)
        with job.succeeding():
            _publish(replica, content, found)

    def discard(self, job: Job) -> None:
        endings.discard_bytes(job.replica)

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        endings.fail_replica(job.replica, error, kept=kept)

    def _verified(self, job: Job, store: Store) -> tuple[Content, inspection.Inspection]:
        """Check the bytes where they are and commit them, in the order that the store allows."""
        replica = job.replica
        with closing(store.stage(replica.staging_token, replica.key)) as staged:
            reader = None if staged.committed else staged.open()
            if reader is None:
                # Committed by an attempt that died, or a store that shows bytes only once they
                # are committed. Not Ready before the check either way; a bad one is deleted.
                staged.commit()
                return self._check(job, store.open(replica.key))
            result = self._check(job, reader)
            staged.commit()
            return result

    def _check(self, job: Job, reader: BinaryIO) -> tuple[Content, inspection.Inspection]:
        iso, upload = job.replica.iso, job.replica.upload
        with reader:
            stream = CheckedStream(
                expected_size=upload.length, expected_sha256=iso.expected_sha256, on_progress=job.progress
            )
            read_through(reader, stream)
            content = stream.finish()
            return content, inspection.inspect(reader, content.size, file_name=iso.source_name)


def _publish(replica: Replica, content: Content, found: inspection.Inspection) -> None:
    """The replica becomes Ready, and with the first one the ISO gets its content's facts."""
    now = timezone.now()
    move_replica(replica, ReplicaState.READY, verified_at=now, error_code="", error_message="")
    Iso.objects.filter(pk=replica.iso_id, ready_at=None).update(
        size=content.size, sha256=content.sha256, inspection=found.as_json(), ready_at=now
    )
    move_upload(replica.upload, UploadState.FINISHED, offset=content.size)
    reservations.settle(replica.public_id)
    audit.record(
        Event.Verb.READY, replica.iso, audit.PORTAL, zone=replica.zone, size=content.size, sha256=content.sha256
    )

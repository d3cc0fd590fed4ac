"""Ingest: verify what an upload left in staging and make it a Ready replica."""

from __future__ import annotations

from contextlib import closing

from isos import inspection
from isos.models import Operation
from isos.operations import endings
from isos.operations.engine import Job
from isos.operations.moves import move_replica
from isos.operations.verifying import Expected, read_back
from isos.operations.verifying import publish as _publish
from isos.states import ReplicaState
from isos.streaming import Content
from portal.kernel.errors import PortalError
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
        endings.discard(job)

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        endings.fail_replica(job.replica, error, kept=kept)

    def _verified(self, job: Job, store: Store) -> tuple[Content, inspection.Inspection]:
        replica = job.replica
        expected = Expected(replica.upload.length, replica.iso.expected_sha256)
        with closing(store.stage(replica.staging_token, replica.key)) as staged:
            return read_back(job, store, staged, expected)

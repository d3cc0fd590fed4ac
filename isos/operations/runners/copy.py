"""Copy: bring a Ready ISO into another zone, from a verified replica and never from where it first came."""

from __future__ import annotations

from isos.models import Replica
from isos.operations import endings
from isos.operations.copying import Copying
from isos.operations.engine import Job
from isos.operations.moves import move_replica
from isos.operations.verifying import make_ready
from isos.states import ReplicaState
from portal.kernel.errors import PortalError
from zones.stores import open_store


class CopyRunner:
    """Started again after a crash it goes on from the durable bytes, perhaps from another source."""

    gives_up = True

    def run(self, job: Job) -> None:
        replica = job.replica
        store = open_store(replica.zone)
        if replica.state == ReplicaState.QUEUED:
            move_replica(replica, ReplicaState.RECEIVING)
        copying = Copying(job, store)
        content = copying.run()
        with job.succeeding():
            make_ready(replica, content, **_origin(copying.source))

    def discard(self, job: Job) -> None:
        endings.discard(job)

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        endings.fail_replica(job.replica, error, kept=kept)


def _origin(source: Replica | None) -> dict[str, str]:
    """For the event: None where an earlier attempt had brought all bytes."""
    return {"copied_from": source.zone.name} if source else {}

"""Delete: remove one replica, whatever state it was in, and the ISO with its last replica."""

from __future__ import annotations

from isos import audit
from isos.models import Event, Iso, Operation, Replica
from isos.operations import endings, needed
from isos.operations.engine import Job
from portal.kernel.errors import PortalError
from quotas import reservations


class DeleteRunner:
    """Waits for the writer and for copies that need these bytes; removes staged and stored bytes, then the rows."""

    gives_up = False  # "Deleting" stays true until the bytes are gone; every try says why not yet

    def run(self, job: Job) -> None:
        replica = job.replica
        job.phase(Operation.Phase.DELETING)
        needed.require_not_needed(replica)
        endings.discard(job)
        with job.succeeding():
            _forget(replica)

    def discard(self, job: Job) -> None:
        """Nothing: a delete is never doomed."""

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        """Never called: a delete does not give up."""


def _forget(replica: Replica) -> None:
    # The lock orders this with whoever adds or removes another replica of the same ISO.
    iso = Iso.objects.select_for_update().get(pk=replica.iso_id)
    zone = replica.zone
    replica_ref = replica.public_id
    replica.delete()
    reservations.release(replica_ref)
    audit.record(Event.Verb.DELETED, iso, audit.PORTAL, zone=zone)
    if not iso.replicas.exists():
        iso.delete()

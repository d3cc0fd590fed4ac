"""Fetch: bring a file from a web address into staging and make it a Ready replica."""

from __future__ import annotations

from contextlib import closing

from django.db import transaction

from isos.fetching.guard import Fetcher
from isos.models import Iso, Operation, UrlImport
from isos.operations import endings, waiting
from isos.operations.engine import Job
from isos.operations.moves import move_replica
from isos.operations.receiving import Transfer, expected_of
from isos.operations.verifying import Verified, inspect_and_commit, publish, read_back
from isos.states import ReplicaState
from portal.kernel.errors import PortalError
from quotas import reservations
from zones.stores import open_store
from zones.stores.base import Store


class FetchRunner:
    """Streams from the source into the staged object while hashing; then inspects and commits.

    Started again after a crash it goes on from the durable bytes, provided that the source
    still holds the same content.
    """

    gives_up = True

    def run(self, job: Job) -> None:
        replica = job.replica
        store = open_store(replica.zone)
        if replica.state == ReplicaState.QUEUED:
            move_replica(replica, ReplicaState.RECEIVING)
        content, found = self._fetched(job, store)
        with transaction.atomic():
            # The reservation says exactly what is stored. On its own: it locks the account, and
            # accounts come before operations.
            reservations.resize(replica.public_id, content.size)
            waiting.resize(replica.iso, content.size)
        with job.succeeding():
            publish(replica, content, found)
            _keep_provenance(replica.url_import)

    def discard(self, job: Job) -> None:
        endings.discard(job)

    def fail(self, job: Job, error: PortalError, *, kept: bool) -> None:
        endings.fail_replica(job.replica, error, kept=kept)

    def _fetched(self, job: Job, store: Store) -> Verified:
        replica = job.replica
        with Fetcher() as fetcher, closing(store.stage(replica.staging_token, replica.key)) as staged:
            if staged.committed:  # by an attempt that died before it could say so
                self._verifying(job, staged.offset)
                return read_back(job, store, staged, expected_of(replica))
            with Transfer(job, store, staged, fetcher) as transfer:
                stream = transfer.run()
            # The object may be another one by now: a changed source begins anew.
            with closing(transfer.staged) as staged:
                self._verifying(job, staged.offset)
                if stream is None:
                    return read_back(job, store, staged, expected_of(replica))
                return inspect_and_commit(job, store, staged, stream.finish())

    def _verifying(self, job: Job, total: int) -> None:
        if job.replica.state != ReplicaState.VERIFYING:
            move_replica(job.replica, ReplicaState.VERIFYING)
        job.phase(Operation.Phase.VERIFYING, total=total)


def _keep_provenance(url_import: UrlImport) -> None:
    """The ISO outlives this replica and keeps where it came from; the addresses themselves go.

    A Ready ISO needs no source any more, and signatures in addresses are credentials.
    """
    Iso.objects.filter(pk=url_import.replica.iso_id).update(provenance=url_import.provenance())
    UrlImport.objects.filter(pk=url_import.pk).update(url="", checksum_url="")

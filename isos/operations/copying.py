"""Copying the bytes of one replica into a staged object, from whichever verified replicas it takes.

What is there already is never trusted and never sent twice: staged bytes of an earlier attempt
are hashed and gone on with. The ISO's SHA-256 decides at the end, whatever way the bytes took.
Where it does not match, the source is read on its own to find out whose fault it was: a source
that is not what was verified there any more is marked, and another one is taken.
"""

from __future__ import annotations

import logging
from contextlib import closing

from isos.errors import ChecksumMismatch, SizeMismatch
from isos.models import Operation, Replica
from isos.operations import sources
from isos.operations.engine import Job
from isos.operations.moves import move_replica
from isos.operations.pumping import pump
from isos.operations.sources import NoGoodCopy, ReplicaDamaged, SourceFailed, SourceUnreadable
from isos.operations.verifying import Expected, commit, hashed, read_back_known
from isos.states import ReplicaState
from isos.streaming import CheckedStream, Content, read_through
from zones.stores import open_store
from zones.stores.base import ObjectMissing, StagedObject, Store, StoreError

logger = logging.getLogger(__name__)


class DamagedOnTheWay(StoreError):
    """A good source went in and something else came out."""

    code = "copy_damaged"
    default_message = (
        "What arrived in the zone's storage was not what was sent, so it was thrown away. "
        "If this stays, tell your administrator."
    )


class Copying:
    """One attempt of a copy."""

    def __init__(self, job: Job, store: Store) -> None:
        self.source: Replica | None = None
        self._job = job
        self._store = store
        self._replica = job.replica
        iso = self._replica.iso
        self._expected = Expected(iso.size, iso.sha256, known=True)
        self._size = iso.size or 0
        self._failed: dict[Replica, StoreError | ReplicaDamaged] = {}

    def run(self) -> Content:
        """Bring the bytes and commit them. Raises NoGoodCopy, SourceUnreadable or a StoreError of the target."""
        content = self._take_over()
        while content is None:
            self.source = self._choose()
            try:
                content = self._copy_from(self.source)
            except SourceFailed as failure:
                self._give_up(self.source, failure.trouble)
        return content

    # --- sources ----------------------------------------------------------------------

    def _choose(self) -> Replica:
        source = sources.choose(self._replica, {failed.pk for failed in self._failed})
        if source is None:
            away = [failed for failed, trouble in self._failed.items() if not _is_loss(trouble)]
            raise SourceUnreadable.of(away) if away else NoGoodCopy()
        self._job.phase(Operation.Phase.COPYING, total=self._size, source=source.zone)
        return source

    def _give_up(self, source: Replica, trouble: StoreError | ReplicaDamaged) -> None:
        logger.warning("copy %s: source %s: %s", self._replica.public_id, source.public_id, trouble.code)
        self._failed[source] = trouble
        if _is_loss(trouble):
            sources.mark_bad(self._job, source, trouble)

    def _open_source(self, source: Replica) -> Store:
        """Its store, if what is there has the right size."""
        try:
            store = open_store(source.zone)
            if store.size(source.key) == self._size:
                return store
        except StoreError as trouble:
            raise SourceFailed(trouble) from trouble
        raise SourceFailed(ReplicaDamaged.of(source))

    def _examine(self, source: Replica) -> None:
        """Read the source on its own. Raises SourceFailed unless it is what was verified there."""
        self._job.phase(Operation.Phase.VERIFYING)
        try:
            with self._open_source(source).open(source.key) as reader:
                hashed(self._job, reader, self._expected)
        except StoreError as trouble:
            raise SourceFailed(trouble) from trouble
        except (SizeMismatch, ChecksumMismatch):
            raise SourceFailed(ReplicaDamaged.of(source)) from None

    # --- bytes ------------------------------------------------------------------------

    def _stage(self) -> StagedObject:
        return self._store.stage(self._replica.staging_token, self._replica.key)

    def _take_over(self) -> Content | None:
        """What an earlier attempt brought whole and could not say any more. Damaged, it is thrown away."""
        with closing(self._stage()) as staged:
            if not staged.committed and staged.offset < self._size:
                return None
            try:
                return self._read_back(staged)
            except (SizeMismatch, ChecksumMismatch):
                self._throw_away(staged)
                return None

    def _copy_from(self, source: Replica) -> Content:
        with closing(self._stage()) as staged:
            try:
                stream = self._bring(source, staged)
                if stream is None:
                    return self._read_back(staged)
                content = stream.finish()
            except (SizeMismatch, ChecksumMismatch):
                self._throw_away(staged)
                self._examine(source)
                raise DamagedOnTheWay from None
            self._verifying()
            commit(self._job, staged)
            return content

    def _bring(self, source: Replica, staged: StagedObject) -> CheckedStream | None:
        """All bytes are staged then. Returns the stream that saw them all, or None where nobody did."""
        store = self._open_source(source)
        try:
            if self._job.waiting(lambda report: self._store.copy_from(store, source.key, staged, report)):
                return None
        except StoreError:
            self._open_source(source)  # raises SourceFailed where it was the source's fault
            raise
        stream = self._hash_staged(staged)
        try:
            reader = store.open(source.key, staged.offset)
        except StoreError as trouble:
            raise SourceFailed(trouble) from trouble
        with reader:
            pump(self._job, reader, staged, (stream or _Count(self._job, staged.offset)).feed)
        return stream

    def _hash_staged(self, staged: StagedObject) -> CheckedStream | None:
        """A stream that has seen what is staged already; None where that can't be read yet."""
        stream = self._expected.stream(self._job)
        if staged.offset:
            reader = staged.open()
            if reader is None:
                return None
            with reader:
                read_through(reader, stream)
        return stream

    def _read_back(self, staged: StagedObject) -> Content:
        self._verifying()
        return read_back_known(self._job, self._store, staged, self._expected)

    def _verifying(self) -> None:
        if self._replica.state != ReplicaState.VERIFYING:
            move_replica(self._replica, ReplicaState.VERIFYING)
        self._job.phase(Operation.Phase.VERIFYING, total=self._size)

    def _throw_away(self, staged: StagedObject) -> None:
        """Begin anew. The beat proves that the bytes are still ours to remove."""
        self._job.beat()
        if staged.committed:
            self._store.delete(staged.key)
        else:
            staged.abort()


class _Count:
    """Stands in for the stream where hashing would be in vain."""

    def __init__(self, job: Job, offset: int) -> None:
        self._job = job
        self._done = offset

    def feed(self, chunk: memoryview) -> None:
        self._done += len(chunk)
        self._job.progress(self._done)


def _is_loss(trouble: StoreError | ReplicaDamaged) -> bool:
    """Whether the replica is lost, and not only away."""
    return isinstance(trouble, (ObjectMissing, ReplicaDamaged))

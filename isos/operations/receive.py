"""Receiving the bytes of one tus request into the staged object.

One request at a time may write an upload: it takes the upload's lock by a conditional UPDATE
and proves at every checkpoint that the lock is still its own. A writer that fell silent for
settings.UPLOAD_LOCK_SECONDS may be replaced; the staged object's own lock (StagedBusy) and the
checkpoint keep the silent one from mixing its bytes in when it wakes up.
"""

from __future__ import annotations

import hmac
import logging
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import IO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from isos import audit
from isos.errors import ChunkChecksumMismatch, OffsetConflict, UploadGone, UploadLocked
from isos.models import Event, Operation, Upload
from isos.operations.leftovers import discard_unowned
from isos.operations.moves import move_replica, move_upload
from isos.operations.queue import enqueue
from isos.states import IllegalTransition, ReplicaState, UploadState
from isos.tus import Checksum
from portal.kernel.errors import PortalError
from zones.stores import open_store
from zones.stores.base import StagedBusy, StagedObject, StoreFull, StoreRefused

logger = logging.getLogger(__name__)

CHECKPOINT_SECONDS = 1.0
# A read waits until it is filled, and what it holds is lost when the line breaks: so a slow line
# gets small reads, which keep its checkpoints coming, and a fast one large reads.
SMALLEST_READ, FIRST_READ, LARGEST_READ = 4 << 10, 64 << 10, 1 << 20
QUICK_READ_SECONDS, SLOW_READ_SECONDS = 0.1, 0.4
SPOOL_MEMORY_BYTES = 8 << 20
CHECKED_BODY_BYTES = 64 << 20  # a body with a checksum is held back whole, so it has a limit

Read = Callable[[int], bytes]
"""Reads up to n bytes of the request body, empty at its end. May raise OSError when the line breaks."""


class BodyTooLong(PortalError):
    """More bytes than the upload declared."""

    code = "body_too_long"
    status = 413
    default_message = (
        "More data was sent at once than is allowed or was declared. Send the rest of the file, in smaller parts."
    )


def expiry() -> datetime:
    return timezone.now() + timedelta(seconds=settings.UPLOAD_EXPIRES_SECONDS)


def durable_offset(upload: Upload) -> int:
    """What HEAD answers: bytes known durable, asked from the store when nobody is writing.

    Hands over to ingest where all bytes are there: a process may have died between the last of
    them and that step, and a client that hears the full offset sends nothing more. Raises UploadGone
    where it ended before: a client that heard an offset would send again and again what nobody takes.
    """
    if not upload.is_receiving:
        if upload.offset < upload.length:
            raise UploadGone
        return upload.offset
    try:
        with Writer(upload) as writer:
            writer.complete_if_whole()
    except (UploadLocked, StagedBusy, StoreFull):
        upload.refresh_from_db(fields=["offset"])
    return upload.offset


def receive(upload: Upload, offset: int, read: Read, length: int | None, checksum: Checksum | None) -> int:
    """Append one request's body at `offset` and return the new durable offset.

    `length` is the body's declared size, None when the client does not say. What arrived before
    the line broke is kept. A full or refusing store ends the upload and gives everything back.
    """
    if not upload.is_receiving:
        raise UploadGone
    try:
        with Writer(upload) as writer:
            if writer.staged.offset != offset:
                raise OffsetConflict
            if length is not None and offset + length > upload.length:
                raise BodyTooLong
            if checksum is None:
                return writer.take(read)
            with _verified_body(read, checksum, min(upload.length - offset, CHECKED_BODY_BYTES)) as verified:
                return writer.take(verified.read)
    except (StoreFull, StoreRefused) as error:
        _give_up(upload, error)
        raise


class Writer:
    """The right to write one upload, and its staged object: nobody else has either meanwhile."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.token = uuid.uuid4()
        self.staged: StagedObject

    def __enter__(self) -> Writer:
        self._lock()
        replica = self.upload.replica
        with ExitStack() as on_error:
            on_error.callback(self._unlock)
            on_error.callback(discard_unowned, replica)
            self.staged = open_store(replica.zone).stage(replica.staging_token, replica.key)
            on_error.callback(self.staged.close)
            self._checkpoint(self.staged.offset)
            on_error.pop_all()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self.staged.close()
            if isinstance(error, UploadGone):
                discard_unowned(self.upload.replica)
        finally:
            self._unlock()

    def take(self, read: Read) -> int:
        """Append until the body ends or the line breaks; returns the durable offset."""
        room = self.upload.length - self.staged.offset
        last = time.monotonic()
        try:
            for chunk in paced(read):
                if len(chunk) > room:
                    raise BodyTooLong
                if time.monotonic() - last >= CHECKPOINT_SECONDS:
                    # Before the append: a writer that slept past its lock must not add a byte.
                    self._checkpoint(self.staged.flush())
                    last = time.monotonic()
                self.staged.append(chunk)
                room -= len(chunk)
        except OSError as broken:
            logger.info("upload %s: the line broke: %s", self.upload.public_id, type(broken).__name__)
        self._checkpoint(self.staged.flush())
        self.complete_if_whole()
        return self.upload.offset

    def _lock(self) -> None:
        now = timezone.now()
        # An expiry that lies further ahead than any lock reaches was written by a wrong clock.
        longest = now + timedelta(seconds=2 * settings.UPLOAD_LOCK_SECONDS)
        free = Q(lock_expires=None) | Q(lock_expires__lt=now) | Q(lock_expires__gt=longest)
        locked = Upload.objects.filter(free, pk=self.upload.pk, state=UploadState.RECEIVING).update(
            lock_token=self.token, lock_expires=self._lock_expiry()
        )
        if not locked:
            raise self._refusal()

    def _checkpoint(self, offset: int) -> None:
        """Store the durable offset and prove that the upload is still ours to write."""
        ours = Upload.objects.filter(
            pk=self.upload.pk,
            lock_token=self.token,
            state=UploadState.RECEIVING,
            replica__state=ReplicaState.RECEIVING,
        ).update(offset=offset, lock_expires=self._lock_expiry(), expires_at=expiry())
        if not ours:
            raise self._refusal()
        self.upload.offset = offset

    def _refusal(self) -> UploadLocked | UploadGone:
        """Why this upload is not ours to write: somebody else does, or it has ended."""
        receiving = Upload.objects.filter(
            pk=self.upload.pk, state=UploadState.RECEIVING, replica__state=ReplicaState.RECEIVING
        )
        return UploadLocked() if receiving.exists() else UploadGone()

    def _unlock(self) -> None:
        Upload.objects.filter(pk=self.upload.pk, lock_token=self.token).update(lock_token=None, lock_expires=None)

    def complete_if_whole(self) -> None:
        """Hand over to ingest once all bytes are durable. Raises UploadGone if it was ended meanwhile."""
        if self.upload.offset != self.upload.length:
            return
        self.staged.close()  # before a worker is woken: it would find the file still held, and wait
        try:
            self._complete()
        except IllegalTransition:
            raise UploadGone from None

    def _complete(self) -> None:
        replica = self.upload.replica
        with transaction.atomic():
            move_upload(self.upload, UploadState.RECEIVED)
            move_replica(replica, ReplicaState.VERIFYING)
            enqueue(replica, Operation.Kind.INGEST)
            audit.record(
                Event.Verb.UPLOAD_RECEIVED, replica.iso, audit.Actor(self.upload.user), zone=replica.zone,
                size=self.upload.length,
            )  # fmt: skip

    @staticmethod
    def _lock_expiry() -> datetime:
        return timezone.now() + timedelta(seconds=settings.UPLOAD_LOCK_SECONDS)


def paced(read: Read) -> Iterator[bytes]:
    """The body in pieces whose size follows the speed of the line."""
    size = FIRST_READ
    while True:
        begin = time.monotonic()
        chunk = read(size)
        waited = time.monotonic() - begin
        if not chunk:
            return
        yield chunk
        if waited < QUICK_READ_SECONDS:
            size = min(size * 2, LARGEST_READ)
        elif waited > SLOW_READ_SECONDS:
            size = max(size // 2, SMALLEST_READ)


def _verified_body(read: Read, checksum: Checksum, room: int) -> IO[bytes]:
    """The body, held back until its checksum is known to be right: a bad one leaves no byte."""
    hasher = checksum.new_hash()
    received = 0
    with ExitStack() as on_error:
        spool = on_error.enter_context(tempfile.SpooledTemporaryFile(max_size=SPOOL_MEMORY_BYTES))
        try:
            for chunk in paced(read):
                received += len(chunk)
                if received > room:
                    raise BodyTooLong
                hasher.update(chunk)
                spool.write(chunk)
        except OSError as trouble:  # the line broke, or there is no room to hold the body back
            logger.warning("a body with a checksum was lost: %s", type(trouble).__name__)
            raise ChunkChecksumMismatch from trouble
        if not hmac.compare_digest(hasher.digest(), checksum.digest):
            raise ChunkChecksumMismatch
        spool.seek(0)
        on_error.pop_all()
        return spool


def _give_up(upload: Upload, error: PortalError) -> None:
    """The store can't take the file: end the upload; a doomed ingest gives bytes and quota back."""
    try:
        with transaction.atomic():
            move_upload(upload, UploadState.FINISHED)
            enqueue(upload.replica, Operation.Kind.INGEST, doom=error)
    except (IllegalTransition, IntegrityError):
        logger.info("upload %s had ended already", upload.public_id)

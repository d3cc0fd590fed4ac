"""A multipart upload to S3 as a staged object."""

from __future__ import annotations

import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from zones.stores.base import ObjectExists, ObjectMissing, StagedBusy, StoreError
from zones.stores.s3_errors import s3_errors
from zones.stores.s3_manifest import Manifest, ManifestFile, Part, digest_of
from zones.stores.spool import MachineLock

if TYPE_CHECKING:
    from zones.stores.s3 import S3Store

MIB = 1024 * 1024
PART_BYTES = 16 * MIB
IN_FLIGHT = 2  # parts being sent while the next one is filled


def part_bytes(number: int) -> int:
    """How large part `number` is made: 16 MiB, doubled with every thousand parts.

    8,000 parts reach S3's largest object, of 10,000 that are allowed.
    """
    return PART_BYTES << min((number - 1) // 1000, 6)


class S3Staged:
    """Bytes on their way into one key: parts on the server, a tail in the note, a buffer here.

    Parts are sent while the next one is filled, so they may arrive in any order; `flush` waits
    for them and only then writes the note that makes them count.
    """

    def __init__(self, store: S3Store, token: str, key: str, lock: MachineLock) -> None:
        self.token = token
        self.key = key
        self.committed = False
        self._store = store
        self.client = store.client
        self._target = {"Bucket": store.bucket, "Key": store.name(key)}
        self._lock = lock
        self._note = ManifestFile(self.client, store.bucket, store.staging_name(token), store.write_parameters(token))
        self._parts: list[Part] = []
        self._sending: list[Future[Part]] = []
        self._threads: ThreadPoolExecutor | None = None
        self._next = 1
        self._sent = 0  # bytes in parts, those on their way included
        self._buffer = bytearray()
        self._flushed = 0
        self._failure: StoreError | None = None
        self._closed = self._aborted = False
        self._size = 0  # of the object, once it is committed

    # --- opening ----------------------------------------------------------------------

    def begin(self) -> None:
        """Take up the upload of this token, or start one; take it away from any other writer."""
        found = self._note.read()
        if found is None:
            if not self._is_committed():
                self._start(Manifest(self.key, self._writer()))
            return
        if found.key != self.key:
            raise StoreError(reason="this token belongs to another key")
        parts = self._listed(found) if found.upload_id else None
        if parts is not None:
            self._resume(found, parts)
        elif found.upload_id and self._exists():
            self._note.delete()
            self._is_committed()
        else:
            self._start(replace(found, upload_id="", parts=0, parts_digest="", size=0, tail=b"", writer=self._writer()))

    @staticmethod
    def _writer() -> str:
        return uuid.uuid4().hex

    def _is_committed(self) -> bool:
        if not self._exists():
            return False
        self.committed, self._size = True, self._store.size(self.key)
        self.close()
        return True

    def _start(self, manifest: Manifest) -> None:
        """The note comes first, so that a crash leaves nothing that no listing shows."""
        left_over = self._note.current is not None
        self._note.write(manifest)
        if left_over:
            self._abort_uploads()
        with s3_errors():
            answer = self.client.create_multipart_upload(**self._target, **self._store.write_parameters(self.key))
        upload_id = answer["UploadId"]
        try:
            self._write_note(replace(self._noted, upload_id=upload_id))
        except StoreError:
            with suppress(StoreError):  # another writer took over meanwhile: no note will ever name this upload
                self._abort_upload(upload_id)
            raise
        if answer["ResponseMetadata"].get("RetryAttempts"):
            self._abort_uploads(besides=upload_id)  # the server may have heard of a lost request too, and made one

    def _resume(self, found: Manifest, parts: list[Part]) -> None:
        self._parts = parts
        self._next = found.parts + 1
        self._sent = found.size - len(found.tail)
        self._buffer = bytearray(found.tail)
        self._write_note(replace(found, writer=self._writer()))
        self._flushed = found.size

    def _listed(self, found: Manifest) -> list[Part] | None:
        """The parts that count, as the server has them; None where they or the whole upload are gone."""
        pages = self.client.get_paginator("list_parts").paginate(**self._target, UploadId=found.upload_id)
        try:
            with s3_errors():
                listed = [
                    Part(part["PartNumber"], part["Size"], part["ETag"].strip('"'))
                    for page in pages
                    for part in page.get("Parts", [])
                    if part["PartNumber"] <= found.parts
                ]
        except ObjectMissing:
            return None
        # A writer that had been given up may have sent one of them once more.
        return listed if not found.parts or digest_of(listed) == found.parts_digest else None

    # --- writing ----------------------------------------------------------------------

    @property
    def offset(self) -> int:
        return self._size if self.committed else self._sent + len(self._buffer)

    @property
    def next_part(self) -> int:
        """The number of the part that comes next. Nothing of it has been sent."""
        return self._next

    @property
    def buffered(self) -> int:
        """Bytes here that are in no part yet."""
        return len(self._buffer)

    @property
    def room(self) -> int:
        """Bytes that the part which is being filled still takes."""
        return part_bytes(self._next) - len(self._buffer)

    @property
    def upload(self) -> dict[str, str]:
        """What a request about this upload names."""
        return {**self._target, "UploadId": self._noted.upload_id}

    def append(self, chunk: bytes | memoryview) -> None:
        if self.committed:
            raise ObjectExists
        self._writable()
        with memoryview(chunk) as view:
            done = 0
            while done < len(view):
                taken = view[done : done + self.room]
                self._buffer += taken
                done += len(taken)
                if not self.room:
                    self._send()

    def _send(self) -> None:
        """Send the buffer as the next part, in the background."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="s3-part")
        while len(self._sending) >= IN_FLIGHT:
            self._collect()
        self._sending.append(self._threads.submit(self._send_part, self._next, self._buffer))
        self._next += 1
        self._sent += len(self._buffer)
        self._buffer = bytearray()

    def _send_part(self, number: int, body: bytearray) -> Part:
        with s3_errors():
            answer = self.client.upload_part(**self.upload, PartNumber=number, Body=body)
        return Part(number, len(body), answer["ETag"].strip('"'))

    def _collect(self) -> None:
        """Wait for the oldest part on its way. One that failed ends the writing: what counts is in the note."""
        try:
            self._parts.append(self._sending.pop(0).result())
        except StoreError as error:
            self._failure = error
            self._stop_sending()
            raise

    def add_parts(self, parts: list[Part]) -> None:
        """Count parts that the server made itself, in order from `next_part` on."""
        self._parts += parts
        self._next += len(parts)
        self._sent += sum(part.size for part in parts)

    def flush(self) -> int:
        if self.committed:
            return self._size
        self._writable()
        if self.offset == self._flushed:
            return self._flushed
        if len(self._buffer) * 2 >= part_bytes(self._next):
            self._send()  # half a part is worth a part, less is kept as a tail
        self._arrive()
        self._write_note(self._noted)
        self._flushed = self.offset
        return self._flushed

    def _arrive(self) -> None:
        while self._sending:
            self._collect()

    def _write_note(self, manifest: Manifest) -> None:
        self._note.write(
            replace(
                manifest,
                parts=len(self._parts),
                parts_digest=digest_of(self._parts),
                size=self.offset,
                tail=bytes(self._buffer),
            )
        )

    @property
    def _noted(self) -> Manifest:
        if self._note.current is None:
            raise StagedBusy  # another writer took the note away
        return self._note.current

    def _writable(self) -> None:
        if self._aborted:
            raise ObjectMissing
        self._not_closed()
        if self._failure is not None:
            raise self._failure

    def _not_closed(self) -> None:
        if self._closed:
            raise ValueError("This staged object is closed.")

    def open(self) -> BinaryIO | None:
        """S3 can't read before the commit."""
        return self._store.open(self.key) if self.committed else None

    # --- ending -----------------------------------------------------------------------

    def commit(self) -> None:
        """Complete the upload. The note goes last: with it and without the upload, the key decides."""
        if self.committed:
            return
        self.flush()
        self._write_note(self._noted)  # refused, where another writer took over since the last flush
        if self._exists():
            raise ObjectExists
        size = self.offset
        if size:
            self._complete()
        else:
            self._put_empty()
        self._note.delete()
        self.committed, self._size = True, size
        self.close()

    def _exists(self) -> bool:
        try:
            self._store.size(self.key)
        except ObjectMissing:
            return False
        return True

    def _complete(self) -> None:
        if self._buffer:
            self._send()
            self._arrive()
        parts = [{"PartNumber": part.number, "ETag": part.etag} for part in self._parts]
        try:
            with s3_errors():
                self.client.complete_multipart_upload(**self.upload, MultipartUpload={"Parts": parts})
        except ObjectMissing:
            # A repeated request whose first answer was lost. Else the upload is gone indeed.
            if self._store.size(self.key) != self.offset:
                raise

    def _put_empty(self) -> None:
        """An upload without parts can't be completed."""
        self._abort_upload(self._noted.upload_id)
        with s3_errors():
            self.client.put_object(**self._target, Body=b"", **self._store.write_parameters(self.key))

    def abort(self) -> None:
        if self.committed or self._aborted:
            return
        self._not_closed()
        self._stop_sending()
        self._note.check()
        self._abort_upload(self._noted.upload_id)
        self._note.delete()
        self._aborted = True
        self.close()

    def _abort_upload(self, upload_id: str) -> None:
        try:
            with s3_errors():
                self.client.abort_multipart_upload(**self._target, UploadId=upload_id)
        except ObjectMissing:
            pass

    def _abort_uploads(self, besides: str = "") -> None:
        """Every upload to this key but one. Only where there may be one that no note names."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._target["Bucket"], Prefix=self._target["Key"]
        )
        with s3_errors():
            found = [upload for page in pages for upload in page.get("Uploads", [])]
        for upload in found:
            if upload["Key"] == self._target["Key"] and upload["UploadId"] != besides:
                self._abort_upload(upload["UploadId"])

    def close(self) -> None:
        self._stop_sending()
        self._lock.release()
        self._closed = True

    def _stop_sending(self) -> None:
        """Parts on their way are waited for and not counted."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        self._sending.clear()

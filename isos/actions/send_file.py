"""Send a file of this machine into its upload: by the same writer that takes the bytes of browsers."""

from __future__ import annotations

from typing import BinaryIO

from isos.actions.delete_from_zones import cancel
from isos.audit import Actor
from isos.local_files import FileChanged, LocalFile, Progress
from isos.models import Upload
from isos.operations.receive import durable_offset, receive
from portal.kernel.errors import InvalidInput


def send_file(actor: Actor, upload: Upload, file: LocalFile, progress: Progress) -> None:
    """Send what is missing, from the durable offset on; then a worker verifies it.

    `progress` gets the bytes that were read so far. Raises UploadLocked while another process
    sends it, UploadGone where it was cancelled, FileChanged (and cancels it) where the file is
    another one by now, InvalidInput where it can't be read, StoreErrors.
    """
    try:
        with file.open() as source:
            offset = durable_offset(upload)
            if not upload.is_receiving:
                return
            source.seek(offset)
            body = _Body(file, source, offset, progress)
            receive(upload, offset, body.read, upload.length - offset, None)
    except FileChanged:
        cancel(actor, upload.replica.iso)  # what was sent can never be completed
        raise FileChanged(
            "The file changed while it was read, so its import was cancelled. Run this again in a moment."
        ) from None
    if upload.offset < upload.length:
        reason = body.trouble.strerror if body.trouble else "it ended too early"
        raise InvalidInput(f"{file.path} can't be read to its end: {reason}. Check its disk, then run this again.")


class _Body:
    """The rest of a file as the body of a request: `read` gives it in pieces."""

    def __init__(self, file: LocalFile, source: BinaryIO, offset: int, progress: Progress) -> None:
        self.trouble: OSError | None = None
        self._file = file
        self._source = source
        self._done = offset
        self._progress = progress

    def read(self, count: int) -> bytes:
        """At most `count` bytes, empty at the end. The last ones are only given while the file is the same."""
        try:
            chunk = self._source.read(min(count, self._file.size - self._done))
        except OSError as trouble:
            self.trouble = trouble
            raise
        self._done += len(chunk)
        if self._done == self._file.size:
            self._file.require_unchanged(self._source)
        self._progress(self._done)
        return chunk

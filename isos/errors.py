"""What can go wrong in the library, each with a code and a sentence for the user.

Errors of the content (not an ISO, truncated, wrong checksum) are final: trying the same bytes
again can't heal them. Errors of stores are in zones.stores.base.
"""

from __future__ import annotations

from portal.kernel.errors import Conflict, PortalError


class OffsetConflict(Conflict):
    """A PATCH that does not begin at the durable offset; the client asks HEAD and goes on."""

    code = "offset_conflict"
    default_message = "The transfer continues from another position. Ask for the current offset and go on from there."


class UploadLocked(PortalError):
    """Another request is writing this upload right now."""

    code = "upload_locked"
    status = 423
    retryable = True
    default_message = "This file is being received by another connection. Close it, or try again in some seconds."


class UploadGone(PortalError):
    """The upload was cancelled, expired or failed; nothing of it is left."""

    code = "upload_gone"
    status = 410
    default_message = "This upload was ended and what was received is gone. Start it again."


class ChunkChecksumMismatch(PortalError):
    """tus checksum extension: the bytes of one request are not what the client hashed."""

    code = "chunk_checksum"
    status = 460
    retryable = True
    default_message = "The data was damaged on its way. Send this part again."


class LeaseLost(Exception):
    """Someone else owns this job now: stop at once, write nothing. Never shown."""


class Cancelled(Exception):
    """The user asked to stop; raised inside a runner by its progress callback."""


class NameTaken(PortalError):
    """An ISO of that name exists in the account."""

    code = "name_taken"
    status = 422

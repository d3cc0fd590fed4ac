"""What can go wrong in the library, each with a code and a sentence for the user.

Errors of the content (not an ISO, truncated, wrong checksum) are final: trying the same bytes
again can't heal them. Errors of stores are in zones.stores.base.
"""

from __future__ import annotations

from portal.kernel.errors import Conflict, PortalError
from portal.kernel.text import human_bytes


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


class NotExtractable(PortalError):
    """The ISO can't be downloaded, by anybody."""

    code = "not_extractable"
    status = 403
    default_message = (
        "This ISO is not extractable, so it can't be downloaded. Choose Extractable in its settings first."
    )


class LinkEnded(PortalError):
    """A download link that was open once: expired, revoked, or its ISO is not extractable any more."""

    code = "link_ended"
    status = 410
    default_message = "This download link is not open any more. Ask whoever sent it for a new one."


class DownloadsBusy(PortalError):
    """All places for downloads through the portal are taken."""

    code = "downloads_busy"
    status = 503
    retryable = True
    retry_after = 15
    default_message = "Many downloads are running right now. Try again in some seconds."


class LeaseLost(Exception):
    """Someone else owns this job now: stop at once, write nothing. Never shown."""


class Cancelled(Exception):
    """The user asked to stop; raised inside a runner by its progress callback."""


class NameTaken(PortalError):
    """An ISO of that name exists in the account."""

    code = "name_taken"
    status = 422


class ContentRefused(PortalError):
    """The bytes themselves can't be accepted. Final: the same bytes are refused every time."""

    code = "content_refused"
    status = 422
    default_message = "This file can't be accepted. Choose the ISO image of an operating system."


class NotAnIso(ContentRefused):
    """Not an ISO 9660 image; the sentence says what it looks like instead."""

    code = "not_an_iso"
    default_message = "This file is not an ISO image. Choose a file that ends in .iso."

    @classmethod
    def looks_like(cls, what: str, advice: str = "Choose the .iso file instead.") -> NotAnIso:
        return cls(f"This looks like {what}, not an ISO image. {advice}")


class DangerousFormat(ContentRefused):
    """An ISO image and something else at once: each program would read other bytes of it."""

    code = "dangerous_format"
    default_message = "This file is an ISO image and something else at once. Get it again from its publisher."

    @classmethod
    def also(cls, what: str) -> DangerousFormat:
        return cls(
            f"This file is an ISO image and {what} at once, which could harm the machines that open it. "
            "Get the image again from its publisher."
        )


class Truncated(ContentRefused):
    """The image says that it is longer than the file. Sizes in bytes."""

    code = "truncated"
    default_message = "This ISO image is incomplete. Download it again, then upload it again."

    @classmethod
    def sizes(cls, *, needed: int, found: int) -> Truncated:
        want, have = distinct_sizes(needed, found)
        return cls(
            f"This ISO image is incomplete: it needs {want}, but the file has {have}. "
            "Download it again from its publisher, then upload it again."
        )


class SizeMismatch(ContentRefused):
    """More or fewer bytes came than were declared. Sizes in bytes."""

    code = "size_mismatch"
    default_message = "The file's size is not what was declared. Upload it again."

    @classmethod
    def sizes(cls, *, expected: int, found: int) -> SizeMismatch:
        want, have = distinct_sizes(expected, found)
        so = f"more than the expected {want}" if found > expected else f"only {have} of the expected {want}"
        return cls(f"The transfer brought {so}. The file may have changed meanwhile: start it again.")


class ChecksumMismatch(ContentRefused):
    """The digest is not the one that the user or the publisher gave."""

    code = "checksum_mismatch"
    default_message = "The file's SHA-256 is not the expected one. Download it again, or correct the checksum."

    @classmethod
    def digests(cls, *, expected: str, found: str, algorithm: str = "sha256") -> ChecksumMismatch:
        name = {"sha1": "SHA-1", "sha256": "SHA-256", "sha512": "SHA-512"}.get(algorithm, algorithm.upper())
        return cls(
            f"The file's {name} is {shortened(found)}, but {shortened(expected)} was expected. "
            "Download the file again from its publisher, or correct the checksum."
        )


_CONTENT_ERRORS: tuple[type[PortalError], ...] = (ContentRefused, *ContentRefused.__subclasses__())
CONTENT_CODES = frozenset(kind.code for kind in _CONTENT_ERRORS)


def distinct_sizes(first: int, second: int) -> tuple[str, str]:
    """Both sizes for people; in single bytes where rounding would make different ones look alike."""
    short = human_bytes(first), human_bytes(second)
    if first != second and short[0] == short[1]:
        return f"{first:,} bytes".replace(",", " "), f"{second:,} bytes".replace(",", " ")
    return short


def shortened(digest: str) -> str:
    """`3b1f4c9a…77d0e2aa`: enough of a digest to compare by eye."""
    return f"{digest[:8]}…{digest[-8:]}" if len(digest) > 17 else digest

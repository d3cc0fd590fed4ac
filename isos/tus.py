"""The tus 1.0.0 protocol's rules, without HTTP objects. Source: https://tus.io/protocols/resumable-upload"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from portal.kernel.errors import InvalidInput, PortalError

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
CHECKSUM_ALGORITHMS = ("sha1", "sha256", "sha512", "md5")
OFFSET_CONTENT_TYPE = "application/offset+octet-stream"
MAX_METADATA_BYTES = 16_384


class BadTusRequest(PortalError):
    """The request breaks the protocol."""

    code = "tus_bad_request"
    status = 400


class UnsupportedVersion(PortalError):
    """Another protocol version than ours."""

    code = "tus_version"
    status = 412
    default_message = f"This server speaks tus {VERSION}."


class LengthRequired(PortalError):
    """A body that does not say how long it is; behind WSGI it would look empty."""

    code = "tus_length_required"
    status = 411
    default_message = "Send a Content-Length with the data."


class WrongContentType(PortalError):
    """PATCH bodies are raw bytes."""

    code = "tus_content_type"
    status = 415
    default_message = f"Send the data as {OFFSET_CONTENT_TYPE}."


@dataclass(frozen=True)
class Checksum:
    """What the client says the body of one request hashes to."""

    algorithm: str
    digest: bytes

    def new_hash(self) -> Any:
        return hashlib.new(self.algorithm, usedforsecurity=False)


def require_version(value: str | None) -> None:
    if value != VERSION:
        raise UnsupportedVersion


def parse_number(value: str | None, header: str) -> int:
    """A non-negative decimal header value."""
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise BadTusRequest(f"The {header} header must be a whole number of bytes.")
    return int(value)


def parse_metadata(value: str | None) -> dict[str, str]:
    """`Upload-Metadata`: comma-separated `key base64(utf-8 value)` pairs; a value may be absent."""
    metadata: dict[str, str] = {}
    if value and len(value) > MAX_METADATA_BYTES:
        raise BadTusRequest("The Upload-Metadata header is too long.")
    for pair in (value or "").split(","):
        key, _, encoded = pair.strip().partition(" ")
        if not key:
            continue
        if not key.isascii() or key in metadata:
            raise BadTusRequest("The Upload-Metadata header has a key twice or one that is not ASCII.")
        try:
            metadata[key] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BadTusRequest(f"The Upload-Metadata value of {key!r} is not Base64 of UTF-8 text.") from None
    return metadata


def parse_checksum(value: str | None) -> Checksum | None:
    """`Upload-Checksum: <algorithm> <base64 digest>`, or None where the header is absent."""
    if value is None:
        return None
    algorithm, _, encoded = value.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise BadTusRequest(f"Use one of these checksum algorithms: {', '.join(CHECKSUM_ALGORITHMS)}.")
    try:
        return Checksum(algorithm, base64.b64decode(encoded.strip(), validate=True))
    except binascii.Error:
        raise BadTusRequest("The Upload-Checksum digest is not Base64.") from None


def declared_length(upload_length: str | None, defer_length: str | None) -> int:
    """The length that a creation declares. Deferred length is refused: quota needs to know."""
    if defer_length is not None:
        raise BadTusRequest("Declare the length when the upload is created: deferred length is not supported.")
    length = parse_number(upload_length, "Upload-Length")
    if length == 0:
        raise InvalidInput("The file is empty. Choose another file.", field="file")
    return length

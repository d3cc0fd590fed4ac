"""The note beside an upload to S3 that says which of its bytes count.

For each token one small object `.staging/<token>`: a line of JSON, then the tail, that is the
durable bytes that are too few for a part. One PUT changes both at once, so there is no moment
at which they disagree. What the note does not name (parts that were sent after the last flush,
or by a writer that had been given up) does not count.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from zones.stores.base import ObjectMissing, StagedBusy, StoreError
from zones.stores.s3_errors import code_of, s3_errors

HEADER_BYTES = 4096  # room for the line of JSON when only that is read


@dataclass(frozen=True)
class Part:
    number: int
    size: int
    etag: str


@dataclass(frozen=True)
class Manifest:
    """`serial` counts the writes of one `writer`: together they tell one version from all others."""

    key: str
    writer: str
    upload_id: str = ""
    serial: int = 0
    parts: int = 0
    parts_digest: str = ""
    size: int = 0  # all durable bytes, tail included
    tail: bytes = field(default=b"", repr=False)

    @property
    def version(self) -> tuple[str, int]:
        return self.writer, self.serial

    def to_bytes(self) -> bytes:
        header = {name: value for name, value in asdict(self).items() if name != "tail"}
        return json.dumps(header).encode() + b"\n" + self.tail

    @classmethod
    def from_bytes(cls, body: bytes) -> Manifest:
        header, newline, tail = body.partition(b"\n")
        try:
            if newline:
                return cls(**json.loads(header), tail=tail)
        except (ValueError, TypeError):
            pass
        raise StoreError(reason="an object under .staging/ is not the portal's")


def digest_of(parts: list[Part]) -> str:
    """Tells whether the server's parts are still those that were written down."""
    return hashlib.sha256(repr([(part.number, part.size, part.etag) for part in parts]).encode()).hexdigest()


class ManifestFile:
    """The object that holds the Manifest of one token, written by one writer at a time.

    Every write names the version that it replaces. A writer that was given up, on whatever
    machine, thus finds out at its next flush and gets `StagedBusy`.
    """

    def __init__(self, client: Any, bucket: str, name: str, write_parameters: dict[str, Any]) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": name}
        self._write_parameters = write_parameters
        self._etag = ""
        self._lost = False  # another writer took over: that is for good
        self.current: Manifest | None = None

    def read(self) -> Manifest | None:
        """The note as it stands, or None."""
        try:
            with s3_errors():
                answer = self._client.get_object(**self._object)
                with answer["Body"] as body:
                    self.current = Manifest.from_bytes(body.read())
        except ObjectMissing:
            self.current = None
            return None
        self._etag = answer["ETag"].strip('"')
        return self.current

    def write(self, manifest: Manifest) -> None:
        """Put it in place of `current`. Raises `StagedBusy` where another has done so meanwhile."""
        self._not_lost()
        wanted = replace(manifest, serial=manifest.serial + 1)
        # Unquoted: Ceph takes quotes for a part of the ETag, and the others take it either way.
        condition = {"IfMatch": self._etag} if self.current else {"IfNoneMatch": "*"}
        with s3_errors():
            try:
                self._put(wanted, condition)
            except ClientError as error:
                self._put_after_refusal(wanted, error)

    def _put(self, wanted: Manifest, condition: dict[str, str]) -> None:
        answer = self._client.put_object(**self._object, **condition, **self._write_parameters, Body=wanted.to_bytes())
        self._etag, self.current = answer["ETag"].strip('"'), wanted

    def _put_after_refusal(self, wanted: Manifest, error: ClientError) -> None:
        """Look what stands there: conditions are refused for other reasons than a second writer, too."""
        before = self.current
        if code_of(error) not in ("PreconditionFailed", "412", "ConditionalRequestConflict", "NotImplemented"):
            with s3_errors():
                raise error
        there = self.read()
        if there and there.version == wanted.version:
            return  # the first try had arrived, only its answer was lost
        self._lost = (there and there.version) != (before and before.version)
        self._not_lost()
        with s3_errors():
            self._put(wanted, {})  # a server that does not know conditional writes

    def check(self) -> None:
        """Raises `StagedBusy` where another writer has written since."""
        self._not_lost()
        before = self.current
        there = self.read()
        self._lost = bool(there and before and there.version != before.version)
        self._not_lost()

    def _not_lost(self) -> None:
        if self._lost:
            raise StagedBusy

    def delete(self) -> None:
        with s3_errors():
            self._client.delete_object(**self._object)
        self.current = None

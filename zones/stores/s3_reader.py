"""Reading an object of S3 as a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from zones.stores.base import StoreError, StoreUnreachable
from zones.stores.s3_ahead import ReadAhead
from zones.stores.s3_errors import s3_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

KIB, MIB = 1024, 1024 * 1024
FIRST_WINDOW = 256 * KIB
LAST_WINDOW = 4 * MIB
RETRIES = 3


class S3Reader(io.RawIOBase):
    """A seekable reader over ranged requests, bound to the version seen when it was opened.

    A request asks for a window, which grows fourfold while reading goes on in order, until several
    pieces are asked for at once: looking around in an image costs little, and reading it whole uses
    what the line can bring. A connection that breaks is taken up again where it broke.
    """

    def __init__(self, client: Any, bucket: str, name: str, size: int, etag: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": name, "IfMatch": etag}
        self._size = size
        self._position = 0
        self._body: Any = None
        self._left = 0  # bytes of the window that were not read yet
        self._window = FIRST_WINDOW
        self._ahead: ReadAhead | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        target = base + offset
        if target < 0:
            raise ValueError("A position before the beginning.")
        if target != self._position:
            self._drop()
            self._stop_ahead()
            self._window = FIRST_WINDOW
            self._position = target
        return target

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as view:
            wanted = min(len(view), self._size - self._position)
            if wanted <= 0:
                return 0
            data = self._read_ahead(wanted) if self._is_long() else self._read_some(wanted)
            view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _is_long(self) -> bool:
        """Whether reading has gone on in order for so long that it will go on."""
        return self._ahead is not None or (not self._left and self._window > LAST_WINDOW)

    def _read_ahead(self, wanted: int) -> memoryview:
        if self._ahead is None:
            self._drop()
            self._ahead = ReadAhead(self._fetch, self._position, self._size)
        try:
            return self._ahead.take(wanted)
        except StoreError:
            self._stop_ahead()  # another try begins at this very position
            raise

    def _fetch(self, start: int, length: int) -> bytes:
        """One piece, whole. Called in other threads."""
        for attempt in range(RETRIES):
            try:
                with s3_errors(), self._client.get_object(**self._object, Range=_span(start, length))["Body"] as body:
                    data: bytes = body.read()
                if len(data) == length:
                    return data
            except StoreError as error:
                if not error.retryable or attempt + 1 == RETRIES:
                    raise
        raise StoreUnreachable(reason="the server sent less than it announced")

    def _read_some(self, wanted: int) -> bytes:
        for attempt in range(RETRIES):
            try:
                with s3_errors():
                    if not self._left:
                        self._request(wanted)
                    if data := self._body.read(min(wanted, self._left)):
                        self._left -= len(data)
                        return bytes(data)
                self._drop()  # ended early
            except StoreError as error:
                self._drop()
                if not error.retryable or attempt + 1 == RETRIES:
                    raise
        raise StoreUnreachable(reason="the server sent less than it announced")

    def _request(self, wanted: int) -> None:
        self._drop()
        length = min(max(wanted, self._window), self._size - self._position)
        self._body = self._client.get_object(**self._object, Range=_span(self._position, length))["Body"]
        self._left = length
        self._window *= 4

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body, self._left = None, 0

    def _stop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = None

    def close(self) -> None:
        self._drop()
        self._stop_ahead()
        super().close()


def _span(start: int, length: int) -> str:
    return f"bytes={start}-{start + length - 1}"

"""Reading an object of S3 as a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from zones.stores.base import StoreError, StoreUnreachable
from zones.stores.s3_errors import s3_errors

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

KIB, MIB = 1024, 1024 * 1024
FIRST_WINDOW = 256 * KIB
LAST_WINDOW = 64 * MIB
RETRIES = 3


class S3Reader(io.RawIOBase):
    """A seekable reader over ranged requests, bound to the version seen when it was opened.

    A request asks for a window, which grows fourfold while reading goes on in order: looking
    around in an image costs little, and reading it whole costs few requests. A connection that
    breaks is taken up again where it broke.
    """

    def __init__(self, client: Any, bucket: str, name: str, size: int, etag: str) -> None:
        self._client = client
        self._object = {"Bucket": bucket, "Key": name, "IfMatch": etag}
        self._size = size
        self._position = 0
        self._body: Any = None
        self._left = 0  # bytes of the window that were not read yet
        self._window = FIRST_WINDOW

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
            self._window = FIRST_WINDOW
            self._position = target
        return target

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with memoryview(buffer) as view:
            wanted = min(len(view), self._size - self._position)
            if wanted <= 0:
                return 0
            data = self._read_some(wanted)
            view[: len(data)] = data
        self._position += len(data)
        self._left -= len(data)
        return len(data)

    def _read_some(self, wanted: int) -> bytes:
        for attempt in range(RETRIES):
            try:
                with s3_errors():
                    if not self._left:
                        self._request(wanted)
                    if data := self._body.read(min(wanted, self._left)):
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
        window = f"bytes={self._position}-{self._position + length - 1}"
        self._body = self._client.get_object(**self._object, Range=window)["Body"]
        self._left = length
        self._window = min(self._window * 4, LAST_WINDOW)

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
        self._body, self._left = None, 0

    def close(self) -> None:
        self._drop()
        super().close()

"""Copying within one S3 service: the server moves the bytes, parts in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from zones.stores.base import ObjectMissing, Progress, StoreRefused
from zones.stores.s3_errors import s3_errors
from zones.stores.s3_manifest import Part

if TYPE_CHECKING:
    from zones.stores.s3 import S3Store
    from zones.stores.s3_staged import S3Staged

MIB = 1024 * 1024
AT_ONCE = 4
STEP = 64 * MIB
MOST_PARTS = 5000  # half of what S3 allows, so that there is room for those of other sizes


def copy_on_server(source: S3Store, key: str, staged: S3Staged, progress: Progress) -> bool:
    """Fill `staged` from its offset on. False where the server refuses the very first part.

    After each round of four parts the note is written, so that a crash costs one round.
    """
    head = source.head(key)
    size: int = head["ContentLength"]
    _fill_part(source, key, staged, size)
    step = max(STEP, -(-size // MOST_PARTS))
    begun = staged.offset
    copy = _Copy(source, key, head["ETag"], staged)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="s3-copy") as threads:
        while staged.offset < size:
            try:
                parts = _round(copy, threads, size, step, progress)
            except (ObjectMissing, StoreRefused):
                # These keys may not read there. A source that is gone says so when it is streamed.
                if staged.offset == begun:
                    return False
                raise
            staged.add_parts(parts)
            staged.flush()
    return True


def _fill_part(source: S3Store, key: str, staged: S3Staged, size: int) -> None:
    """Bytes that are in no part yet can't be joined with a copied one: stream until they are a part."""
    staged.flush()
    if not staged.buffered or staged.offset >= size:
        return
    with source.open(key, staged.offset) as reader:
        while staged.buffered and (chunk := reader.read(min(MIB, staged.room))):
            staged.append(chunk)
    staged.flush()


class _Copy:
    def __init__(self, source: S3Store, key: str, etag: str, staged: S3Staged) -> None:
        self.staged = staged
        self._client = staged.client
        self._source = {
            "CopySource": {"Bucket": source.bucket, "Key": source.name(key)},
            "CopySourceIfMatch": etag,
        }

    def part(self, number: int, start: int, size: int) -> Part:
        span: dict[str, Any] = {"CopySourceRange": f"bytes={start}-{start + size - 1}", "PartNumber": number}
        with s3_errors():
            answer = self._client.upload_part_copy(**self.staged.upload, **self._source, **span)
        return Part(number, size, answer["CopyPartResult"]["ETag"].strip('"'))


def _round(copy: _Copy, threads: ThreadPoolExecutor, size: int, step: int, progress: Progress) -> list[Part]:
    """Up to four parts at once; all of them are there when it returns."""
    start, first = copy.staged.offset, copy.staged.next_part
    spans = [(first + n, at, min(step, size - at)) for n in range(AT_ONCE) if (at := start + n * step) < size]
    running = [threads.submit(copy.part, *span) for span in spans]
    done = start
    try:
        for finished in as_completed(running):
            done += finished.result().size
            progress(done)
    finally:
        for future in running:
            future.cancel()
    return [future.result() for future in running]

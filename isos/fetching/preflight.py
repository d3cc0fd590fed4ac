"""The verdict on an address before anything is fetched: one request, at most 64 KiB of the file."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from isos.fetching import answers, locations
from isos.fetching.errors import BadAnswer, EmptyFile, TooLarge
from isos.fetching.guard import Fetcher
from isos.fetching.reading import NOT_SATISFIABLE, Answer, open_answer
from isos.fetching.urls import parse, redact
from isos.inspection.boot import is_hybrid
from isos.inspection.head import HEAD_BYTES, check_head
from isos.inspection.volume import FIRST_DESCRIPTOR, SECTOR, parse_others


@dataclass(frozen=True)
class Preflight:
    """What stands at an address. Size in bytes, None where the server does not say.

    `shown_url` is the last address of all redirects, redacted. `validator` is what If-Range
    would be asked with; a fetch can go on after a break where there is one and
    `accepts_ranges` is true. `bootable` is a first impression: the image names a boot
    catalogue or has a partition table.
    """

    final_host: str
    shown_url: str
    name: str
    size: int | None
    content_type: str
    accepts_ranges: bool
    validator: str
    volume_label: str
    volume_size: int
    bootable: bool

    @property
    def resumable(self) -> bool:
        return self.accepts_ranges and bool(self.validator)


def check(url: str, *, fetcher: Fetcher | None = None, limit: int | None = None) -> Preflight:
    """Look at what `url` leads to. `limit`: the largest size in bytes that is worth fetching.

    Raises a FetchError, or a ContentRefused where the first bytes are not those of an ISO image
    or the file is shorter than its volume. Takes at most settings.IMPORT_CHECK_SECONDS.
    """
    address = locations.download_address(url)
    own = fetcher or Fetcher()
    try:
        with own.deadline(settings.IMPORT_CHECK_SECONDS):
            answer = open_answer(own, address, {"Range": f"bytes=0-{HEAD_BYTES - 1}"})
            try:
                return _verdict(answer, limit)
            finally:
                answer.close()
    finally:
        if fetcher is None:
            own.close()


def _verdict(answer: Answer, limit: int | None) -> Preflight:
    size, ranges = _size(answer)
    if size == 0:
        raise EmptyFile
    if limit is not None and size is not None and size > limit:
        raise TooLarge.limit(limit)
    first_bytes = answer.peek(HEAD_BYTES)
    volume = check_head(first_bytes, whole=True).volume
    assert volume is not None  # noqa: S101 -- check_head(whole=True) raises or finds it
    if size is not None:
        check_head(first_bytes).check_size(size)
    others = parse_others(first_bytes[FIRST_DESCRIPTOR + SECTOR :])
    return Preflight(
        final_host=parse(answer.url).host,
        shown_url=redact(answer.url),
        name=answers.file_name(answer.headers, answer.url),
        size=size,
        content_type=answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()[:100],
        accepts_ranges=ranges,
        validator=answers.validator(answer.headers),
        volume_label=volume.label,
        volume_size=volume.size,
        bootable=others.boot_catalogue is not None or is_hybrid(first_bytes),
    )


def _size(answer: Answer) -> tuple[int | None, bool]:
    """The whole file's size, and whether the server sent the part that was asked for."""
    if answer.status == 200:
        return answer.length, False
    part = answers.content_range(answer.headers)
    if answer.status == NOT_SATISFIABLE:
        return (part.total if part else 0) or 0, False  # only an empty file has no first byte
    if part is None or part.first != 0:
        raise BadAnswer
    return part.total, True

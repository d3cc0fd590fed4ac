"""The verdict on a file's first bytes: an ISO image, and nothing else besides."""

from __future__ import annotations

from dataclasses import dataclass

from isos.errors import DangerousFormat, NotAnIso, Truncated
from isos.inspection.signatures import STRONG, WEAK, first_likeness
from isos.inspection.volume import FIRST_DESCRIPTOR, SECTOR, BadDescriptor, Volume, parse_primary

HEAD_BYTES = 64 << 10
"""What `check_head` wants to see: the system area and sixteen volume descriptors."""

_ENOUGH = FIRST_DESCRIPTOR + SECTOR


@dataclass(frozen=True)
class Head:
    """What the first bytes say. `volume` is None when too few were given to tell yet."""

    volume: Volume | None

    def check_size(self, size: int) -> None:
        """Raise `Truncated` when a file of `size` bytes can't hold the volume."""
        if self.volume is not None and self.volume.size > size:
            raise Truncated.sizes(needed=self.volume.size, found=size)


def check_head(first_bytes: bytes, *, whole: bool = False) -> Head:
    """Judge a file by its first bytes, best `HEAD_BYTES` of them.

    `whole` says that these bytes are all there is. Raises `NotAnIso` with what the file looks
    like, or `DangerousFormat` for an ISO image that is also something else.
    """
    if not first_bytes:
        if whole:
            raise NotAnIso.looks_like("an empty file")
        return Head(None)
    claims_iso = first_bytes[FIRST_DESCRIPTOR + 1 : FIRST_DESCRIPTOR + 6] == b"CD001"
    if likeness := first_likeness(STRONG, first_bytes):
        if claims_iso:
            raise DangerousFormat.also(likeness.what)
        raise NotAnIso.looks_like(likeness.what, likeness.advice)
    if len(first_bytes) < _ENOUGH and not whole:
        return Head(None)
    if not claims_iso:
        if likeness := first_likeness(WEAK, first_bytes):
            raise NotAnIso.looks_like(likeness.what, likeness.advice)
        raise NotAnIso
    try:
        return Head(parse_primary(first_bytes[FIRST_DESCRIPTOR:_ENOUGH]))
    except BadDescriptor as error:
        raise NotAnIso(
            f"This file begins like an ISO image, but it is damaged: {error}. Get it again from its publisher."
        ) from error

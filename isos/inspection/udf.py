"""The UDF half of a bridge image: how far its partition reaches (ECMA-167, UDF 1.02).

Windows images keep nearly everything in UDF beside a stub of ISO 9660, so a cut one is only
found out by looking here.
"""

from __future__ import annotations

from isos.inspection.reader import BoundedReader
from isos.inspection.volume import SECTOR

_ANCHOR_AT = 256 * SECTOR
_MAX_SEQUENCE = 16 * SECTOR
_ANCHOR, _PARTITION, _TERMINATOR = 2, 5, 8


def partition_end(reader: BoundedReader) -> int | None:
    """Where the last UDF partition ends in bytes, or None where no intact descriptor says."""
    anchor = reader.read(_ANCHOR_AT, SECTOR, needed=True)
    if not _is_tag(anchor, _ANCHOR):
        return None
    length, location = _u32(anchor, 16), _u32(anchor, 20)
    sequence = reader.read(location * SECTOR, min(length, _MAX_SEQUENCE), needed=True)
    ends: list[int] = []
    for at in range(0, len(sequence) - SECTOR + 1, SECTOR):
        sector = sequence[at : at + SECTOR]
        if _is_tag(sector, _PARTITION):
            ends.append((_u32(sector, 188) + _u32(sector, 192)) * SECTOR)
        elif _is_tag(sector, _TERMINATOR):
            break
    return max(ends, default=None)


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _is_tag(sector: bytes, identifier: int) -> bool:
    """A descriptor tag of this kind whose checksum is right (ECMA-167 3/7.2)."""
    if len(sector) < SECTOR or int.from_bytes(sector[0:2], "little") != identifier:
        return False
    return (sum(sector[:16]) - sector[4]) & 0xFF == sector[4]

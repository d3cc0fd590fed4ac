"""ISO 9660 volume descriptors (ECMA-119 chapter 8). Offsets and sizes in bytes unless named otherwise."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

SECTOR = 2048
FIRST_DESCRIPTOR = 16 * SECTOR
MAX_DESCRIPTORS = 16  # real images have two to five
_BOOT, _PRIMARY, _SUPPLEMENTARY, _END = 0, 1, 2, 255
_EL_TORITO = b"EL TORITO SPECIFICATION"
_JOLIET_ESCAPES = (b"%/@", b"%/C", b"%/E")


class BadDescriptor(ValueError):
    """A descriptor that no ISO 9660 writer makes; the text says which rule it breaks."""


@dataclass(frozen=True)
class Extent:
    """A run of bytes inside the image."""

    offset: int
    length: int


@dataclass(frozen=True)
class Volume:
    """The primary volume descriptor."""

    system: str
    label: str
    volume_set: str
    publisher: str
    preparer: str
    application: str
    created: datetime | None
    block_size: int
    size: int
    root: Extent


def parse_primary(sector: bytes) -> Volume:
    """The primary volume descriptor, checked field by field. Raises `BadDescriptor`."""
    if len(sector) < SECTOR:
        raise BadDescriptor("the descriptor is cut off")
    if sector[0] != _PRIMARY or sector[1:6] != b"CD001" or sector[6] != 1:
        raise BadDescriptor("there is no primary volume descriptor")
    block_size = both_endian(sector, 128, 2)
    if block_size not in (512, 1024, 2048):
        raise BadDescriptor("the block size is impossible")
    blocks = both_endian(sector, 80, 4)
    both_endian(sector, 120, 2)  # volume set size
    both_endian(sector, 124, 2)  # volume sequence number
    both_endian(sector, 132, 4)  # path table size
    if blocks * block_size < FIRST_DESCRIPTOR + SECTOR:
        raise BadDescriptor("the volume is smaller than its own descriptor")
    root = root_directory(sector, block_size)
    if root.offset + root.length > blocks * block_size:
        raise BadDescriptor("the root directory lies outside the volume")
    return Volume(
        system=clean(sector[8:40]),
        label=clean(sector[40:72]),
        volume_set=clean(sector[190:318]),
        publisher=clean(sector[318:446]),
        preparer=clean(sector[446:574]),
        application=clean(sector[574:702]),
        created=parse_date(sector[813:830]),
        block_size=block_size,
        size=blocks * block_size,
        root=root,
    )


def root_directory(sector: bytes, block_size: int) -> Extent:
    """Where the root directory is, from the record of 34 bytes inside a volume descriptor."""
    record = sector[156:190]
    if record[0] < 34 or not record[25] & 0x02 or record[32] != 1 or record[33] != 0:
        raise BadDescriptor("the root directory record is malformed")
    block, length = both_endian(record, 2, 4), both_endian(record, 10, 4)
    if block == 0 or length == 0:
        raise BadDescriptor("there is no root directory")
    return Extent(block * block_size, length)


def both_endian(data: bytes, at: int, width: int) -> int:
    """A number stored twice, little-endian then big-endian; `width` bytes each."""
    little = int.from_bytes(data[at : at + width], "little")
    if little != int.from_bytes(data[at + width : at + 2 * width], "big"):
        raise BadDescriptor("the two copies of a number disagree")
    return little


def clean(field: bytes) -> str:
    """A text field for people and JSON: one line, printable characters only."""
    text = field.decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable() and c != "�").strip()


def parse_date(field: bytes) -> datetime | None:
    """`YYYYMMDDHHMMSScc` and the zone's offset in quarters of an hour; None where unset or wrong."""
    try:
        zone = timezone(timedelta(minutes=15 * struct.unpack("b", field[16:17])[0]))
        moment = datetime.strptime(field[:14].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError, struct.error):
        return None


@dataclass(frozen=True)
class Descriptors:
    """What follows the primary descriptor: the boot record's pointer, Joliet's root, UDF's mark."""

    boot_catalogue: int | None = None
    joliet_root: Extent | None = None
    udf: bool = False


def parse_others(sectors: bytes) -> Descriptors:
    """Look through the descriptors from sector 17 on. Malformed ones count as absent."""
    boot_catalogue: int | None = None
    joliet_root: Extent | None = None
    udf = ended = False
    for at in range(0, min(len(sectors), MAX_DESCRIPTORS * SECTOR) - SECTOR + 1, SECTOR):
        sector = sectors[at : at + SECTOR]
        kind, mark = sector[0], sector[1:6]
        if mark in (b"NSR02", b"NSR03"):
            udf = True
        elif mark == b"CD001" and kind == _END:
            ended = True
        elif ended:
            continue  # only UDF's marks stand behind the terminator
        elif mark == b"CD001" and kind == _BOOT and sector[7:30] == _EL_TORITO and boot_catalogue is None:
            boot_catalogue = int.from_bytes(sector[71:75], "little") * SECTOR
        elif mark == b"CD001" and kind == _SUPPLEMENTARY and sector[88:91] in _JOLIET_ESCAPES:
            joliet_root = joliet_root or _joliet_root(sector)
    return Descriptors(boot_catalogue, joliet_root, udf)


def _joliet_root(sector: bytes) -> Extent | None:
    try:
        return root_directory(sector, both_endian(sector, 128, 2))
    except BadDescriptor:
        return None

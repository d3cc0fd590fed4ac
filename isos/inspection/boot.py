"""How an image boots: the El Torito catalogue, and the partition table of hybrid images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from isos.inspection.volume import SECTOR

CATALOGUE_BYTES = 2 * SECTOR  # 128 entries; real catalogues have two to six
_ENTRY = 32
_LOAD_SECTOR = 512
_BIOS, _UEFI = 0x00, 0xEF
_BOOTABLE = 0x88
_SECTION, _LAST_SECTION, _EXTENSION = 0x90, 0x91, 0x44


@dataclass(frozen=True)
class BootImage:
    """One bootable entry: the platform's number, where its image begins and what firmware loads of it, in bytes."""

    platform: int
    offset: int
    length: int


@dataclass
class Catalogue:
    """The bootable entries of a boot catalogue; `valid` is False where its checksum is wrong."""

    valid: bool = False
    images: list[BootImage] = field(default_factory=list)

    @property
    def bios(self) -> bool:
        return any(image.platform == _BIOS for image in self.images)

    @property
    def uefi(self) -> bool:
        return any(image.platform == _UEFI for image in self.images)

    @property
    def uefi_images(self) -> list[BootImage]:
        return [image for image in self.images if image.platform == _UEFI]


def parse_catalogue(data: bytes) -> Catalogue:
    """Read a boot catalogue (El Torito 1.0, chapter 2). Never raises: what is malformed ends it."""
    if not _is_valid(data[:_ENTRY]):
        return Catalogue()
    return Catalogue(valid=True, images=list(_images(data)))


def _is_valid(entry: bytes) -> bool:
    """The validation entry: its id, its key bytes, and sixteen-bit words that add up to zero."""
    if len(entry) < _ENTRY or entry[0] != 1 or entry[30:32] != b"\x55\xaa":
        return False
    return sum(int.from_bytes(entry[at : at + 2], "little") for at in range(0, _ENTRY, 2)) & 0xFFFF == 0


def _images(data: bytes) -> Iterator[BootImage]:
    platform = data[1]
    in_section = 1  # entries still owed to the current header; the initial entry has none before it
    for at in range(_ENTRY, len(data) - _ENTRY + 1, _ENTRY):
        entry = data[at : at + _ENTRY]
        if in_section == 0:
            if entry[0] in (_SECTION, _LAST_SECTION):
                platform, in_section = entry[1], int.from_bytes(entry[2:4], "little")
            elif entry[0] != _EXTENSION:
                return
        elif entry[0] != _EXTENSION:
            in_section -= 1
            if entry[0] == _BOOTABLE:
                yield BootImage(platform, int.from_bytes(entry[8:12], "little") * SECTOR, _loaded_bytes(entry))


def _loaded_bytes(entry: bytes) -> int:
    """The entry's count of 512-byte sectors; one sector where it is none or only means "all of it"."""
    count = int.from_bytes(entry[6:8], "little")
    emulates_a_disk = bool(entry[1] & 0x0F)
    return _LOAD_SECTOR * (1 if emulates_a_disk or count in (0, 0xFFFF) else count)


def is_hybrid(head: bytes) -> bool:
    """Whether the image also has a partition table (MBR or GPT), to be written to a USB stick."""
    if head[510:512] != b"\x55\xaa":
        return False
    return head[512:520] == b"EFI PART" or any(head[at + 4] for at in range(446, 510, 16))

"""Directory look-ups by name, at most three levels deep: which UEFI boot files are in /EFI/BOOT.

The file names are fixed by the UEFI specification (3.5.1.1), one per processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isos.inspection.reader import BoundedReader
from isos.inspection.volume import SECTOR, Extent, Volume

MAX_DIRECTORY_BYTES = 64 << 10  # over a thousand entries
_DIRECTORY = 0x02

EFI_FILES = {
    "bootx64.efi": "x86_64",
    "bootia32.efi": "i386",
    "bootaa64.efi": "aarch64",
    "bootarm.efi": "arm",
    "bootriscv64.efi": "riscv64",
    "bootloongarch64.efi": "loongarch64",
}
# Without Joliet long names are cut to eight letters; Rock Ridge's need not be asked for these few.
_SHORT = {f"{name[:8]}.efi": name for name in EFI_FILES if len(name) > 12}
# The same names as they stand in a FAT directory: eight letters, three of extension.
_FAT = {f"{name.removesuffix('.efi')[:8].upper():<8}EFI".encode(): processor for name, processor in EFI_FILES.items()}
# Long ones are cut and numbered there: BOOTRI~1EFI.
_FAT_LONG = {b"BOOTRI~1EFI": "riscv64", b"BOOTLO~1EFI": "loongarch64"}


@dataclass(frozen=True)
class Entry:
    """One directory record; `name` in lower case, without version."""

    name: str
    is_directory: bool
    extent: Extent


def efi_processors(reader: BoundedReader, volume: Volume, joliet_root: Extent | None) -> list[str]:
    """Processors whose boot file is in /EFI/BOOT, by the ISO 9660 tree, else by Joliet's."""
    for root, joliet in ((volume.root, False), (joliet_root, True)):
        if root is not None and (found := _boot_files(reader, root, volume.block_size, joliet=joliet)):
            return found
    return []


def _boot_files(reader: BoundedReader, root: Extent, block_size: int, *, joliet: bool) -> list[str]:
    place = root
    for step in ("efi", "boot"):
        entries = directory(reader, place, block_size, joliet=joliet)
        below = next((e.extent for e in entries if e.is_directory and e.name == step), None)
        if below is None:
            return []
        place = below
    names = {_SHORT.get(e.name, e.name) for e in directory(reader, place, block_size, joliet=joliet)}
    return [processor for name, processor in EFI_FILES.items() if name in names]


def directory(reader: BoundedReader, place: Extent, block_size: int, *, joliet: bool = False) -> Iterator[Entry]:
    """The entries of one directory, as many as its first `MAX_DIRECTORY_BYTES` hold."""
    data = reader.read(place.offset, min(place.length, MAX_DIRECTORY_BYTES))
    at = 0
    while at < len(data):
        length = data[at]
        if length == 0:  # records never cross a sector: the rest of this one is padding
            at = (at // SECTOR + 1) * SECTOR
            continue
        record = data[at : at + length]
        at += length
        if length >= 34 and len(record) == length and 33 + record[32] <= length:
            yield _entry(record, block_size, joliet=joliet)


def _entry(record: bytes, block_size: int, *, joliet: bool) -> Entry:
    name = record[33 : 33 + record[32]].decode("utf-16-be" if joliet else "ascii", "replace")
    block, length = (int.from_bytes(record[at : at + 4], "little") for at in (2, 10))
    return Entry(
        name=name.split(";")[0].rstrip(".").lower(),
        is_directory=bool(record[25] & _DIRECTORY),
        extent=Extent(block * block_size, length),
    )


def fat_processors(image: bytes) -> list[str]:
    """Processors whose boot file name is in the first bytes of a FAT boot image.

    The directories of these small images stand right behind the allocation table; entries are
    32 bytes and aligned, so a look at each of them finds the names without walking the file system.
    """
    if image[510:512] != b"\x55\xaa" and image[54:57] != b"FAT":
        return []
    names = _FAT | _FAT_LONG
    found = {names.get(image[at : at + 11]) for at in range(0, len(image) - 31, 32)}
    return [processor for processor in EFI_FILES.values() if processor in found]

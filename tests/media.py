"""Makers of small real images, and of what only pretends to be one.

ISO images are written by pycdlib or xorriso, so that a reader of ours is checked against
writers of others. Makers return bytes and remember them: a test that wants a damaged image
changes its own copy.
"""

from __future__ import annotations

import functools
import io
import random
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pycdlib

from tests.services import missing

SECTOR = 2048
IPXE = Path("/usr/lib/ipxe/ipxe.iso")  # Debian package ipxe
GRUB_RESCUE = Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")  # Debian package grub-rescue-pc

# isolinux's mark at 0x40 is what isohybrid tools look for.
_BIOS_IMAGE = b"\xfa\xfc".ljust(0x40, b"\x90") + b"\xfb\xc0\x78\x70" + b"\x90" * 1980
_README = b"Hello from a small test image.\n"


@functools.cache
def iso(
    label: str = "TEST",
    *,
    publisher: str = "",
    application: str = "",
    bios: bool = False,
    uefi: bool = False,
    hybrid: bool = False,
    udf: bool = False,
    joliet: bool = True,
    rock_ridge: bool = True,
    efi_files: tuple[str, ...] = (),
    padding: int = 0,
) -> bytes:
    """An ISO 9660 image with a README and `padding` bytes of further content.

    `efi_files` are put into /EFI/BOOT; `uefi` adds a FAT boot image with the same names in it.
    """
    joliet = joliet and len(label) <= 16  # in UTF-16 the field holds no more
    image = pycdlib.PyCdlib()
    image.new(
        interchange_level=3,
        vol_ident=label,
        pub_ident_str=publisher,
        app_ident_str=application,
        joliet=3 if joliet else None,
        rock_ridge="1.09" if rock_ridge else None,
        udf="2.60" if udf else None,
    )
    writer = _Writer(image, joliet=joliet, rock_ridge=rock_ridge, udf=udf)
    writer.file("/README.TXT", _README)
    if padding:
        writer.file("/DATA.BIN", random.Random(1).randbytes(padding))
    if efi_files:
        writer.directory("/EFI")
        writer.directory("/EFI/BOOT")
        for name in efi_files:
            writer.file(f"/EFI/BOOT/{name}", b"MZ" + bytes(510))
    if bios or hybrid:
        writer.file("/BIOS.IMG", _BIOS_IMAGE)
        image.add_eltorito("/BIOS.IMG;1", "/BOOT.CAT;1", boot_load_size=4, boot_info_table=False)
    if uefi:
        writer.file("/EFI.IMG", fat_image(efi_files or ("BOOTX64.EFI",)))
        image.add_eltorito("/EFI.IMG;1", "/BOOT.CAT;1", platform_id=0xEF, efi=bios or hybrid)
    if hybrid:
        image.add_isohybrid(efi=uefi or None)
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    return out.getvalue()


class _Writer:
    """Adds files under all the names that an image has: ISO 9660, Rock Ridge, Joliet, UDF."""

    def __init__(self, image: pycdlib.PyCdlib, *, joliet: bool, rock_ridge: bool, udf: bool) -> None:
        self.image = image
        self.joliet, self.rock_ridge, self.udf = joliet, rock_ridge, udf

    def _names(self, path: str) -> dict[str, str]:
        return (
            ({"joliet_path": path.lower()} if self.joliet else {})
            | ({"rr_name": path.rsplit("/", 1)[1].lower()} if self.rock_ridge else {})
            | ({"udf_path": path.lower()} if self.udf else {})
        )

    def file(self, path: str, data: bytes) -> None:
        stem, _, extension = path.partition(".")
        self.image.add_fp(io.BytesIO(data), len(data), f"{stem}.{extension};1", **self._names(path))

    def directory(self, path: str) -> None:
        self.image.add_directory(path, **self._names(path))


def fat_image(names: tuple[str, ...]) -> bytes:
    """A FAT12 floppy image, as UEFI boot images are, with `names` in its root directory."""
    boot = bytearray(512)
    boot[0:3], boot[3:11] = b"\xeb\x3c\x90", b"MTOO4043"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 1, 1, 2, 16, 128, 0xF0, 1)
    boot[54:62], boot[510:512] = b"FAT12   ", b"\x55\xaa"
    table = (b"\xf0\xff\xff").ljust(512, b"\0") * 2
    entries = b"".join(
        f"{name.partition('.')[0][:8]:<8}{name.partition('.')[2]:<3}".encode() + b"\x20" + bytes(20) for name in names
    )
    return (bytes(boot) + table + entries.ljust(512, b"\0")).ljust(128 * 512, b"\0")


def plain() -> bytes:
    return iso("PLAIN")


def bios() -> bytes:
    return iso("BIOS", bios=True)


def uefi() -> bytes:
    return iso("UEFI", uefi=True, efi_files=("BOOTX64.EFI",))


def hybrid() -> bytes:
    return iso("HYBRID", bios=True, uefi=True, hybrid=True, efi_files=("BOOTX64.EFI",))


def udf_bridge() -> bytes:
    return iso("BRIDGE", udf=True, bios=True)


ALL = {"plain": plain, "bios": bios, "uefi": uefi, "hybrid": hybrid, "udf_bridge": udf_bridge}


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def real(path: Path) -> bytes:
    """A real image of a distribution, or the end of the test where it is not installed."""
    if not path.exists():
        missing(f"{path} is not installed")
    return path.read_bytes()


@functools.cache
def _xorriso(arguments: tuple[str, ...], files: tuple[tuple[str, bytes], ...]) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        tree, out = Path(scratch, "tree"), Path(scratch, "out.iso")
        for name, data in files:
            place = tree / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        command = ["xorriso", "-as", "mkisofs", "-quiet", *arguments, "-o", str(out), str(tree)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return out.read_bytes()


def xorriso(*arguments: str, files: dict[str, bytes]) -> bytes:
    """An image written by `xorriso -as mkisofs`."""
    if not shutil.which("xorriso"):
        missing("xorriso is not installed")
    return _xorriso(arguments, tuple(files.items()))


def big_iso(path: Path, size: int, *, label: str = "BIG") -> Path:
    """A valid bootable image of exactly `size` bytes, quickly.

    Behind a small real image, whose descriptors are told the new size, comes pseudo-random
    data that never repeats: no file system or hash gets an easier time than with a real one.
    """
    small = bytearray(iso(label, bios=True, uefi=True, efi_files=("BOOTX64.EFI",)))
    if size < len(small):
        raise ValueError(f"{size} bytes are fewer than the {len(small)} of the smallest image")
    _resize(small, size // SECTOR)
    noise = random.Random(size)
    block = bytearray(noise.randbytes(1 << 20))
    with path.open("wb") as out:
        out.write(small)
        left = size - len(small)
        while left:
            block[:32] = noise.randbytes(32)
            out.write(memoryview(block)[:left])
            left -= min(left, len(block))
    return path


def _resize(image: bytearray, blocks: int) -> None:
    """Set the volume size in the primary and every supplementary descriptor."""
    at = 16 * SECTOR
    while image[at] != 255:
        if image[at] in (1, 2):
            struct.pack_into("<I", image, at + 80, blocks)
            struct.pack_into(">I", image, at + 84, blocks)
        at += SECTOR


# What is no ISO image, or more than one thing.

QCOW2 = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 0, 0, 16, 1 << 30).ljust(512, b"\0")
QED = b"QED\0".ljust(512, b"\0")
VHD = b"conectix".ljust(512, b"\0")
VHDX = b"vhdxfile".ljust(512, b"\0")
VMDK_SPARSE = struct.pack("<4sIIQQQQ", b"KDMV", 1, 3, 2048, 128, 1, 20).ljust(512, b"\0")
VMDK_TEXT = (
    b"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n"
    b'createType="monolithicFlat"\nRW 2 FLAT "/etc/passwd" 0\n'
) + b"# padding\n" * 50
VDI = b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + struct.pack("<I", 0xBEDA107F).ljust(448, b"\0")
VDI_NO_TEXT = bytes(64) + struct.pack("<I", 0xBEDA107F).ljust(448, b"\0")
LUKS = b"LUKS\xba\xbe\x00\x01".ljust(592, b"\0")
DISKS = {
    "QCOW2": QCOW2,
    "QED": QED,
    "VHD": VHD,
    "VHDX": VHDX,
    "VMDK": VMDK_SPARSE,
    "VMDK text": VMDK_TEXT,
    "VDI": VDI,
    "VDI without text": VDI_NO_TEXT,
    "LUKS": LUKS,
}
WINDOWS_PROGRAM = (b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x80)).ljust(0x80, b"\0") + b"PE\0\0"
RAW_DISK = bytes(446) + b"\x80\0\0\0\x83\0\0\0\0\x08\0\0\0\0\x01\0" + bytes(48) + b"\x55\xaa"
WEB_PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Download</title></head><body></body></html>\n"


def polyglot(start: bytes, image: bytes | None = None) -> bytes:
    """An ISO image with something else's header in its unused first 32 KiB."""
    image = image or plain()
    return start + image[len(start) :]

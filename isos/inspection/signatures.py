"""What the first bytes of a file look like, in words for the user.

Two lists. A `STRONG` signature never stands at the start of an honest ISO image, so it is
refused even where an ISO 9660 descriptor follows. A `WEAK` one may (boot code begins with
nearly anything): it only names what a file is that is no ISO image at all.

QEMU and the tools built on it guess an image's format from its first 512 bytes; everything
they know is in `STRONG`, or recognised by oslo.utils (see `disk_formats`), which is the code
that OpenStack trusts for the same question.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oslo_utils.imageutils import format_inspector

logger = logging.getLogger(__name__)

UNPACK = "Unpack it first and choose the .iso file inside."
CONVERT = "Convert it to ISO first, or choose the .iso file of an installation disc."
LINK = "The address probably leads to a download page: use the direct link to the .iso file."
CHOOSE = "Choose the .iso file instead."


@dataclass(frozen=True)
class Likeness:
    """What a file looks like: `what` with its article, and what to do about it."""

    what: str
    advice: str = CHOOSE


_DISK = "Choose the .iso file of an installation disc instead."
_ARCHIVE = Likeness("a compressed archive", UNPACK)

DISK_FORMATS = {
    "qcow2": Likeness("a QCOW2 disk image", _DISK),
    "qed": Likeness("a QED disk image", _DISK),
    "vhd": Likeness("a VHD disk image", _DISK),
    "vhdx": Likeness("a VHDX disk image", _DISK),
    "vmdk": Likeness("a VMDK disk image", _DISK),
    "vdi": Likeness("a VDI disk image", _DISK),
    "luks": Likeness("an encrypted (LUKS) disk image", _DISK),
}
_HARMLESS_FORMATS = {"iso", "gpt", "raw"}

_AT_START: list[tuple[bytes, Likeness]] = [
    # Disk images that QEMU probes for. Those that oslo.utils knows are repeated: one is enough to refuse.
    (b"QFI\xfb", DISK_FORMATS["qcow2"]),
    (b"QED\x00", DISK_FORMATS["qed"]),
    (b"conectix", DISK_FORMATS["vhd"]),
    (b"vhdxfile", DISK_FORMATS["vhdx"]),
    (b"KDMV", DISK_FORMATS["vmdk"]),
    (b"COWD", DISK_FORMATS["vmdk"]),
    (b"<<< ", DISK_FORMATS["vdi"]),
    (b"LUKS\xba\xbe", DISK_FORMATS["luks"]),
    (b"WithoutFreeSpace", Likeness("a Parallels disk image", _DISK)),
    (b"WithouFreSpacExt", Likeness("a Parallels disk image", _DISK)),
    (b"Bochs Virtual HD Image", Likeness("a Bochs disk image", _DISK)),
    # Compressed or split discs.
    (b"\x00" + b"\xff" * 10 + b"\x00", Likeness("a raw CD dump (.bin)", CONVERT)),
    (b"CISO", Likeness("a compressed disc image (.cso)", CONVERT)),
    (b"IsZ!", Likeness("a compressed disc image (.isz)", CONVERT)),
    (b"MComprHD", Likeness("a compressed disc image (.chd)", CONVERT)),
    (b"MSWIM\x00\x00\x00", Likeness("a Windows imaging file (.wim)")),
    # Archives.
    (b"\x1f\x8b", _ARCHIVE),
    (b"\xfd7zXZ\x00", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"\x04\x22\x4d\x18", _ARCHIVE),
    (b"LZIP", _ARCHIVE),
    (b"PK\x03\x04", _ARCHIVE),
    (b"PK\x05\x06", _ARCHIVE),
    (b"PK\x07\x08", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"MSCF\x00\x00\x00\x00", _ARCHIVE),
    (b"!<arch>\n", Likeness("a software package (.deb)")),
    (b"\xed\xab\xee\xdb", Likeness("a software package (.rpm)")),
    # Programs.
    (b"\x7fELF", Likeness("a Linux program")),
    (b"\xcf\xfa\xed\xfe", Likeness("a macOS program")),
    (b"#!", Likeness("a script")),
    # Documents.
    (b"%PDF-", Likeness("a PDF document")),
    (b"\x89PNG\r\n\x1a\n", Likeness("a picture")),
    (b"\xff\xd8\xff", Likeness("a picture")),
    (b"GIF8", Likeness("a picture")),
    (b"d8:announce", Likeness("a torrent file", "Open it in a torrent program and upload the .iso that you get.")),
    (b"version https://git-lfs", Likeness("a Git LFS pointer", "Fetch the file itself and upload that.")),
]

# Atomic, so that a page of nothing but comments can't be read in a thousand million ways.
_HTML = re.compile(rb"(?:(?><!--.*?-->)\s*+)*+<(?:!doctype\s+html|html|head|body|script|title|meta|svg)\b", re.I | re.S)
# What QEMU takes for a VMDK descriptor: comment and blank lines, then `version=`.
_VMDK_TEXT = re.compile(rb"(?:[ ]*\r?\n|#[^\n]*\n)*version=\d", re.I)
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")


def _web_page(head: bytes) -> Likeness | None:
    text = head[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if _HTML.match(text):
        return Likeness("a web page", LINK)
    return Likeness("an XML document, perhaps an error message", LINK) if text.startswith(b"<?xml") else None


def _windows_program(head: bytes) -> Likeness | None:
    if head[:2] != b"MZ":
        return None
    header = int.from_bytes(head[0x3C:0x40], "little")
    return Likeness("a Windows program (.exe)") if head[header : header + 4] == b"PE\x00\x00" else None


def _vmdk_text(head: bytes) -> Likeness | None:
    if head[:21].lower() == b"# disk descriptorfile" or _VMDK_TEXT.match(head[:4096]):
        return DISK_FORMATS["vmdk"]
    return None


def _archive(head: bytes) -> Likeness | None:
    if head[257:262] == b"ustar":
        return Likeness("an archive", UNPACK)
    return _ARCHIVE if _BZIP2.match(head) else None


def _video(head: bytes) -> Likeness | None:
    return Likeness("a video") if head[4:8] == b"ftyp" else None


def disk_formats(head: bytes) -> set[str]:
    """The names of every format that oslo.utils recognises in these bytes, `raw` left out.

    Each inspector is asked by itself: `detect_file_format` raises on nearly every bootable
    ISO image ("gpt, iso"), and a single inspector that stumbles must not hide the others.
    """
    found: set[str] = set()
    for name, inspector_class in format_inspector.ALL_FORMATS.items():
        try:
            inspector = inspector_class()
            inspector.eat_chunk(head)
            inspector.finish()
        except Exception as error:  # an inspector gives up on bytes that are not of its format
            logger.debug("format inspector %s gave up: %s", name, error)
        try:
            if inspector.format_match:
                found.add(name)
        except Exception as error:
            logger.debug("format inspector %s can't say: %s", name, error)
    return found - {"raw"}


def _known_disk(head: bytes) -> Likeness | None:
    for name in sorted(disk_formats(head) - _HARMLESS_FORMATS):
        return DISK_FORMATS.get(name, Likeness(f"a disk image ({name})", _DISK))
    return None


def _at_start(head: bytes) -> Likeness | None:
    return next((likeness for magic, likeness in _AT_START if head.startswith(magic)), None)


STRONG: list[Callable[[bytes], Likeness | None]] = [
    _at_start,
    _known_disk,
    _vmdk_text,
    _web_page,
    _windows_program,
    _archive,
    _video,
]


def _udf_only(head: bytes) -> Likeness | None:
    sectors = [head[at + 1 : at + 6] for at in range(0x8000, 0xC000, 2048)]
    if sectors and sectors[0] == b"BEA01":
        return Likeness("a UDF disc without the ISO 9660 part", "Make an ISO image with both parts and choose that.")
    return None


def _zeros(head: bytes) -> Likeness | None:
    return Likeness("an empty disk: it begins with zeros only") if head and not any(head) else None


def _raw_disk(head: bytes) -> Likeness | None:
    filesystem = head[0x438:0x43A] == b"\x53\xef" or head[3:11] in (b"NTFS    ", b"EXFAT   ") or head[:4] == b"XFSB"
    if filesystem or head[510:512] == b"\x55\xaa" or head[512:520] == b"EFI PART" or head[:4] == b"hsqs":
        return Likeness("a raw disk image", _DISK)
    return None


def _dos_program(head: bytes) -> Likeness | None:
    return Likeness("a Windows program (.exe)") if head[:2] == b"MZ" else None


def _text(head: bytes) -> Likeness | None:
    sample = head[:4096]
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3:  # not merely a character cut at the sample's end
            return None
        text = sample[: error.start].decode("utf-8")
    return Likeness("a text file") if text and all(c.isprintable() or c.isspace() for c in text) else None


WEAK: list[Callable[[bytes], Likeness | None]] = [_zeros, _udf_only, _raw_disk, _dos_program, _text]


def first_likeness(tests: Iterable[Callable[[bytes], Likeness | None]], head: bytes) -> Likeness | None:
    """What the first test that fires says."""
    return next((likeness for test in tests if (likeness := test(head))), None)

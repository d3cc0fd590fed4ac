"""Inspection: everything found out about an image, in the form in which it is stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from isos.errors import DangerousFormat, Truncated
from isos.inspection import boot, tree, udf
from isos.inspection.head import HEAD_BYTES, check_head
from isos.inspection.reader import MAX_READ_BYTES, BoundedReader, LimitReached
from isos.inspection.volume import FIRST_DESCRIPTOR, SECTOR, Descriptors, Volume, parse_others
from isos.os_suggestions import Suggestion, Traits, suggest

_FOOTER = 512

# Words of volume labels, by the name of the processor that QEMU uses too.
_LABELS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(rf"(?<![a-z0-9])(?:{words})", re.IGNORECASE), processor)
    for words, processor in (
        ("x86[_-]64|amd64|x64|64[- ]?bit", "x86_64"),
        ("i[3-6]86|x86(?![_-]64)|32[- ]?bit", "i386"),
        ("aarch64|arm64|a64(?=fre)", "aarch64"),
        ("armhf|armv7", "arm"),
        ("riscv64", "riscv64"),
        ("ppc64(?:le|el)?", "ppc64"),
        ("s390x", "s390x"),
        ("loongarch64", "loongarch64"),
    )
]


@dataclass
class Inspection:
    """What an ISO image says of itself. Sizes in bytes, times as ISO 8601 in UTC.

    Text comes from whoever made the image: show it, never trust it. `complete` is False when
    a limit ended the look-ups; what is given is right, but something may be missing.
    """

    volume_label: str
    system: str
    publisher: str
    preparer: str
    application: str
    created: str | None
    volume_size: int
    file_size: int
    boot_bios: bool = False
    boot_uefi: bool = False
    architectures: list[str] = field(default_factory=list)
    udf: bool = False
    hybrid: bool = False
    complete: bool = True
    suggested_os_type: str | None = None
    suggested_os_version: str | None = None
    suggested_os_name: str | None = None

    @property
    def bootable(self) -> bool:
        return self.boot_bios or self.boot_uefi

    def as_json(self) -> dict[str, Any]:
        """The dictionary stored in `Iso.inspection`."""
        return asdict(self)


def inspect(
    open_at: BinaryIO,
    size: int,
    *,
    deadline_seconds: float = 20,
    file_name: str = "",
    suggester: Callable[[Traits], Suggestion | None] | None = suggest,
) -> Inspection:
    """Look into an image of `size` bytes through a seekable reader.

    Reads at most `reader.MAX_BYTES` in at most `reader.MAX_READS` reads, whatever the image
    contains. Raises `NotAnIso`, `Truncated` or `DangerousFormat`; errors of the reader itself
    (a store that went away) pass through. The deadline ends look-ups that are not needed for
    a verdict. `suggester` names the operating system, with the user's `file_name` as a last
    hint; None leaves that out.
    """
    reader = BoundedReader(open_at, size, seconds=deadline_seconds, head_bytes=HEAD_BYTES)
    head = check_head(reader.head, whole=True)
    volume = head.volume
    assert volume is not None  # noqa: S101 -- check_head(whole=True) raises or finds it
    head.check_size(size)
    _check_footer(reader)
    found = _described(volume, size)
    others = parse_others(reader.head[FIRST_DESCRIPTOR + SECTOR :])
    catalogue = _check_boot(reader, others.boot_catalogue)
    _check_udf(reader, others)
    found.udf, found.hybrid = others.udf, boot.is_hybrid(reader.head)
    found.boot_bios, found.boot_uefi = catalogue.bios, catalogue.uefi
    try:
        processors = _processors(reader, volume, others, catalogue)
        found.architectures = list(dict.fromkeys([*found.architectures, *processors]))
    except LimitReached:
        found.complete = False
    if suggester is not None:
        _add_suggestion(found, file_name, suggester)
    return found


def _described(volume: Volume, size: int) -> Inspection:
    return Inspection(
        volume_label=volume.label,
        system=volume.system,
        publisher=volume.publisher,
        preparer=volume.preparer,
        application=volume.application,
        created=volume.created.isoformat() if volume.created else None,
        volume_size=volume.size,
        file_size=size,
        architectures=label_processors(volume.label),
    )


def _check_footer(reader: BoundedReader) -> None:
    """A VHD disk of fixed size is raw data with a footer: the only format that begins at the end."""
    tail = reader.read(reader.size - _FOOTER, _FOOTER, needed=True)
    if tail.startswith(b"conectix") or tail[1:9] == b"conectix":
        raise DangerousFormat.also("a VHD disk image")


def _check_udf(reader: BoundedReader, others: Descriptors) -> None:
    """All of the UDF half must be in the file too."""
    if others.udf and (end := udf.partition_end(reader)) and end > reader.size:
        raise Truncated.sizes(needed=end, found=reader.size)


def _check_boot(reader: BoundedReader, offset: int | None) -> boot.Catalogue:
    """The boot catalogue at `offset`, if any; it and what it boots must be in the file.

    Not a matter of course: UEFI images are often appended behind the volume.
    """
    if offset is None:
        return boot.Catalogue()
    catalogue = boot.parse_catalogue(reader.read(offset, boot.CATALOGUE_BYTES, needed=True))
    end = max([offset + SECTOR, *(image.offset + image.length for image in catalogue.images)])
    if end > reader.size:
        raise Truncated.sizes(needed=end, found=reader.size)
    return catalogue


def _processors(reader: BoundedReader, volume: Volume, others: Descriptors, catalogue: boot.Catalogue) -> list[str]:
    """By the files in /EFI/BOOT, else by those inside the UEFI boot images."""
    if found := tree.efi_processors(reader, volume, others.joliet_root):
        return found
    images = [reader.read(image.offset, MAX_READ_BYTES) for image in catalogue.uefi_images[:2]]
    return [processor for image in images for processor in tree.fat_processors(image)]


def label_processors(label: str) -> list[str]:
    """Processors that a volume label names: `Debian 13.1.0 amd64 n` → `x86_64`."""
    text = label.replace("_", " ").replace("x86 64", "x86_64")
    return [processor for pattern, processor in _LABELS if pattern.search(text)]


def _add_suggestion(found: Inspection, file_name: str, suggester: Callable[[Traits], Suggestion | None]) -> None:
    suggestion = suggester(
        Traits(
            label=found.volume_label,
            publisher=found.publisher,
            application=found.application,
            system=found.system,
            volume_size=found.volume_size,
            file_name=file_name,
        )
    )
    if suggestion is not None:
        found.suggested_os_type = suggestion.os_type
        found.suggested_os_version = suggestion.version_slug
        found.suggested_os_name = suggestion.name

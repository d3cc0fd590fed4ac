"""What inspection found in an image, as labels and words."""

from __future__ import annotations

from datetime import UTC, datetime

from isos.models import Iso
from portal.kernel.text import join_words


def inspection_facts(iso: Iso) -> list[tuple[str, str]]:
    """Label and words of everything the image says of itself; empty before it was inspected."""
    if not iso.inspection:
        return []
    facts = [
        ("Volume label", _text(iso, "volume_label")),
        ("Boots with", _boot(iso)),
        ("Architecture", join_words([str(name) for name in iso.inspected("architectures") or []])),
        ("Publisher", _text(iso, "publisher")),
        ("Application", _text(iso, "application")),
        ("Created", _created(iso.inspected("created"))),
        ("File system", "ISO 9660 and UDF" if iso.inspected("udf") else "ISO 9660"),
        ("USB stick", "Can be written as it is (hybrid)" if iso.inspected("hybrid") else ""),
    ]
    return [(label, words) for label, words in facts if words]


def _text(iso: Iso, key: str) -> str:
    return str(iso.inspected(key) or "").strip()


def _boot(iso: Iso) -> str:
    ways = [words for key, words in (("boot_bios", "BIOS"), ("boot_uefi", "UEFI")) if iso.inspected(key)]
    if ways:
        return join_words(ways)
    return "Not bootable" if iso.inspected("complete") else "Unknown"


def _created(value: object) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return ""
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"

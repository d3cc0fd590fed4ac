"""Where an ISO came from and what its content was compared with: in words that say no more than is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isos.fetching.checksums import Checksum
from isos.models import Iso, UrlImport

_READ = {str(origin) for origin in UrlImport.READ_ORIGINS}


@dataclass(frozen=True)
class Origin:
    """`url` is redacted, `restarts` says why a download began again; both may be empty."""

    url: str
    restarts: str


@dataclass(frozen=True)
class Comparison:
    """What stands below the SHA-256. `digest` is what is or was expected, with its `label`, where it is another one.

    `words` is one sentence, `url` the redacted address it speaks of, `matches` whether something was compared.
    """

    words: str
    url: str = ""
    note: str = ""
    matches: bool = False
    label: str = ""
    digest: str = ""


def origin_of(iso: Iso) -> Origin | None:
    """None for an ISO that did not come from a web address."""
    facts = _provenance(iso)
    if not facts:
        return None
    count = facts["restarts"]
    times = "once" if count == 1 else f"{count} times"
    why = "the file changed or its server could not go on in the middle"
    return Origin(facts["url"], f"The download began again {times}: {why}." if count else "")


def comparison_of(iso: Iso) -> Comparison:
    """What the content was, or will be, compared with."""
    facts = _provenance(iso)
    checksum = _checksum(iso, facts)
    if not iso.sha256:
        return _expected(checksum, facts)
    if checksum is None:
        return Comparison("Computed, not compared")
    return _matched(checksum, facts)


def _provenance(iso: Iso) -> dict[str, Any]:
    """What the ISO keeps of its import, or what the import under way knows so far."""
    if iso.provenance or iso.source != Iso.Source.URL:
        return dict(iso.provenance)
    replica = next((one for one in iso.replicas.all() if one.is_import), None)
    return replica.url_import.provenance() if replica else {}


def _checksum(iso: Iso, facts: dict[str, Any]) -> Checksum | None:
    algorithm, _, digest = (facts.get("checksum") or "").partition(":")
    if digest:
        return Checksum(algorithm, digest)
    return Checksum("sha256", iso.expected_sha256) if iso.expected_sha256 else None


def _expected(checksum: Checksum | None, facts: dict[str, Any]) -> Comparison:
    if checksum is not None:
        what = "" if checksum.algorithm == "sha256" else f" {checksum.label}"
        said = f"Expected{what}; compared when the file has arrived"
        return Comparison(said, facts.get("checksum_url", ""), label=checksum.label, digest=checksum.digest)
    if facts.get("checksum_url"):
        return Comparison("Will be compared with the checksum file", facts["checksum_url"])
    return Comparison("Computed when the file has arrived")


def _matched(checksum: Checksum, facts: dict[str, Any]) -> Comparison:
    by_publisher = facts.get("checksum_origin") in _READ
    what = "checksum" if checksum.algorithm == "sha256" else checksum.label
    words = f"Matches the publisher’s {what}" if by_publisher else f"Matches the {what} you gave"
    other = checksum.algorithm != "sha256"
    return Comparison(
        words,
        facts.get("checksum_url", "") if by_publisher else "",
        note=_reservation(checksum, facts if by_publisher else {}),
        matches=True,
        label=checksum.label if other else "",
        digest=checksum.digest if other else "",
    )


def _reservation(checksum: Checksum, facts: dict[str, Any]) -> str:
    """What the match does not prove."""
    if checksum.is_weak:
        return f"{checksum.label} is weak: it shows that nothing broke on the way, not who made the file."
    if facts.get("checksum_url", "").startswith("http://"):
        return (
            "The checksum came over an unprotected connection: it shows that nothing broke on the way, "
            "not who made the file."
        )
    return ""

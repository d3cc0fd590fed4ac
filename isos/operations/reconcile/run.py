"""A whole run: rows against each other, then each zone's store against its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain

from isos.operations.reconcile import quota, stuck
from isos.operations.reconcile.findings import LOST, Finding, Kind, Outcome
from isos.operations.reconcile.objects import Comparison
from zones.models import Zone
from zones.stores import open_store
from zones.stores.base import StagedBusy, StoreError
from zones.stores.probing import in_words

FEW = 5
TOO_MANY = (
    "left as it is: it is so with more than half of what is here, which looks like the wrong storage or database. "
    "Look first, then give --however-many"
)


@dataclass(frozen=True)
class Wish:
    """How a run goes. Objects younger than `min_age` are left alone. `zones` None: all but the disabled ones.

    With `however_many` it also fixes where more than half of a zone would be marked or deleted.
    """

    zones: list[Zone] | None = None
    fix: bool = False
    min_age: timedelta = timedelta(hours=1)
    however_many: bool = False


@dataclass
class Compared:
    """What was there to compare in one zone; all zero where its storage went away before the end."""

    zone: Zone
    objects: int = 0
    ready: int = 0
    staged: int = 0
    is_whole: bool = False


@dataclass
class Report:
    compared: list[Compared] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_away(self) -> bool:
        return any(finding.kind == Kind.AWAY for finding in self.findings)

    @property
    def left(self) -> int:
        return sum(finding.is_left for finding in self.findings)


def run(wish: Wish) -> Report:
    """Compare, and fix where it is wished. Raises no store error: a storage that is away is a finding."""
    report = Report()
    # Rows first: what is lost in a store comes back only within quota that is held.
    for finding in _rows(wish.zones):
        _take(report, finding, wish.fix)
    zones = Zone.objects.exclude(state=Zone.State.DISABLED) if wish.zones is None else wish.zones
    for zone in zones:
        compared, findings = _compare(zone, wish.min_age)
        report.compared.append(compared)
        spared = set() if wish.however_many else _too_many(compared, findings)
        for finding in findings:
            if wish.fix and finding.kind in spared:
                finding.outcome = Outcome(TOO_MANY, is_left=True)
            _take(report, finding, wish.fix and finding.kind not in spared)
    return report


def _rows(zones: list[Zone] | None) -> Iterator[Finding]:
    return chain(stuck.findings(zones), quota.findings(zones))


def _compare(zone: Zone, min_age: timedelta) -> tuple[Compared, list[Finding]]:
    compared = Compared(zone)
    findings: list[Finding] = []
    try:
        comparison = Comparison(zone, open_store(zone), min_age)
        for finding in comparison.findings():
            findings.append(finding)  # one by one: those before the storage went away count
        compared = Compared(zone, comparison.objects, comparison.ready, comparison.staged, is_whole=True)
    except StoreError as error:
        findings.append(Finding(Kind.AWAY, zone.slug, "", _why(error)))
    return compared, findings


def _too_many(compared: Compared, findings: list[Finding]) -> set[Kind]:
    """The kinds that most of the zone would be fixed for: a wrong bucket or database looks like that."""
    groups = ((LOST, compared.ready), ((Kind.ORPHANED,), compared.objects), ((Kind.STALE,), compared.staged))
    spared: set[Kind] = set()
    for kinds, total in groups:
        count = sum(finding.kind in kinds for finding in findings)
        if count >= FEW and 2 * count > total:
            spared.update(kinds)
    return spared


def _take(report: Report, finding: Finding, fix: bool) -> None:
    report.findings.append(finding)
    if not fix or finding.fix is None:
        return
    try:
        finding.outcome = finding.fix()
    except StoreError as error:
        finding.outcome = Outcome(f"not done: {_why(error)}", is_left=True)


def _why(error: StoreError) -> str:
    return error.message if isinstance(error, StagedBusy) else in_words(error)

"""What `manage.py reconcile` prints."""

from __future__ import annotations

from typing import Any

from isos.operations.reconcile.findings import Finding
from isos.operations.reconcile.run import Compared, Report
from portal.kernel.text import in_columns

_LONGEST = 200
_STRANGE = "\N{REPLACEMENT CHARACTER}"


def report_lines(report: Report) -> list[str]:
    """For people: a table of what disagrees, then what was compared. A column for what was done, where anything was."""
    lines = [_sentence(compared) for compared in report.compared]
    if not report.findings:
        return [*lines, "Nothing disagrees."]
    done = any(finding.outcome for finding in report.findings)
    head = ("ZONE", "WHAT", "WHICH", "DETAIL", *(("DONE",) if done else ()))
    rows = [_row(finding)[: len(head)] for finding in report.findings]
    return [in_columns([head, *rows]), *lines, f"{len(report.findings)} found, {report.left} left."]


def report_json(report: Report) -> dict[str, Any]:
    """For programs: what was compared, every finding and how many are left; `done` is null where nothing was tried."""
    return {
        "zones": [
            {
                "slug": compared.zone.slug,
                "objects": compared.objects,
                "ready": compared.ready,
                "staged": compared.staged,
                "whole": compared.is_whole,
            }
            for compared in report.compared
        ],
        "findings": [
            {
                "kind": finding.kind.name.lower(),
                "zone": finding.zone,
                "about": printable(finding.about),
                "detail": finding.detail,
                "done": finding.outcome.words if finding.outcome else None,
                "left": finding.is_left,
            }
            for finding in report.findings
        ],
        "left": report.left,
    }


def printable(name: str) -> str:
    """A strange file's name may hold what moves a terminal's cursor, or is no text at all."""
    shown = "".join(char if char.isprintable() else _STRANGE for char in name)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _row(finding: Finding) -> tuple[str, ...]:
    done = finding.outcome.words if finding.outcome else ""
    return (finding.zone or "-", finding.kind, printable(finding.about) or "-", finding.detail, done)


def _sentence(compared: Compared) -> str:
    if not compared.is_whole:
        return f"{compared.zone.slug}: not compared to the end."
    counts = f"{compared.objects} files, {compared.ready} Ready replicas and {compared.staged} staged files"
    return f"{compared.zone.slug}: {counts} compared."

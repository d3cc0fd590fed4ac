"""`manage.py reconcile`: what disagrees between the rows and the stores, and among the rows."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from isos.management.reconcile_report import report_json, report_lines
from isos.operations.reconcile.findings import Kind
from isos.operations.reconcile.run import Report, Wish, run
from portal.kernel.errors import PortalError
from zones.lookup import zones_named

LEFT, USAGE, AWAY = 1, 2, 3
INTERRUPTED = 130  # as shells tell Ctrl-C
_AGE = re.compile(r"([0-9]{1,6})\s*([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Command(BaseCommand):
    help = (
        "Compare the database with each zone's storage and with itself: lost, orphaned and left-over files, wrong "
        "quota, rows that are stuck. Changes nothing without --fix. Safe while the portal runs. Exits with 1 when "
        "something is left to do, with 3 when a zone's storage is away."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="put right what can be")
        parser.add_argument(
            "--zone", action="append", metavar="SLUG", default=[],
            help="only this zone and its rows; may be repeated. Without it all that are not disabled",
        )  # fmt: skip
        parser.add_argument(
            "--min-age", metavar="AGE", default="1h",
            help="leave younger files alone, such as 30m, 6h or 2d; a plain number is seconds. Default 1h",
        )  # fmt: skip
        parser.add_argument(
            "--however-many", action="store_true",
            help="with --fix: also where more than half of a zone's files would be deleted or marked as lost",
        )  # fmt: skip
        parser.add_argument("--format", choices=("table", "json"), default="table", dest="form")

    def handle(self, *, form: str, **options: Any) -> None:
        wish = _wish(options)
        try:
            report = run(wish)
        except KeyboardInterrupt:
            self.stderr.write("Interrupted. What was put right stays so; run it again to go on.")
            sys.exit(INTERRUPTED)
        if form == "json":
            self.stdout.write(json.dumps(report_json(report), indent=2))
        else:
            self.stdout.write("\n".join(report_lines(report)))
        _end(report)


def _wish(options: dict[str, Any]) -> Wish:
    try:
        zones = zones_named(options["zone"]) or None
    except PortalError as error:
        raise CommandError(error.message, returncode=USAGE) from error
    return Wish(zones, options["fix"], _age(options["min_age"]), options["however_many"])


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text.strip())
    if match is None:
        sentence = f"“{text[:40]}” is not an age. Write a number and a unit, for example 30m, 6h or 2d; or 0."
        raise CommandError(sentence, returncode=USAGE)
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _end(report: Report) -> None:
    if report.is_away:
        away = ", ".join(finding.zone for finding in report.findings if finding.kind == Kind.AWAY)
        raise CommandError(f"Not compared to the end, because the storage is away: {away}.", returncode=AWAY)
    if report.left:
        raise CommandError(f"{report.left} of {len(report.findings)} are left; see above.", returncode=LEFT)

"""`manage.py usage`: GB-hours of all accounts or one in a period, and what they cost."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.accounts.lookup import account_named
from portal.kernel.cells import csv_lines
from portal.kernel.errors import PortalError
from portal.kernel.text import decimal_text, human_bytes, in_columns
from quotas.charges import Line, Report, report
from quotas.money import PLACES, amount_text
from quotas.periods import days_named
from quotas.usage_files import HEAD, file_rows, moment


class Command(BaseCommand):
    help = "Show the storage that accounts used in a period, in GB-hours, and what it costs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="first", metavar="DAY", help="first day, such as 2026-11-01; else its month's"
        )
        parser.add_argument("--to", dest="last", metavar="DAY", help="last day, which counts too; today by default")
        parser.add_argument("--account", metavar="NAME", help="only this account; all of them without it")
        parser.add_argument("--format", choices=("table", "csv", "json"), default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            start, end = days_named(options["first"], options["last"], now=timezone.now())
            account = account_named(options["account"]) if options["account"] is not None else None
            found = report(start, end, account)
            _ = found.cost
        except PortalError as error:
            raise CommandError(error.message) from error
        if options["format"] == "csv":
            for line in csv_lines([HEAD, *(row.values() for row in file_rows(found))]):
                self.stdout.write(line, ending="")
        elif options["format"] == "json":
            self.stdout.write(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
        else:
            self.stdout.write(_table(found))


def _as_json(found: Report) -> dict[str, Any]:
    """`until` is the first moment that does not count. Numbers that are not whole are decimals as text."""
    return {
        "from": moment(found.start),
        "until": moment(found.end),
        "gb_hours": decimal_text(found.gb_hours, PLACES),
        "cost": f"{found.cost.amount:f}" if found.cost else None,
        "currency": found.cost.currency.code if found.cost else None,
        "lines": list(file_rows(found)),
    }


def _table(found: Report) -> str:
    if not found.lines:
        return "Nothing was stored in this period."
    head = ("ACCOUNT", "ISO IMAGE", "ZONE", "SIZE", "READY FROM", "UNTIL", "GB-HOURS", "COST")
    total = ("Total", "", "", "", "", "", decimal_text(found.gb_hours, 3, grouped=True), amount_text(found.cost))
    return in_columns([head, *(_row(line) for line in found.lines), total])


def _row(line: Line) -> tuple[str, ...]:
    return (
        line.account.name,
        line.iso_name,
        line.zone.slug,
        human_bytes(line.bytes),
        f"{line.began:%Y-%m-%d %H:%M}",
        f"{line.ended:%Y-%m-%d %H:%M}" if line.ended else "goes on",
        decimal_text(line.gb_hours, 3, grouped=True),
        amount_text(line.cost),
    )

"""`manage.py quota show [ACCOUNT]` and `manage.py quota set ACCOUNT …`."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.lookup import account_named
from portal.accounts.models import Account
from portal.kernel.errors import InvalidInput
from portal.kernel.text import human_bytes, parse_bytes
from quotas.models import QuotaLimit
from quotas.usage import LIMIT_NAMES, QuotaOverview, overview, overviews

DEFAULT = "default"
_MAX_COUNT = 2**31 - 1  # what the database column holds


class Command(BaseCommand):
    help = "Show or set the quota of accounts."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="show|set")
        show = verbs.add_parser("show", help="limits of all accounts, or of one, and what is in use")
        show.add_argument("account", nargs="?", help="name of an account; all of them without it")
        show.add_argument("--format", choices=("table", "json"), default="table")
        change = verbs.add_parser("set", help="set limits of one account")
        change.add_argument("account", help="name of the account")
        change.add_argument("--isos", metavar="N|default", dest="max_isos", help="ISO images it may have")
        change.add_argument("--bytes", metavar="SIZE|default", dest="max_bytes", help='for example "100 GB"')
        change.add_argument("--largest", metavar="SIZE|default", dest="max_iso_bytes", help='for example "32 GB"')
        change.add_argument("--uploads", metavar="N|default", dest="max_uploads", help="uploads at the same time")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "show":
            self._show(options["account"], options["format"])
        else:
            self._set(options["account"], {name: options[name] for name in LIMIT_NAMES if options[name] is not None})

    def _show(self, name: str | None, form: str) -> None:
        accounts = Account.objects.all() if name is None else [_account(name)]
        quotas = overviews(accounts)
        if form == "json":
            self.stdout.write(json.dumps([_as_json(*pair) for pair in quotas], indent=2))
        elif quotas:
            self.stdout.write(_table(quotas))
        else:
            self.stdout.write("There are no accounts yet.")

    def _set(self, name: str, given: dict[str, str]) -> None:
        if not given:
            raise CommandError("Nothing to set. Give --isos, --bytes, --largest or --uploads.")
        account = _account(name)
        QuotaLimit.objects.update_or_create(account=account, defaults={key: _limit(key, given[key]) for key in given})
        quota = overview(account)
        self.stdout.write(_table([(account, quota)]))
        for sentence in _exceeded(quota, given):
            self.stdout.write(self.style.WARNING(sentence))


def _account(name: str) -> Account:
    try:
        return account_named(name)
    except InvalidInput as error:
        raise CommandError(error.message) from error


def _limit(name: str, text: str) -> int | None:
    """What was typed for one limit; None stands for the portal's default."""
    if text.strip().lower() == DEFAULT:
        return None
    if name in ("max_bytes", "max_iso_bytes"):
        try:
            return parse_bytes(text)
        except InvalidInput as error:
            raise CommandError(error.message) from error
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > _MAX_COUNT:
        raise CommandError(f"“{text[:40]}” is not a number. Write a whole number from 0 to {_MAX_COUNT}, or {DEFAULT}.")
    return int(text)


def _exceeded(quota: QuotaOverview, given: dict[str, str]) -> list[str]:
    """What is in use beyond the limits just set. That is allowed; it only stops what is new."""
    limits, usage = quota.limits, quota.usage
    over = []
    if "max_isos" in given and usage.isos > limits.max_isos:
        over.append(f"{_are(usage.isos, 'ISO image')} in use, the limit is now {limits.max_isos}.")
    if "max_bytes" in given and usage.bytes > limits.max_bytes:
        over.append(f"{human_bytes(usage.bytes)} is in use, the limit is now {human_bytes(limits.max_bytes)}.")
    if "max_uploads" in given and usage.uploads > limits.max_uploads:
        over.append(f"{_are(usage.uploads, 'upload')} under way, the limit is now {limits.max_uploads}.")
    return [f"{sentence} Nothing is deleted; what is new is refused until there is room." for sentence in over]


def _are(count: int, noun: str) -> str:
    return f"{count} {noun} is" if count == 1 else f"{count} {noun}s are"


def _as_json(account: Account, quota: QuotaOverview) -> dict[str, Any]:
    """For programs: counts and bytes as plain numbers."""
    return {
        "account": account.name,
        "id": str(account.public_id),
        "limits": {name: getattr(quota.limits, name) for name in LIMIT_NAMES},
        "own_limits": sorted(quota.limits.own),
        "isos": quota.usage.isos,
        "bytes": quota.usage.bytes,
        "held_bytes": quota.usage.held_bytes,
        "uploads": quota.usage.uploads,
    }


def _table(quotas: list[tuple[Account, QuotaOverview]]) -> str:
    """Columns as wide as their widest cell. `*` marks a limit that is the account's own."""
    head = ("ACCOUNT", "ISO IMAGES", "STORAGE", "OF IT HELD", "LARGEST ISO", "UPLOADS")
    rows = [head, *(_row(*pair) for pair in quotas)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if any(quota.limits.own for _, quota in quotas):
        lines.append("* the account's own limit")
    return "\n".join(lines)


def _row(account: Account, quota: QuotaOverview) -> tuple[str, ...]:
    limits, usage = quota.limits, quota.usage
    star = {name: "*" if name in limits.own else "" for name in LIMIT_NAMES}
    return (
        account.name,
        f"{usage.isos} of {limits.max_isos}{star['max_isos']}",
        f"{human_bytes(usage.bytes)} of {human_bytes(limits.max_bytes)}{star['max_bytes']}",
        human_bytes(usage.held_bytes),
        f"{human_bytes(limits.max_iso_bytes)}{star['max_iso_bytes']}",
        f"{usage.uploads} of {limits.max_uploads}{star['max_uploads']}",
    )

"""`manage.py verify_isos`: read a share of the stored ISO images again."""

from __future__ import annotations

import json
import sys
from collections import Counter
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from isos.management.progress import Display, Moment, display_on
from isos.models import Iso, Replica
from isos.operations.rehash import ALARMS, Checked, Pace, Verdict
from isos.operations.rounds import Round
from portal.kernel.errors import PortalError
from portal.kernel.text import human_bytes, parse_bytes
from zones.lookup import zone_named

INTERRUPTED = 130  # as shells tell Ctrl-C
LEAST_RATE = 1_000_000


class Command(BaseCommand):
    help = (
        "Read stored ISO images again and compare them with their SHA-256, those verified longest ago first. What is "
        "damaged or missing is marked and copied again from a good copy. Exits with 1 when something was found."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        share = parser.add_mutually_exclusive_group()
        share.add_argument("--share", metavar="PART", help="part of the replicas, such as 1/30; else VERIFY_SHARE")
        share.add_argument("--limit", type=int, metavar="N", help="so many replicas")
        share.add_argument("--max-bytes", metavar="SIZE", help="as many as fit into so much reading, but at least one")
        share.add_argument("--all", action="store_true", dest="everything", help="every replica")
        parser.add_argument("--zone", metavar="SLUG", default="", help="only of this zone")
        parser.add_argument("--iso", metavar="ID", default="", help="all replicas of this ISO")
        parser.add_argument("--rate", metavar="SIZE", help='read at most so much per second, such as "50 MB"')
        parser.add_argument("--format", choices=("table", "json"), default="table", dest="form")

    def handle(self, *, form: str, rate: str | None, **options: Any) -> None:
        try:
            todo, pace = _round(options), Pace(_rate(rate))
        except PortalError as error:
            raise CommandError(error.message) from error
        display = display_on(self.stderr)
        found: list[Checked] = []
        try:
            _go(todo, pace, display, found)
        except KeyboardInterrupt:
            display.say("Interrupted. What was verified until now counts; the next run goes on with the oldest.")
            sys.exit(INTERRUPTED)
        finally:
            display.close()
        if form == "json":
            self.stdout.write(json.dumps(_summary(found, pace), indent=2))
        else:
            self.stdout.write("\n".join(_lines(found, pace)))
        if trouble := [each for each in found if each.verdict in (*ALARMS, Verdict.AWAY)]:
            raise CommandError(f"{len(trouble)} of {len(found)} are not good or could not be read; see above.")


def _round(options: dict[str, Any]) -> Round:
    zone = zone_named(options["zone"]).slug if options["zone"] else ""
    iso = _iso(options["iso"]) if options["iso"] else ""
    if options["limit"] is not None:
        return Round.of(zone=zone, iso=iso, replicas_left=max(0, options["limit"]))
    if options["max_bytes"] is not None:
        return Round.of(zone=zone, iso=iso, bytes_left=parse_bytes(options["max_bytes"]))
    if options["everything"] or (iso and options["share"] is None):
        return Round.of(zone=zone, iso=iso)
    share = settings.VERIFY_SHARE if options["share"] is None else _share(options["share"])
    if not share:
        raise CommandError("VERIFY_SHARE is 0. Say how much: --share, --limit, --max-bytes or --all.")
    return Round.of(share=share, zone=zone, iso=iso)


def _share(text: str) -> Fraction:
    try:
        share = Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1:
        raise CommandError(f"“{text[:40]}” is not a part of the whole. Write one such as 1/30 or 0.05.")
    return share


def _iso(text: str) -> str:
    try:
        public_id = UUID(text)
    except ValueError:
        raise CommandError(f"“{text[:40]}” is not the id of an ISO. It stands in the address of its page.") from None
    if not Iso.objects.filter(public_id=public_id).exists():
        raise CommandError(f"There is no ISO {public_id}.")
    return str(public_id)


def _rate(text: str | None) -> int:
    """Bytes per second; 0 means as fast as it goes."""
    if text is None:
        return 0
    rate = parse_bytes(text)
    if rate < LEAST_RATE:
        raise CommandError(f"The rate is too low. Give at least {human_bytes(LEAST_RATE)} per second.")
    return rate


def _go(todo: Round, pace: Pace, display: Display, found: list[Checked]) -> None:
    def show(replica: Replica, done: int) -> None:
        display.show(Moment(f"{replica.iso} in {replica.zone}", "Verifying", done, replica.iso.size))

    rest: Round | None = todo
    while rest is not None:
        checked, rest = rest.step(pace, show)
        for each in checked:
            found.append(each)
            if each.verdict != Verdict.GOOD:
                display.say(_sentence(each))


def _sentence(each: Checked) -> str:
    outcome = " It is being copied again from a good copy." if each.healing else ""
    reason = f" {each.reason}" if each.reason else ""
    return f"“{each.replica.iso}” in {each.replica.zone}: {each.verdict}.{reason}{outcome}"


def _lines(found: list[Checked], pace: Pace) -> list[str]:
    counts = Counter(each.verdict for each in found)
    words = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    first = f"{words}; {human_bytes(pace.bytes)} read." if found else "There was nothing to verify."
    return [first, *(_sentence(each) for each in found if each.verdict not in (Verdict.GOOD, Verdict.CHANGED))]


def _summary(found: list[Checked], pace: Pace) -> dict[str, Any]:
    """For programs: counts by verdict, bytes read, and an entry for each replica that is not good."""
    counts = Counter(each.verdict for each in found)
    return {
        "counts": {verdict.name.lower(): counts[verdict] for verdict in Verdict},
        "bytes": pace.bytes,
        "found": [
            {
                "iso": str(each.replica.iso.public_id),
                "replica": str(each.replica.public_id),
                "zone": each.replica.zone.slug,
                "verdict": each.verdict.name.lower(),
                "reason": each.reason,
                "healing": each.healing,
            }
            for each in found
            if each.verdict != Verdict.GOOD
        ],
    }

"""`manage.py zones list|check|drain|activate`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from isos.actions.drain_zone import Drain
from isos.management.drain_run import DrainRun
from isos.management.progress import display_on
from isos.management.zone_list import check_json, checks_table, zones_json, zones_table
from isos.zone_health import zone_healths
from portal.kernel.errors import PortalError
from zones.health import check_zone
from zones.lookup import zone_named, zones_named
from zones.models import Zone
from zones.opening import close_zone, open_zone

INTERRUPTED = 130  # as shells tell Ctrl-C


class Command(BaseCommand):
    help = "List zones, test their storage, empty one, open it again."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|check|drain|activate")
        listing = verbs.add_parser("list", help="what each zone holds and what goes on in it")
        listing.add_argument("--check", action="store_true", help="test each zone's storage now")
        check = verbs.add_parser("check", help="write, read and delete a few bytes in each zone; 1 when any fails")
        check.add_argument("slug", nargs="*", help="zones; all that are not disabled without it")
        _add_drain(verbs.add_parser("drain", help="close a zone and copy what is only there to other zones"))
        activate = verbs.add_parser("activate", help="open a zone again, if its storage works")
        activate.add_argument("slug")
        for verb in (listing, check):
            _add_format(verb)

    def handle(self, *, verb: str, **options: Any) -> None:
        try:
            getattr(self, f"_{verb}")(options)
        except PortalError as error:
            raise CommandError(error.message) from error

    def _list(self, options: dict[str, Any]) -> None:
        zones = list(Zone.objects.all())
        if options["check"]:
            for zone in zones:
                check_zone(zone)
        healths = zone_healths(zones)
        if options["form"] == "json":
            self._json(zones_json(healths))
        else:
            self.stdout.write(zones_table(healths) if healths else "There are no zones yet. Add one in admin.")

    def _check(self, options: dict[str, Any]) -> None:
        zones = zones_named(options["slug"]) or list(Zone.objects.exclude(state=Zone.State.DISABLED))
        checks = [check_zone(zone) for zone in zones]
        if options["form"] == "json":
            self._json([check_json(check) for check in checks])
        else:
            self.stdout.write(checks_table(checks) if checks else "There is no zone to test.")
        if failed := [check.zone.slug for check in checks if not check.ok]:
            raise CommandError(f"{len(failed)} of {len(checks)} zones failed: {', '.join(failed)}.")

    def _activate(self, options: dict[str, Any]) -> None:
        zone = zone_named(options["slug"])
        opened = open_zone(zone)
        self.stdout.write(f"{zone} takes new images again." if opened else f"{zone} was active already.")

    def _drain(self, options: dict[str, Any]) -> None:
        zone = zone_named(options["slug"])
        drain = _planned(zone, options)
        if close_zone(zone, options["reason"]):
            self.stderr.write(f"{zone} takes no new images now. `zones activate {zone.slug}` opens it again.")
        display = display_on(self.stderr)
        run = DrainRun(drain, display, delete=options["delete"], wait=options["wait"])
        try:
            run.go()
        except KeyboardInterrupt:
            display.say("Interrupted. What was started goes on; run the same command again to go on here.")
            sys.exit(INTERRUPTED)
        finally:
            display.close()
        if options["form"] == "json":
            self._json(run.summary())
        else:
            self.stdout.write("\n".join(run.lines()))
        if run.stuck:
            raise CommandError(f"{len(run.stuck)} of {run.counts.total()} can't be taken away from {zone}; see above.")

    def _json(self, data: object) -> None:
        self.stdout.write(json.dumps(data, indent=2))


def _add_format(parser: CommandParser) -> None:
    parser.add_argument("--format", choices=("table", "json"), default="table", dest="form")


def _add_drain(parser: CommandParser) -> None:
    parser.add_argument("slug")
    parser.add_argument("--to", nargs="+", metavar="SLUG", default=[], help="zones that take the copies; else any")
    parser.add_argument(
        "--all", action="store_true", dest="everything",
        help="copy also what is Ready in a third zone, so that everything is in one of --to",
    )  # fmt: skip
    parser.add_argument("--reason", default="", help="what users read about the zone meanwhile")
    parser.add_argument(
        "--beyond-quota", action="store_true", help="copy also for accounts whose quota has no room for a second copy"
    )
    parser.add_argument("--delete", action="store_true", help="delete here what is Ready elsewhere")
    parser.add_argument("--wait", action="store_true", help="until nothing moves any more")
    _add_format(parser)


def _planned(zone: Zone, options: dict[str, Any]) -> Drain:
    """Refuses what can't be meant before anything is changed."""
    active = [other for other in Zone.objects.filter(state=Zone.State.ACTIVE) if other.pk != zone.pk]
    named = zones_named(options["to"])
    _require_takers(zone, named, active)
    if options["everything"] and not named:
        raise CommandError("--all needs --to: the zones that everything is copied to.")
    return Drain(
        zone, named or active, safe_in=named if options["everything"] else active, beyond_quota=options["beyond_quota"]
    )


def _require_takers(zone: Zone, named: Sequence[Zone], active: Sequence[Zone]) -> None:
    for other in named:
        if other.pk == zone.pk:
            raise CommandError(f"{zone} can't be emptied into itself. Name other zones after --to.")
        if other not in active:
            raise CommandError(f"{other} takes no new images now. Name active zones after --to.")
    if not active:
        raise CommandError(f"There is no other active zone that could take what {zone} holds. Add or activate one.")

"""One run: a world, a load, disturbances, rest, a verdict."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable

from tests.chaos.mixed.director import Director
from tests.chaos.mixed.ledger import Ledger
from tests.chaos.mixed.people import People
from tests.chaos.mixed.report import Report
from tests.chaos.mixed.settling import Restless, settle
from tests.chaos.mixed.tidying import tidy
from tests.chaos.mixed.topology import World, world
from tests.chaos.mixed.verdict import judge

LINES = {
    "lease lost": "lease lost, stopping",
    "could not be ended": "could not be ended",
    "trace": "Traceback",
    "sent again": "operations sent again",
    "broker away": "broker away",
}
OPERATIONS = "SELECT kind, state, count(*), sum(attempt) FROM isos_operation GROUP BY kind, state"


After = Callable[[World, Ledger], None]


def _nothing(world: World, ledger: Ledger) -> None:
    pass


def note(text: str) -> None:
    """Progress goes beside the report."""
    print(text, file=sys.stderr, flush=True)


def run(seed: int, seconds: float, *, gap_seconds: float = 2.5, large: int = 3, afterwards: After = _nothing) -> Report:
    """Disturb for `seconds`, one disturbance every `gap_seconds`. Ends with a verdict, whatever happened.

    `afterwards` gets the world with its verdict passed, before it ends.
    """
    begin = time.monotonic()
    report = Report(seed, seconds)
    with world(seed, large=large) as running:
        report.folder = str(running.folder)
        report.left_out = running.why_not_small
        note(f"Seed {seed}. Everything is up after {time.monotonic() - begin:.0f} s; logs are in {running.folder}.")
        ledger = Ledger()
        people = People(running, ledger, seed)
        director = Director(running, seed, gap_seconds)
        try:
            _storm(people, director, seconds)
            note(f"The storm is over after {time.monotonic() - begin:.0f} s.")
            report.seconds_to_quiet = settle(running, people, ledger)
            report.verdict["The portal comes to rest"] = []
        except Restless as error:
            report.verdict["The portal comes to rest"] = [str(error)]
        people.leave()
        report.verdict["People get on"] = people.failures
        report.tidied = tidy(running, director.kills)
        report.verdict |= judge(running, ledger)
        _count(report, running, ledger, director)
        (running.folder / "report.json").write_text(report.as_json())
        afterwards(running, ledger)
        (running.folder / "disturbances.log").write_text("\n".join(director.log))
    report.total_seconds = time.monotonic() - begin
    if report.is_good:
        shutil.rmtree(running.folder, ignore_errors=True)
    return report


def _storm(people: People, director: Director, seconds: float) -> None:
    people.begin()
    try:
        director.run(seconds)
    finally:
        people.stop()


def _count(report: Report, running: World, ledger: Ledger, director: Director) -> None:
    report.requests = {what: dict(answers) for what, answers in ledger.answers.items()}
    operations: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for kind, state, count, attempts in running.rows.query(OPERATIONS):
        operations[kind] |= {state: count, f"{state} attempts": int(attempts)}
    report.operations = dict(operations)
    rows = running.rows.replicas()
    report.isos = dict(Counter(f"{row.state} in {row.zone}" for row in rows))
    report.failures = dict(Counter(f"failed: {row.error_code}" for row in rows if row.state == "failed"))
    report.disturbances = dict(director.counts)
    report.bytes_moved = {
        "sent by people": ledger.sent_bytes,
        "sent by the mirror": running.mirror.bytes,
        "verified by the portal": int(running.rows.query(_VERIFIED)[0][0] or 0),
    }
    report.lines = dict(_lines(running))


_VERIFIED = "SELECT sum((data->>'size')::bigint) FROM isos_event WHERE verb = 'ready'"


def _lines(running: World) -> Counter[str]:
    found: Counter[str] = Counter(dict.fromkeys(LINES, 0))
    for machine in running.machines:
        for line in machine.lines():
            found.update(name for name, words in LINES.items() if words in line)
    return found

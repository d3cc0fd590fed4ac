"""After the storm: everything is up, people finish what they began, and the portal comes to rest."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos.mixed.ledger import Ledger
from tests.chaos.mixed.people import People
from tests.chaos.mixed.person import Person
from tests.chaos.mixed.rows import Away
from tests.chaos.mixed.session import Unanswered
from tests.chaos.mixed.topology import World

# Four retries with backoff take 30 s, a message that was lost is sent again after 30, what is abandoned expires
# after 20: with everything up the portal is at rest after less than this.
QUIET_SECONDS = 150
ROUNDS = 3
ASK_SECONDS = 0.25
TRIES = 20

BUSY = """
    SELECT 'operation ' || kind || ' of ' || iso_name || ': ' || state || ', attempt ' || attempt || ', ' || error_code
    FROM isos_operation WHERE state IN ('queued', 'running')
    UNION ALL
    SELECT 'replica of ' || i.name || ' in ' || z.slug || ': ' || r.state
    FROM isos_replica r JOIN isos_iso i ON i.id = r.iso_id JOIN zones_zone z ON z.id = r.zone_id
    LEFT JOIN isos_upload u ON u.replica_id = r.id AND u.state = 'receiving'
    WHERE r.state NOT IN ('ready', 'failed', 'waiting') AND u.id IS NULL
"""
WAITING = """
    SELECT 'upload of ' || i.name || ': receiving, ' || u.offset || ' of ' || u.length || ' bytes'
    FROM isos_upload u JOIN isos_replica r ON r.id = u.replica_id JOIN isos_iso i ON i.id = r.iso_id
    WHERE u.state = 'receiving'
    UNION ALL
    SELECT 'replica of ' || i.name || ': waiting'
    FROM isos_replica r JOIN isos_iso i ON i.id = r.iso_id WHERE r.state = 'waiting'
    UNION ALL
    SELECT 'quota of replica ' || replica_ref || ': ' || bytes || ' bytes held'
    FROM quotas_reservation WHERE state = 'held'
"""


class Restless(Exception):
    """Something still goes on; the message names all of it."""


def settle(world: World, people: People, ledger: Ledger) -> float:
    """Seconds until the portal was at rest by itself. People then finish, and it comes to rest once more.

    Raises Restless.
    """
    world.wait_until_up()
    seconds = rest(world, BUSY)
    world.grow_small_disk()
    for _ in range(ROUNDS):
        people.together(finish)
        rest(world, BUSY)
        if not _unfinished(world, ledger):
            break
    rest(world, f"{BUSY} UNION ALL {WAITING}")
    if _unfinished(world, ledger):  # the quota of what has expired by now was in the way
        people.together(finish)
        rest(world, f"{BUSY} UNION ALL {WAITING}")
    return seconds


def _unfinished(world: World, ledger: Ledger) -> bool:
    return any(worth_a_retry(row, ledger) for row in world.rows.replicas())


def rest(world: World, sql: str) -> float:
    """Wait until the query finds nothing. Other processes tell nobody when they are done, so it is asked again."""
    begin = time.monotonic()
    while found := _asked(world, sql):
        if time.monotonic() - begin > QUIET_SECONDS:
            raise Restless(f"After {QUIET_SECONDS} s with everything up: {'; '.join(sorted(found))}.")
        time.sleep(ASK_SECONDS)
    return time.monotonic() - begin


def _asked(world: World, sql: str) -> list[str]:
    return [row[0] for row in world.rows.query(sql)]


def finish(person: Person) -> None:
    """Go on with every open upload and press Retry wherever it may help."""
    _surely(person, person.resume_open)
    for row in person.replicas():
        if worth_a_retry(row, person.ledger):
            _surely(person, person.retry, row)


def worth_a_retry(row: Any, ledger: Ledger) -> bool:
    wish = ledger.wishes[row.name]
    return row.state == "failed" and not wish.bad_checksum and not wish.abandoned


def _surely(person: Person, act: Any, *arguments: Any) -> None:
    """Everything is up, so an answer must come soon: what was broken was a line of before."""
    for _ in range(TRIES):
        try:
            act(*arguments)
            return
        except (Unanswered, Away):
            time.sleep(ASK_SECONDS)
    raise Unanswered(f"no answer in {TRIES} tries although everything is up")

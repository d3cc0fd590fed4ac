"""Harm done on purpose behind the portal's back: for each check of the verdict the kind that it must find."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg

from tests.chaos.mixed.ledger import Asked, Ledger
from tests.chaos.mixed.rows import Rows
from tests.chaos.mixed.topology import World
from tests.chaos.mixed.verdict import CHECKS, Evidence, key_of

CIRCLE_SECONDS = 10
Harm = Callable[[World, Ledger, Any], None]


def _open_an_upload(world: World, ledger: Ledger, row: Any) -> None:
    world.rows.execute("UPDATE isos_replica SET state = 'verifying' WHERE public_id = %s", row.replica)


def _lose_a_wish(world: World, ledger: Ledger, row: Any) -> None:
    del ledger.wishes[row.name].zones[row.zone]


def _expect_what_never_came(world: World, ledger: Ledger, row: Any) -> None:
    ledger.wishes[row.name].zones["nowhere"] = Asked.YES


def _flip_a_byte(world: World, ledger: Ledger, row: Any) -> None:
    path = _root(world, row) / key_of(row)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        [byte] = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def _fail_silently(world: World, ledger: Ledger, row: Any) -> None:
    world.rows.execute("UPDATE isos_replica SET state = 'failed', error_message = '' WHERE public_id = %s", row.replica)


def _forget_its_quota(world: World, ledger: Ledger, row: Any) -> None:
    world.rows.execute("DELETE FROM quotas_reservation WHERE replica_ref = %s", row.replica)


def _leave_a_staged_file(world: World, ledger: Ledger, row: Any) -> None:
    (_root(world, row) / ".staging" / str(row.iso)).write_bytes(b"left")


def _leave_a_part_on_s3(world: World, ledger: Ledger, row: Any) -> None:
    [s3] = [zone for zone in world.zones if zone.root is None]
    s3.spec.open().client.create_multipart_upload(Bucket=s3.spec.options["bucket_name"], Key="portal/isos/left.iso")


def _leave_an_object(world: World, ledger: Ledger, row: Any) -> None:
    path = _root(world, row) / "isos" / str(row.replica) / f"{row.iso}.iso"
    path.parent.mkdir()
    path.write_bytes(b"left")


def _move_what_ended(world: World, ledger: Ledger, row: Any) -> None:
    world.rows.execute("UPDATE isos_operation SET state = 'failed' WHERE state = 'succeeded'")


def _take_what_is_held(world: World, ledger: Ledger, row: Any) -> None:
    """Two connections and one operation: the first claims it, the second takes it, the first writes on."""
    one = "id = (SELECT max(id) FROM isos_operation)"
    held = "lease_expires = clock_timestamp() + interval '1 hour', lease_token = gen_random_uuid()"
    world.rows.execute(f"UPDATE isos_operation SET finished_at = NULL WHERE {one}")
    second = Rows(world.postgres.url)
    world.rows.execute(f"UPDATE isos_operation SET state = 'running', {held} WHERE {one}")
    second.execute(f"UPDATE isos_operation SET {held} WHERE {one}")
    world.rows.execute(f"UPDATE isos_operation SET lease_expires = now() WHERE {one}")
    second.close()


def _wait_in_a_circle(world: World, ledger: Ledger, row: Any) -> None:
    """Two connections, two locks, in opposite order."""

    def lock(first: int, second: int) -> None:
        with suppress(psycopg.errors.DeadlockDetected), psycopg.connect(world.postgres.url) as line:
            line.execute("SELECT pg_advisory_xact_lock(%s)", [first])
            both.wait(CIRCLE_SECONDS)
            line.execute("SELECT pg_advisory_xact_lock(%s)", [second])

    both = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lock, (1, 2), (2, 1)))


def _root(world: World, row: Any) -> Any:
    return next(zone.root for zone in world.zones if zone.slug == row.zone)


HARMS: list[tuple[str, Harm, str]] = [
    ("Every ISO is where it was asked for", _lose_a_wish, "although it was deleted"),
    ("Every ISO is where it was asked for", _expect_what_never_came, "in nowhere and is not there"),
    ("Ready has the right bytes", _flip_a_byte, "holds other bytes than were sent"),
    ("Quota is what is stored", _forget_its_quota, "count for nobody"),
    ("Reconcile finds nothing", _forget_its_quota, "reservation_missing"),
    ("Nothing is staged", _leave_a_staged_file, ".staging/"),
    ("Nothing is staged", _leave_a_part_on_s3, "unfinished upload to"),
    ("Nothing is orphaned", _leave_an_object, "nobody's isos/"),
    ("Nobody writes what he lost", _move_what_ended, "went from succeeded to failed"),
    ("Nobody writes what he lost", _take_what_is_held, "from one who held it still"),
    ("Nobody writes what he lost", _take_what_is_held, "by one who had lost it"),
    ("Nobody waits in a circle", _wait_in_a_circle, "deadlock detected"),
    ("No row is active", _open_an_upload, "rows of isos_replica are active"),
    ("Failed says why", _fail_silently, "without a sentence"),
]


def blind_checks(world: World, ledger: Ledger) -> list[str]:
    """Those that do not find the harm that they are for. Ends the portal, and leaves the world as it is then."""
    for machine in world.machines:
        machine.kill()  # it would put right some of it
    row = next(one for one in world.rows.replicas() if one.state == "ready" and _root(world, one))
    blind = []
    for check, harm, words in HARMS:
        harm(world, ledger, row)
        if not any(words in problem for problem in CHECKS[check](Evidence(world, ledger))):
            blind.append(f"{check}: not {words!r} after {harm.__name__}")
    return blind + [f"{check}: nothing tries it" for check in CHECKS.keys() - {check for check, _, _ in HARMS}]

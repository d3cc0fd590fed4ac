"""What must be true when all is quiet again. Each check returns a sentence for everything that is not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.chaos.mixed.ledger import Asked, Ledger
from tests.chaos.mixed.referee import fouls
from tests.chaos.mixed.stored import Stores
from tests.chaos.mixed.topology import QUICK, World

ACTIVE = {
    "isos_operation": "state IN ('queued', 'running') OR lease_token IS NOT NULL",
    "isos_upload": "state = 'receiving' OR lock_expires > now()",
    "isos_replica": "state NOT IN ('ready', 'failed')",
    "quotas_reservation": "state = 'held'",
}


@dataclass
class Evidence:
    """Everything that the checks look at."""

    world: World
    ledger: Ledger

    @cached_property
    def rows(self) -> list[Any]:
        return self.world.rows.replicas()

    @cached_property
    def stores(self) -> Stores:
        return Stores(self.world)

    @cached_property
    def sizes(self) -> dict[tuple[str, str], int]:
        """Stored bytes by zone and key."""
        return {(stored.zone, stored.key): stored.size for stored in self.stores.objects()}


def key_of(row: Any) -> str:
    return f"isos/{row.iso}/{row.replica}.iso"


def nothing_is_active(evidence: Evidence) -> list[str]:
    counts = {name: evidence.world.rows.query(f"SELECT count(*) FROM {name} WHERE {where}")[0][0]
              for name, where in ACTIVE.items()}  # fmt: skip
    return [f"{count} rows of {name} are active still" for name, count in counts.items() if count]


def nobody_wrote_what_he_lost(evidence: Evidence) -> list[str]:
    return fouls(evidence.world.rows)


def nobody_waits_in_a_circle(evidence: Evidence) -> list[str]:
    """PostgreSQL breaks a circle of locks and what it broke is tried again, so that only its log tells."""
    with evidence.world.postgres.log.open(errors="replace") as lines:
        return [line.strip() for line in lines if "deadlock detected" in line]


def wishes_are_kept(evidence: Evidence) -> list[str]:
    """In every zone an ISO was asked for it is; in no other zone there is anything of it."""
    there = {(row.name, row.zone) for row in evidence.rows}
    asked = {(wish.name, zone): how for wish in evidence.ledger.wishes.values() for zone, how in wish.zones.items()}
    lost = [f"“{name}” was asked for in {zone} and is not there" for (name, zone), how in asked.items()
            if how == Asked.YES and (name, zone) not in there]  # fmt: skip
    return lost + [
        f"“{name}” is in {zone} although it was deleted" for name, zone in there if (name, zone) not in asked
    ]


def ready_is_whole(evidence: Evidence) -> list[str]:
    """What is Ready has the bytes of the image that was sent, and says so."""
    problems = []
    for row in evidence.rows:
        wish = evidence.ledger.wishes[row.name]
        if row.state != "ready":
            continue
        if wish.bad_checksum:
            problems.append(f"“{row.name}” is Ready although its checksum was wrong")
        if (row.sha256, row.size) != (wish.image.sha256, wish.image.size):
            problems.append(f"“{row.name}” says {row.size} bytes, {row.sha256[:8]}…; another image was sent")
        if (row.zone, key_of(row)) not in evidence.sizes:
            problems.append(f"“{row.name}” is Ready in {row.zone} and its file is not there")
        elif evidence.stores.sha256(row.zone, key_of(row)) != wish.image.sha256:
            problems.append(f"“{row.name}” in {row.zone} holds other bytes than were sent")
    return problems


def failed_says_why(evidence: Evidence) -> list[str]:
    """What failed has a sentence, and a reason that outlasts the storm."""
    failed = [row for row in evidence.rows if row.state == "failed"]
    silent = [
        f"“{row.name}” failed in {row.zone} without a sentence" for row in failed if not row.error_message.strip()
    ]
    return silent + [
        f"“{row.name}” in {row.zone} stays Failed though everything is up: {row.error_code}: {row.error_message}"
        for row in failed
        if not any(_is_excused(one, evidence) for one in _with_its_source(row, failed))
    ]


def _with_its_source(row: Any, failed: list[Any]) -> list[Any]:
    """What waited for an arrival that failed shares that one's excuse."""
    return [one for one in failed if one.iso == row.iso] if row.error_code == "not_copied" else [row]


def _is_excused(row: Any, evidence: Evidence) -> bool:
    wish = evidence.ledger.wishes[row.name]
    if wish.bad_checksum or wish.abandoned:
        return True
    used = sum(one.size or 0 for one in evidence.rows if one.account == row.account and one.state == "ready")
    if used + wish.image.size > int(QUICK["QUOTA_MAX_BYTES"]):
        return True
    # A copy whose ISO was deleted everywhere else after it had failed: nothing is left that it could come from.
    return row.ready_at is not None and not any(one.iso == row.iso and one.state == "ready" for one in evidence.rows)


def quota_adds_up(evidence: Evidence) -> list[str]:
    """Per account and replica by replica: what counts is what is stored."""
    sql = """SELECT q.replica_ref, q.iso_ref, q.bytes, q.state, a.name AS account
             FROM quotas_reservation q JOIN accounts_account a ON a.id = q.account_id"""
    reserved = {(one.account, one.iso_ref, one.replica_ref): one.bytes for one in evidence.world.rows.query(sql)}
    ready = [row for row in evidence.rows if row.state == "ready"]
    stored = {(row.account, row.iso, row.replica): evidence.sizes.get((row.zone, key_of(row)), 0) for row in ready}
    problems = [
        f"{reserved[one]} bytes count for {one[2]}, which holds nothing" for one in reserved.keys() - stored.keys()
    ]
    problems += [f"{stored[one]} stored bytes of {one[2]} count for nobody" for one in stored.keys() - reserved.keys()]
    problems += [f"{reserved[one]} bytes count for {one[2]}, which holds {stored[one]}"
                 for one in reserved.keys() & stored.keys() if reserved[one] != stored[one]]  # fmt: skip
    return problems + _quota_as_shown(evidence, stored)


def _quota_as_shown(evidence: Evidence, stored: dict[tuple[str, Any, Any], int]) -> list[str]:
    sums: Counter[str] = Counter()
    isos: defaultdict[str, set[Any]] = defaultdict(set)
    for (account, iso, _), size in stored.items():
        sums[account] += size
        isos[account].add(iso)
    done = evidence.world.first.manage("quota", "show", "--format", "json")
    if done.returncode:
        return [f"quota show: {done.stderr.strip()}"]
    shown = {one["account"]: (one["isos"], one["bytes"]) for one in json.loads(done.stdout)}
    return [
        f"{account} is shown {said[0]} ISOs and {said[1]} bytes, and has {len(isos[account])} and {sums[account]}"
        for account, said in shown.items()
        if said != (len(isos[account]), sums[account])
    ]


def nothing_is_staged(evidence: Evidence) -> list[str]:
    return evidence.stores.staged()


def nothing_is_orphaned(evidence: Evidence) -> list[str]:
    """Under keys there is what is Ready and nothing else."""
    known = {(row.zone, key_of(row)) for row in evidence.rows if row.state == "ready"}
    return [f"{zone}: nobody's {key}" for zone, key in evidence.sizes if (zone, key) not in known]


def reconcile_finds_nothing(evidence: Evidence) -> list[str]:
    done = evidence.world.first.manage("reconcile", "--format", "json", "--min-age", "0")
    if done.returncode == 0:
        return []
    return [f"reconcile ended with {done.returncode}: {(done.stdout + done.stderr).strip()[:4000]}"]


CHECKS: dict[str, Callable[[Evidence], list[str]]] = {
    "No row is active": nothing_is_active,
    "Nobody writes what he lost": nobody_wrote_what_he_lost,
    "Nobody waits in a circle": nobody_waits_in_a_circle,
    "Every ISO is where it was asked for": wishes_are_kept,
    "Ready has the right bytes": ready_is_whole,
    "Failed says why": failed_says_why,
    "Quota is what is stored": quota_adds_up,
    "Nothing is staged": nothing_is_staged,
    "Nothing is orphaned": nothing_is_orphaned,
    "Reconcile finds nothing": reconcile_finds_nothing,
}


def judge(world: World, ledger: Ledger) -> dict[str, list[str]]:
    """What every check found."""
    evidence = Evidence(world, ledger)
    return {name: check(evidence) for name, check in CHECKS.items()}

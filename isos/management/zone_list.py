"""What `manage.py zones list` and `zones check` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isos.states import ReplicaState
from isos.zone_health import ZoneHealth, where_of
from portal.kernel.text import in_columns
from zones.models import ZoneCheck

_HEAD = (
    "SLUG", "NAME", "STATE", "STORAGE", "WHERE", "REPLICAS", "STORED", "RUNNING", "QUEUED", "LIMIT", "LAST CHECK",
)  # fmt: skip


def zones_table(healths: Sequence[ZoneHealth]) -> str:
    return in_columns([_HEAD, *(_row(health) for health in healths)])


def zones_json(healths: Sequence[ZoneHealth]) -> list[dict[str, Any]]:
    """For programs: sizes in bytes, times in ISO 8601; `limit` 0 means any number."""
    return [
        {
            "slug": health.zone.slug,
            "name": health.zone.name,
            "state": health.zone.state,
            "state_reason": health.zone.state_reason,
            "backend": health.zone.backend,
            "where": where_of(health.zone),
            "replicas": {str(state): health.replicas.get(state, 0) for state in ReplicaState},
            "ready_bytes": health.ready_bytes,
            "running": health.running,
            "queued": health.queued,
            "oldest_waiting": health.oldest_waiting.isoformat() if health.oldest_waiting else None,
            "limit": health.zone.operation_limit,
            "check": check_json(health.check) if health.check else None,
        }
        for health in healths
    ]


def check_json(check: ZoneCheck) -> dict[str, Any]:
    """One check for programs; `free_bytes` is null where the storage can't tell."""
    return {
        "slug": check.zone.slug,
        "ok": check.ok,
        "sentence": check.sentence,
        "milliseconds": check.milliseconds,
        "free_bytes": check.free_bytes,
        "checked_at": check.checked_at.isoformat(),
    }


def checks_table(checks: Sequence[ZoneCheck]) -> str:
    rows = [(check.zone.slug, _verdict(check), f"{check.milliseconds} ms", check.sentence) for check in checks]
    return in_columns([("SLUG", "RESULT", "TOOK", "WHAT WAS FOUND"), *rows])


def _row(health: ZoneHealth) -> tuple[str, ...]:
    zone, check = health.zone, health.check
    return (
        zone.slug,
        zone.name,
        zone.state,
        zone.backend.rpartition(".")[2],
        where_of(zone),
        health.replicas_in_words,
        health.stored,
        str(health.running),
        str(health.queued),
        health.limit_in_words,
        f"{_verdict(check)}, {check.checked_at:%Y-%m-%d %H:%M} UTC" if check else "never",
    )


def _verdict(check: ZoneCheck) -> str:
    return "works" if check.ok else "fails"

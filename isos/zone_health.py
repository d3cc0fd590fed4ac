"""How each zone is doing: what it holds, what goes on in it, and what the last look at its storage said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, Sum

from isos.models import Operation, Replica
from isos.states import ACTIVE_OPERATION, OperationState, ReplicaState
from portal.kernel.text import human_bytes
from zones.models import Zone, ZoneCheck

_WHERE = ("location", "bucket_name", "endpoint_url", "azure_container", "account_name", "host", "root_path")
_USERINFO = re.compile(r"//[^/\s]*@")


@dataclass
class ZoneHealth:
    """One zone. `replicas` counts them by state; `ready_bytes` are the bytes of those that are Ready.

    `oldest_waiting` is when the oldest queued operation was made; `trouble` holds the sentences of operations that
    failed before and wait for their next try, each with how many say so.
    """

    zone: Zone
    check: ZoneCheck | None = None
    replicas: dict[str, int] = field(default_factory=dict)
    ready_bytes: int = 0
    running: int = 0
    queued: int = 0
    oldest_waiting: datetime | None = None
    trouble: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.replicas.values())

    @property
    def failed(self) -> int:
        return self.replicas.get(ReplicaState.FAILED, 0)

    @property
    def replicas_in_words(self) -> str:
        """`12 ready, 1 failed`; `none`."""
        there = [(state, self.replicas[state]) for state in map(str, ReplicaState) if self.replicas.get(state)]
        return ", ".join(f"{count} {state}" for state, count in there) or "none"

    @property
    def limit_in_words(self) -> str:
        return str(self.zone.operation_limit or "any number")

    @property
    def stored(self) -> str:
        return human_bytes(self.ready_bytes)

    @property
    def free(self) -> str:
        """What the storage said at the last check; "" where it can't tell."""
        known = self.check is not None and self.check.free_bytes is not None
        return human_bytes(self.check.free_bytes) if known and self.check else ""


def zone_healths(zones: Iterable[Zone]) -> list[ZoneHealth]:
    """The health of each zone, in their order; a fixed number of queries however many they are."""
    healths = {zone.pk: ZoneHealth(zone) for zone in zones}
    for check in ZoneCheck.objects.filter(zone__in=healths):
        healths[check.zone_id].check = check
    for row in _rows(Replica.objects, "state", count=Count("pk"), size=Sum("iso__size", default=0)):
        if health := healths.get(row["zone_id"]):
            health.replicas[row["state"]] = row["count"]
            if row["state"] == ReplicaState.READY:
                health.ready_bytes = row["size"]
    active = Operation.objects.filter(state__in=ACTIVE_OPERATION)
    for row in _rows(active, "error_message", **_WORK):
        if health := healths.get(row["zone_id"]):
            _add_work(health, row)
    return list(healths.values())


_WORK = {
    "running": Count("pk", filter=Q(state=OperationState.RUNNING)),
    "queued": Count("pk", filter=Q(state=OperationState.QUEUED)),
    "oldest": Min("created_at", filter=Q(state=OperationState.QUEUED)),
}


def _rows(rows: Any, *by: str, **sums: Any) -> Iterable[dict[str, Any]]:
    """Grouped by zone and `by`. Models that sort by themselves would be grouped by that too."""
    return rows.order_by().values("zone_id", *by).annotate(**sums)


def _add_work(health: ZoneHealth, row: dict[str, Any]) -> None:
    health.running += row["running"]
    health.queued += row["queued"]
    if row["oldest"] is not None:
        health.oldest_waiting = min(row["oldest"], health.oldest_waiting or row["oldest"])
    if row["error_message"] and row["queued"]:
        health.trouble[row["error_message"]] = row["queued"]


def where_of(zone: Zone) -> str:
    """Where a zone's storage is, for administrators: `/srv/isos`, `isos/a at https://s3.example.org`; no secret."""
    options = zone.options if isinstance(zone.options, dict) else {}
    known = {name: str(options[name]) for name in _WHERE if options.get(name)}
    server = known.pop("endpoint_url", "")
    bucket = [known.pop("bucket_name")] if "bucket_name" in known else []
    place = " at ".join(part for part in ("/".join([*bucket, *known.values()]), server) if part)
    return _USERINFO.sub("//", place)  # some backends have an address with a password for their location

"""A usage report as rows for files: the same in the command and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from portal.kernel.text import decimal_text
from quotas.charges import Line, Report
from quotas.money import PLACES

HEAD = (
    "account", "account_id", "iso", "iso_id", "zone", "replica_id", "bytes", "ready_from", "ready_until", "gb_hours",
    "cost", "currency",
)  # fmt: skip


def file_rows(report: Report) -> Iterator[dict[str, Any]]:
    """One row for each line. Times in ISO 8601, UTC; `ready_until` is empty while it goes on.

    GB-hours and costs are decimals as text, with six decimals; `cost` and `currency` are empty where nothing is
    charged. They are sums within the period; `ready_from` and `ready_until` may lie outside it.
    """
    return (_row(line) for line in report.lines)


def _row(line: Line) -> dict[str, Any]:
    values = (
        line.account.name, str(line.account.public_id), line.iso_name, str(line.iso_ref), line.zone.slug,
        str(line.replica_ref), line.bytes, moment(line.began), moment(line.ended) if line.ended else "",
        decimal_text(line.gb_hours, PLACES), f"{line.cost.amount:f}" if line.cost else "",
        line.cost.currency.code if line.cost else "",
    )  # fmt: skip
    return dict(zip(HEAD, values, strict=True))


def moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

"""System checks: limits that can't be meant, and databases in which a quota would not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from psycopg import IsolationLevel

from quotas.usage import LIMIT_NAMES


@register()
def check_defaults(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """quotas.E001: every default limit is a whole number above zero."""
    return [
        Error(
            f"The default quota {name} is {value!r}. It must be a whole number above zero.",
            hint=f"Set QUOTA_{name.upper()} to a larger number, or remove it to get the built-in default.",
            id="quotas.E001",
        )
        for name in LIMIT_NAMES
        if not isinstance(value := settings.QUOTA_DEFAULTS.get(name), int) or value <= 0
    ]


@register()
def check_isolation(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """quotas.E002: reservations count what was committed before them (see quotas/reservations.py)."""
    database = settings.DATABASES["default"]
    options = database.get("OPTIONS", {})
    if database["ENGINE"].endswith("sqlite3"):
        safe = str(options.get("transaction_mode")).upper() in ("IMMEDIATE", "EXCLUSIVE")
        hint = 'Set "transaction_mode": "IMMEDIATE" in the database\'s OPTIONS.'
    else:
        # REPEATABLE READ counts what was there when the transaction began. SERIALIZABLE is safe:
        # it fails such a transaction instead.
        safe = options.get("isolation_level") != IsolationLevel.REPEATABLE_READ
        hint = "Remove isolation_level from the database's OPTIONS: the default, READ COMMITTED, is right."
    if safe:
        return []
    return [Error("Quotas can be exceeded with this transaction mode of the database.", hint=hint, id="quotas.E002")]

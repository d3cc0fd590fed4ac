"""System checks: limits that can't be meant, prices in two currencies, databases in which a quota would not hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError
from psycopg import IsolationLevel

from quotas.prices import storage_prices
from quotas.usage import LIMIT_NAMES
from zones.models import Zone


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


@register(Tags.database)
def check_currency(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """quotas.W001: prices that hold now in another currency than the portal's, which can't be added to its own."""
    if not databases:
        return []
    try:
        prices = storage_prices().by_zone
    except DatabaseError:  # not migrated yet
        return []
    names = dict(Zone.objects.filter(pk__in=prices).values_list("pk", "name"))
    return [
        CheckWarning(
            f"The price of {names[pk]} is in {price.currency.code}, but CURRENCY is {settings.CURRENCY}.",
            hint="Set a new price in admin, or set CURRENCY back.",
            id="quotas.W001",
        )
        for pk, price in prices.items()
        if price.currency.code != settings.CURRENCY
    ]

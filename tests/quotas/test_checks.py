"""System checks: what `manage.py check` says before anything starts."""

import copy

import pytest
from moneyed import Money
from psycopg import IsolationLevel

from quotas.checks import check_currency, check_defaults, check_isolation
from quotas.prices import set_zone_price


def test_these_settings_are_fine():
    assert check_defaults(None) == []
    assert check_isolation(None) == []


@pytest.mark.parametrize("value", [0, -1, None, "10", 2.5])
@pytest.mark.parametrize("name", ["max_isos", "max_bytes", "max_iso_bytes", "max_uploads"])
def test_a_default_must_be_above_zero(settings, name, value):
    settings.QUOTA_DEFAULTS = settings.QUOTA_DEFAULTS | {name: value}
    (error,) = check_defaults(None)
    assert error.id == "quotas.E001"
    assert error.msg == f"The default quota {name} is {value!r}. It must be a whole number above zero."
    assert f"QUOTA_{name.upper()}" in error.hint


def test_every_bad_default_is_named(settings):
    settings.QUOTA_DEFAULTS = {"max_isos": 0, "max_bytes": 1, "max_iso_bytes": 1}
    assert [error.msg.split()[3] for error in check_defaults(None)] == ["max_isos", "max_uploads"]


@pytest.mark.parametrize(
    ("engine", "options", "safe"),
    [
        ("sqlite3", {"transaction_mode": "IMMEDIATE"}, True),
        ("sqlite3", {"transaction_mode": "exclusive"}, True),
        ("sqlite3", {"transaction_mode": "DEFERRED"}, False),
        ("sqlite3", {}, False),
        ("postgresql", {}, True),
        ("postgresql", {"isolation_level": IsolationLevel.SERIALIZABLE}, True),
        ("postgresql", {"isolation_level": IsolationLevel.REPEATABLE_READ}, False),
    ],
)
def test_a_transaction_mode_that_lets_quotas_be_exceeded(monkeypatch, settings, engine, options, safe):
    databases = copy.deepcopy(settings.DATABASES)
    databases["default"] |= {"ENGINE": f"django.db.backends.{engine}", "OPTIONS": options}
    monkeypatch.setattr("quotas.checks.settings", type("Settings", (), {"DATABASES": databases}))
    assert [error.id for error in check_isolation(None)] == ([] if safe else ["quotas.E002"])


def test_they_are_registered():
    from django.core.checks import registry

    assert {check_defaults, check_isolation} <= set(registry.registry.get_checks())


@pytest.mark.django_db
def test_prices_that_stayed_behind_in_another_currency_are_named(zone_a, zone_b, settings):
    for zone in (zone_a, zone_b):
        set_zone_price(zone, Money("0.05", "USD"))
    assert check_currency(None, ["default"]) == []
    settings.CURRENCY = "EUR"
    set_zone_price(zone_a, Money("0.04", "EUR"))
    (warning,) = check_currency(None, ["default"])
    assert (warning.id, warning.msg) == ("quotas.W001", "The price of zone-b is in USD, but CURRENCY is EUR.")
    assert check_currency(None, None) == [], "only where a database is asked for"

"""A pytest plugin for the second run, on PostgreSQL: keeps the tests that touch the database.

Tests of a browser or of whole processes are left out: they bring a database of their own or
look at pages, and take long. `pytest -p tests.only_database`
"""

from __future__ import annotations

import pytest

DATABASE_FIXTURES = {"db", "transactional_db", "django_db_setup"}
LEFT_OUT = ("browser", "processes")


def touches_database(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(marker) for marker in LEFT_OUT):
        return False
    return bool(item.get_closest_marker("django_db") or DATABASE_FIXTURES & set(getattr(item, "fixturenames", ())))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if touches_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept

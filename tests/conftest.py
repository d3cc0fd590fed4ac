"""The fixed cast: an owner, a teammate in the same Account, a stranger in another, an administrator."""

import pytest
from django.db.backends.sqlite3.base import DatabaseOperations

from portal.accounts.models import Account, User
from zones.models import Zone
from zones.stores import open_store

_flush = DatabaseOperations.execute_sql_flush


def _flush_append_only(self, sql_list):
    """Between tests even append-only tables are emptied: on SQLite that is a DELETE, which their triggers refuse."""
    with self.connection.cursor() as cursor:
        triggers = cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        _flush(self, sql_list)
        for _, sql in triggers:
            cursor.execute(sql)


DatabaseOperations.execute_sql_flush = _flush_append_only


@pytest.fixture
def account(db):
    return Account.objects.create(name="Demo")


@pytest.fixture
def owner(account):
    return User.objects.create_user("owner", "owner@example.org", "owner-password", account=account)


@pytest.fixture
def teammate(account, owner):
    """A member: the account has its owner already."""
    return User.objects.create_user("teammate", "teammate@example.org", "teammate-password", account=account)


@pytest.fixture
def stranger(db):
    other = Account.objects.create(name="Other")
    return User.objects.create_user("stranger", "stranger@example.org", "stranger-password", account=other)


@pytest.fixture
def admin_user(db):
    staff = Account.objects.create(name="Administrators")
    return User.objects.create_superuser("admin", "admin@example.org", "admin-password", account=staff)


def make_file_zone(slug, root, **fields):
    root.mkdir(parents=True, exist_ok=True)
    zone = Zone.objects.create(slug=slug, name=slug, options={"location": str(root)}, **fields)
    open_store(zone)  # marks its root
    return zone


@pytest.fixture
def zone_a(db, tmp_path):
    return make_file_zone("zone-a", tmp_path / "zone-a")


@pytest.fixture
def zone_b(db, tmp_path):
    return make_file_zone("zone-b", tmp_path / "zone-b")

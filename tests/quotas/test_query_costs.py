"""What quotas cost the database."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.accounts.models import Account
from quotas.models import Reservation
from quotas.reservations import overview, release, resize, settle, usage_of
from quotas.usage import overviews
from tests.quotas.conftest import hold, limit

pytestmark = pytest.mark.django_db


def test_a_page_needs_two_queries(account, django_assert_num_queries):
    limit(account, max_isos=5)
    for _ in range(3):
        hold(account)
    account.refresh_from_db()
    with django_assert_num_queries(1):
        usage_of(account)
    with django_assert_num_queries(2):
        quota = overview(account)
        assert quota.remaining_isos == 2
        assert quota.largest_possible
        assert not quota.is_full


def test_all_accounts_need_three_queries(account, stranger, django_assert_num_queries):
    limit(account, max_isos=5)
    hold(account, 3)
    hold(stranger.account, 4)
    Account.objects.create(name="Without anything")
    with django_assert_num_queries(3):
        found = overviews(Account.objects.all())
    assert [(quota.usage.bytes, quota.limits.own) for _, quota in found] == [
        (3, {"max_isos"}),
        (4, frozenset()),
        (0, frozenset()),
    ]
    assert [quota for _, quota in found] == [overview(account) for account, _ in found]


def test_writes_stay_cheap(account, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):  # savepoint, lock, limits, usage, insert, savepoint
        replica = hold(account, 1).replica_ref
    with django_assert_max_num_queries(6):
        resize(replica, 2)
    with django_assert_max_num_queries(1):
        settle(replica)
    with django_assert_max_num_queries(2):  # the reservation, and where its usage ends
        release(replica)


def test_usage_reads_the_index_alone(account, stranger):
    """Neither database touches the table to add up what an account uses."""
    Reservation.objects.bulk_create(
        Reservation(account=owner, iso_ref=uuid.uuid4(), replica_ref=uuid.uuid4(), source="fetch", bytes=1)
        for owner in (account, stranger.account)
        for _ in range(200)
    )
    with CaptureQueriesContext(connection) as queries:
        usage_of(account)
    (query,) = queries.captured_queries
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {query['sql']}")
            expected = "Index Only Scan using reservation_usage"
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            expected = "USING COVERING INDEX reservation_usage (account_id=?)"
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert expected in plan

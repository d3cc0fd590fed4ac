"""What usage costs in cases that can be worked out by hand; see tests/properties/test_usage_oracle.py for the rest."""

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
import time_machine
from django.db import transaction
from moneyed import Money

from portal.accounts.models import Account
from quotas import usage_spans
from quotas.charges import month_of, next_month, report
from quotas.models import ZonePrice
from quotas.money import MixedCurrencies

pytestmark = pytest.mark.django_db
GB = 10**9
JANUARY, FEBRUARY, MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 5))
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def later():
    with time_machine.travel(APRIL + 30 * DAY, tick=False):
        yield


def kept(account, zone, began, ended=None, size=GB, name="Debian", replica=None):
    replica = replica or uuid.uuid4()
    with transaction.atomic():
        usage_spans.begin(
            account,
            zone,
            iso_ref=uuid.uuid5(uuid.NAMESPACE_OID, name),
            iso_name=name,
            replica_ref=replica,
            size=size,
            at=began,
        )
        if ended:
            usage_spans.end(replica, at=ended)
    return replica


def price(zone, text, at, currency="USD"):
    ZonePrice.objects.create(zone=zone, number=Decimal(text), currency=currency, valid_from=at)


def usd(text):
    return Money(Decimal(text), "USD")


@pytest.mark.parametrize(("start", "end"), [(JANUARY, FEBRUARY), (FEBRUARY, MARCH)])
def test_one_gb_for_a_whole_month_costs_its_price_however_long_the_month(account, zone_a, start, end):
    price(zone_a, "0.05", JANUARY)
    kept(account, zone_a, JANUARY)
    found = report(start, end, account)
    assert found.cost == usd("0.05")
    assert found.gb_hours == 24 * (end - start).days


def test_a_stretch_over_two_months_pays_each_months_part(account, zone_a):
    price(zone_a, "31", JANUARY)
    kept(account, zone_a, FEBRUARY - DAY, FEBRUARY + DAY)
    assert report(JANUARY, MARCH, account).cost.amount == round(Decimal(31) / 31 + Decimal(31) / 28, 6)


def test_a_price_that_changes_in_mid_month_holds_from_then_on(account, zone_a):
    price(zone_a, "28", JANUARY)
    price(zone_a, "56", FEBRUARY + 7 * DAY)
    price(zone_a, "0", FEBRUARY + 14 * DAY)
    kept(account, zone_a, FEBRUARY)
    assert report(FEBRUARY, MARCH, account).cost == usd("21")  # 7 of it, 14 of twice as much, then nothing


def test_a_delete_and_a_copy_in_mid_month(account, zone_a, zone_b):
    price(zone_a, "28", JANUARY)
    price(zone_b, "2.8", JANUARY)
    kept(account, zone_a, FEBRUARY, FEBRUARY + 10 * DAY)
    kept(account, zone_b, FEBRUARY + 5 * DAY)
    found = report(FEBRUARY, MARCH, account)
    assert [(line.zone, line.cost) for line in found.lines] == [(zone_a, usd("10")), (zone_b, usd("2.3"))]
    assert found.gb_hours == Fraction(24 * 33)
    assert found.gb_hours_of((FEBRUARY + 7 * DAY).date()) == 48
    assert found.gb_hours_of((FEBRUARY + 15 * DAY).date()) == 24
    assert found.gb_hours_of(MARCH.date()) == 0


def test_what_goes_on_counts_until_now(account, zone_a):
    kept(account, zone_a, APRIL + 29 * DAY)
    found = report(APRIL, APRIL + 90 * DAY, account)
    assert (found.gb_hours, found.cost, found.lines[0].ended) == (24, None, None)


def test_one_replica_is_one_line_whatever_happened_to_it(account, zone_a):
    replica = kept(account, zone_a, FEBRUARY, FEBRUARY + DAY)
    kept(account, zone_a, FEBRUARY + 3 * DAY, FEBRUARY + 5 * DAY, replica=replica)
    (line,) = report(FEBRUARY, MARCH, account).lines
    assert (line.gb_hours, line.began, line.ended) == (72, FEBRUARY, FEBRUARY + 5 * DAY)


def test_the_total_is_the_sum_of_its_lines_as_they_are_shown(account, zone_a):
    price(zone_a, "0.0000" + "14", JANUARY)
    for _ in range(3):
        kept(account, zone_a, FEBRUARY, FEBRUARY + 5 * DAY)  # 2.5 millionths each
    found = report(FEBRUARY, MARCH, account)
    assert [line.cost for line in found.lines] == [usd("0.000003")] * 3
    assert found.cost == usd("0.000009")


def test_two_currencies_are_not_added_up(account, zone_a, zone_b):
    price(zone_a, "1", JANUARY)
    price(zone_b, "1", JANUARY, "EUR")
    kept(account, zone_a, FEBRUARY)
    kept(account, zone_b, FEBRUARY)
    found = report(FEBRUARY, MARCH, account)
    with pytest.raises(MixedCurrencies, match="EUR and USD"):
        _ = found.cost


def test_a_replica_priced_in_two_currencies_is_refused(account, zone_a):
    price(zone_a, "1", JANUARY)
    price(zone_a, "1", FEBRUARY + DAY, "EUR")
    kept(account, zone_a, FEBRUARY)
    with pytest.raises(MixedCurrencies):
        report(FEBRUARY, MARCH, account)
    assert report(FEBRUARY, FEBRUARY + DAY, account).cost


def test_all_accounts_in_two_queries(account, stranger, zone_a, zone_b, django_assert_num_queries):
    price(zone_a, "1", JANUARY)
    for owner in (stranger.account, account, Account.objects.create(name="A")):
        for zone in (zone_b, zone_a):
            kept(owner, zone, FEBRUARY, name="debian")
    with django_assert_num_queries(2):
        found = report(FEBRUARY, MARCH)
    assert [(line.account.name, line.zone.slug) for line in found.lines] == [
        (name, zone) for name in ("A", "Demo", "Other") for zone in ("zone-a", "zone-b")
    ]


def test_months():
    assert next_month(datetime(2026, 12, 1, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_of(datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)) == datetime(2026, 12, 1, tzinfo=UTC)

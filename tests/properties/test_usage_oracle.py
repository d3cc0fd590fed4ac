"""Usage and its cost against a slow computation of the same from the words of the rule, over random histories.

The oracle knows nothing of spans, clips and sorted turns: it cuts time into all stretches in which nothing at all
changes (no replica, price, month or day), asks of each what was there and what it cost, and adds fractions.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from uuid import UUID

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from portal.accounts.models import Account
from quotas import usage_spans
from quotas.charges import report
from quotas.models import ZonePrice
from zones.models import Zone

# Over the end of a February and of a year that has one of 29 days, to the microsecond.
FIRST = datetime(2028, 1, 20, tzinfo=UTC)
LAST = datetime(2028, 4, 10, tzinfo=UTC)
SPAN = (LAST - FIRST) // timedelta(microseconds=1)
MOMENTS = st.one_of(
    st.integers(0, SPAN).map(lambda us: FIRST + timedelta(microseconds=us)),
    # Where two things happen in the same moment, and on the edges of days and months.
    st.sampled_from([FIRST, *(datetime(2028, month, 1, tzinfo=UTC) for month in (2, 3, 4)), LAST]),
    st.integers(0, 80).map(lambda days: FIRST + timedelta(days=days)),
)
SIZES = st.one_of(st.integers(10**9, 40 * 10**9), st.integers(0, 4))
PRICES = st.one_of(st.just(Decimal(0)), st.decimals("0.000001", "999999", places=6))
REPLICAS = st.integers(0, 3)


@dataclass(frozen=True)
class Happening:
    when: datetime
    what: str  # ready, gone, price
    replica: int = 0
    size: int = 0
    zone: int = 0
    price: Decimal = Decimal(0)


HAPPENINGS = st.lists(
    st.one_of(
        st.builds(Happening, MOMENTS, st.just("ready"), replica=REPLICAS, size=SIZES),
        st.builds(Happening, MOMENTS, st.just("gone"), replica=REPLICAS),
        st.builds(Happening, MOMENTS, st.just("price"), zone=st.integers(0, 1), price=PRICES),
    ),
    min_size=3,
    max_size=14,
)
# Mostly something is charged from the beginning, and the whole of the time is looked at from its end.
FIRST_PRICES = st.tuples(*(st.one_of(PRICES, st.just(Decimal("0.05"))) for _ in range(2))).map(
    lambda prices: [Happening(FIRST, "price", zone=zone, price=price) for zone, price in enumerate(prices)]
)
EDGES = st.one_of(st.just((FIRST, LAST)), st.tuples(MOMENTS, MOMENTS).map(sorted))
NOWS = st.one_of(st.just(LAST), MOMENTS)


def zone_of(replica):
    return replica % 2


def month_start(moment):
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def oracle(history, start, end, now):
    """Byte-microseconds and cost of each replica, and byte-microseconds of each day."""
    end = min(end, now)
    days = [FIRST - timedelta(days=40) + timedelta(days=n) for n in range(160)]  # months begin with a day
    cuts = sorted({start, end, *days, *(one.when for one in history)})
    time, cost, by_day = defaultdict(int), defaultdict(Fraction), defaultdict(int)
    for left, right in pairwise(cut for cut in cuts if start <= cut <= end):
        there, prices = {}, {}
        for one in history:  # in order; what begins at `left` holds already
            if one.when > left:
                break
            if one.what == "ready":
                there[one.replica] = one.size
            elif one.what == "gone":
                there.pop(one.replica, None)
            else:
                prices[one.zone] = one.price
        us = (right - left) // timedelta(microseconds=1)
        first = month_start(left)
        month = (month_start(first + timedelta(days=32)) - first) // timedelta(microseconds=1)
        for replica, size in there.items():
            time[replica] += size * us
            by_day[left.date()] += size * us
            cost[replica] += Fraction(prices.get(zone_of(replica), 0)) * Fraction(size, 10**9) * Fraction(us, month)
    return time, cost, by_day


def at_six_decimals(amount):
    return Decimal(math.floor(amount * 10**6 + Fraction(1, 2))).scaleb(-6)


class TestUsage(TestCase):
    @settings(
        max_examples=150,
        deadline=None,
        # A dozen happenings are readable as they are; shrinking them against a database takes minutes.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(prices=FIRST_PRICES, history=HAPPENINGS, edges=EDGES, now=NOWS)
    def test_equals_the_slow_computation(self, prices, history, edges, now):
        start, end = edges
        history = sorted(prices + history, key=lambda one: one.when)
        history = [one for one in history if one.when <= now]  # what is to come is not known yet
        account = Account.objects.create(name="One")
        stranger = Account.objects.create(name="Two")
        zones = [Zone.objects.create(slug=slug, name=slug) for slug in ("zone-a", "zone-b")]
        with transaction.atomic():
            for one in history:
                happen(one, account, zones)
            usage_spans.begin(  # somebody else's, which must not be in it
                stranger, zones[0], iso_ref=UUID(int=99), iso_name="x", replica_ref=UUID(int=99), size=7, at=FIRST
            )
        with time_machine.travel(now, tick=False):
            found = report(start, end, account)
        time, cost, by_day = oracle(history, start, end, now)
        assert {line.replica_ref.int: line.byte_time for line in found.lines if line.byte_time} == {
            replica: amount for replica, amount in time.items() if amount
        }
        assert {line.replica_ref.int: line.cost.amount for line in found.lines if line.cost} == {
            replica: at_six_decimals(amount) for replica, amount in cost.items() if at_six_decimals(amount)
        }
        assert {day: amount for day, amount in found.by_day.items() if amount} == {
            day: amount for day, amount in by_day.items() if amount
        }
        assert sum(found.by_day.values()) == sum(line.byte_time for line in found.lines)
        assert found.gb_hours == Fraction(sum(time.values()), 10**9 * 3_600_000_000)


def happen(one, account, zones):
    replica = UUID(int=one.replica)
    if one.what == "ready":
        zone = zones[zone_of(one.replica)]
        usage_spans.begin(account, zone, iso_ref=replica, iso_name="x", replica_ref=replica, size=one.size, at=one.when)
    elif one.what == "gone":
        usage_spans.end(replica, at=one.when)
    else:
        ZonePrice.objects.create(zone=zones[one.zone], number=one.price, currency="USD", valid_from=one.when)


@pytest.mark.parametrize(
    ("amount", "text"), [("1/3", "0.333333"), ("1/2000000", "0.000001"), ("5", "5.000000"), ("0", "0.000000")]
)
def test_the_oracle_rounds_as_meant(amount, text):
    assert str(at_six_decimals(Fraction(amount))) == text

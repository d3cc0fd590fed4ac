"""Amounts of money: exact sums, one rounding, and words."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moneyed import Money

from quotas.money import MixedCurrencies, amount_text, millionths, price_text, rounded, total

AMOUNTS = st.decimals(0, 999_999, places=6, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("amount", "code", "price", "paid"),
    [
        ("0.05", "USD", "$0.05", "$0.05"),
        ("0.023400", "USD", "$0.0234", "$0.02"),
        ("0.025", "USD", "$0.025", "$0.03"),
        ("0.004999", "USD", "$0.004999", "less than $0.01"),
        ("1234.5", "EUR", "€1,234.50", "€1,234.50"),
        ("0.4", "JPY", "¥0.4", "less than ¥1"),
        ("1.5", "JPY", "¥1.5", "¥2"),
        ("1.5", "KWD", "KWD1.500", "KWD1.500"),
        ("0", "USD", "$0.00", "No charge"),
    ],
)
def test_words(amount, code, price, paid):
    money = Money(Decimal(amount), code)
    assert (price_text(money).replace("\xa0", ""), amount_text(money).replace("\xa0", "")) == (price, paid)


def test_nothing_is_no_charge():
    assert amount_text(None) == "No charge"
    assert total([]) is None


def test_mixed_currencies_have_no_sum():
    with pytest.raises(MixedCurrencies, match=r"These prices are in EUR and USD, which can't be added up\."):
        total([Money(1, "USD"), Money(2, "EUR"), Money(3, "USD")])


@given(st.lists(AMOUNTS, min_size=1, max_size=8))
def test_a_sum_is_exact_whatever_its_order(amounts):
    parts = [Money(amount, "USD") for amount in amounts]
    assert total(parts) == total(reversed(parts))
    assert sum(map(Fraction, amounts)) == Fraction(total(parts).amount)


@given(st.fractions(0, 10**30), st.integers(0, 6))
def test_rounding_is_never_off_by_more_than_half_a_unit(amount, places):
    off = Fraction(rounded(amount, "USD", places).amount) - amount
    assert -Fraction(1, 2) < off * 10**places <= Fraction(1, 2)


@given(AMOUNTS)
def test_millionths_lose_nothing(amount):
    assert Fraction(millionths(Money(amount, "USD")), 10**6) == Fraction(amount)

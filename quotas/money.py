"""Amounts of money: exact, in one currency at a time, and how they are written.

Nothing here is a float. Prices have up to six decimals; what is computed from them is a Fraction until it is
rounded once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

from babel.numbers import get_currency_precision
from moneyed import Money, get_currency
from moneyed.l10n import format_money

from portal.kernel.errors import PortalError
from portal.kernel.text import join_words

PLACES = 6  # decimals of a price, and of a line of usage
DIGITS = 12  # of a price in all; SQLite keeps fifteen exactly
NO_CHARGE = "No charge"
_LOCALE = "en_US"  # like the rest of the pages


class MixedCurrencies(PortalError):
    """Amounts in several currencies have no sum."""

    code = "mixed_currencies"
    status = 409

    @classmethod
    def of(cls, codes: Iterable[str]) -> MixedCurrencies:
        return cls(f"These prices are in {join_words(sorted(codes))}, which can't be added up.")


def rounded(amount: Fraction, currency: str, places: int = PLACES) -> Money:
    """`amount` with so many decimals; half a unit goes up, as people round money."""
    units = amount * 10**places
    whole = int(units)
    whole += units - whole >= Fraction(1, 2)  # amounts are never negative
    with localcontext() as context:
        context.prec = 60
        return Money(Decimal(whole).scaleb(-places), get_currency(currency))


def total(amounts: Iterable[Money]) -> Money | None:
    """Their exact sum; None where there are none. Raises MixedCurrencies."""
    rows = list(amounts)
    codes = {row.currency.code for row in rows}
    if len(codes) > 1:
        raise MixedCurrencies.of(codes)
    return rounded(sum((Fraction(row.amount) for row in rows), Fraction(0)), codes.pop()) if rows else None


def price_text(price: Money) -> str:
    """A price with all its decimals, at least those of its currency: `$0.05`, `$0.0234`."""
    return str(format_money(price, locale=_LOCALE, decimal_quantization=False))


def amount_text(amount: Money | None) -> str:
    """A sum as it is paid: `$0.46`; `No charge` for nothing, `less than $0.01` below the smallest unit."""
    if amount is None or not amount.amount:
        return NO_CHARGE
    places = get_currency_precision(amount.currency.code)
    smallest = Decimal(1).scaleb(-places)
    if amount.amount < smallest:
        return f"less than {format_money(Money(smallest, amount.currency), locale=_LOCALE)}"
    with localcontext() as context:
        context.prec = 60
        paid = amount.amount.quantize(smallest, rounding=ROUND_HALF_UP)
        return str(format_money(Money(paid, amount.currency), locale=_LOCALE))


def millionths(price: Money) -> int:
    """A price as a whole number, for scripts that count with it."""
    return int(price.amount.scaleb(PLACES))

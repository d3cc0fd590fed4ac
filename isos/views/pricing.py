"""Prices beside ISOs and zones: computed once here, so that templates only lay them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from moneyed import Money

from isos.models import IsoPrice
from isos.prices import KEPT_STATES, own_prices, storage_cost
from quotas.money import NO_CHARGE, MixedCurrencies, amount_text, millionths, price_text
from quotas.prices import StoragePrices, storage_prices

if TYPE_CHECKING:  # rows are made with what is defined here
    from isos.views.rows import Row, ZoneLine

SEVERAL = "Several currencies"


@dataclass(frozen=True)
class PriceShown:
    """What one ISO costs, in words: `own` the image itself, `storage` its replicas in a month. "" means nothing."""

    own: str = ""
    own_per: str = ""
    storage: str = ""

    @property
    def is_free(self) -> bool:
        return not (self.own or self.storage)


@dataclass(frozen=True)
class ZonePriceShown:
    """What storing something in one zone costs. `millionths` and `currency` are for the page's script."""

    words: str
    millionths: int = 0
    currency: str = ""


def priced(rows: Sequence[Row]) -> list[Row]:
    """The same rows with their prices, after two queries. What storage costs is told to the ISO's own account only."""
    own = own_prices([row.iso for row in rows])
    storage = storage_prices()
    return [_priced(row, own.get(row.iso.pk), storage) for row in rows]


def per_gb(prices: StoragePrices, zone_id: int) -> ZonePriceShown:
    """A GB-month in a zone, for choosing zones while the size is not known: `$0.05 / GB-month`."""
    return _zone_price(prices, zone_id, f"{price_text(price)} / GB-month" if (price := prices.per_gb(zone_id)) else "")


def per_month(prices: StoragePrices, zone_id: int, size: int) -> ZonePriceShown:
    """What `size` bytes cost there in a month: `$0.15 / mo`."""
    cost = prices.monthly(zone_id, size)
    return _zone_price(prices, zone_id, f"{amount_text(cost)} / mo" if cost else "")


def total_per_month(prices: StoragePrices, zone_ids: Sequence[int], size: int) -> str:
    """The same for a replica in each of the zones; `No charge` where all of that is free."""
    return _sum_words(lambda: prices.monthly_in(zone_ids, size)) or NO_CHARGE


def _zone_price(prices: StoragePrices, zone_id: int, words: str) -> ZonePriceShown:
    price = prices.per_gb(zone_id)
    if price is None:
        return ZonePriceShown(NO_CHARGE)
    return ZonePriceShown(words or NO_CHARGE, millionths(price), price.currency.code)


def _priced(row: Row, own: IsoPrice | None, storage: StoragePrices) -> Row:
    shown = PriceShown(
        own=price_text(own.amount) if own else "",
        own_per=own.per if own else "",
        storage=_sum_words(lambda: storage_cost(row.iso, storage)) if row.is_own else "",
    )
    return replace(row, price=shown, zones=[_priced_zone(zone, storage) for zone in row.zones])


def _priced_zone(zone: ZoneLine, storage: StoragePrices) -> ZoneLine:
    if zone.state not in KEPT_STATES:
        return zone
    return replace(zone, price=per_month(storage, zone.replica.zone_id, zone.replica.iso.size or 0).words)


def _sum_words(add: Callable[[], Money | None]) -> str:
    """`$0.46 / mo`, "" for nothing, and that there is no sum where there is none."""
    try:
        cost = add()
    except MixedCurrencies:
        return SEVERAL
    return f"{amount_text(cost)} / mo" if cost else ""

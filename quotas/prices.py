"""What storage costs: the prices of a moment, and their sole writer.

Prices are shown and added up through this; usage is priced by quotas.charges, with the prices of its own time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.conf import settings
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone
from moneyed import Money

from portal.accounts.models import User
from portal.kernel.errors import InvalidInput
from quotas.models import ZonePrice
from quotas.money import DIGITS, PLACES, rounded, total
from zones.models import Zone

GB = 1_000_000_000  # as pages write sizes
MOST = Decimal(10) ** (DIGITS - PLACES) - Decimal(1).scaleb(-PLACES)
_LATE = timedelta(minutes=5)  # a form that was open for a while, or a clock that is a little off


@dataclass(frozen=True)
class StoragePrices:
    """What a GB-month costs in each zone, by the zone's id. A zone that is missing charges nothing."""

    by_zone: Mapping[int, Money]

    def per_gb(self, zone_id: int) -> Money | None:
        """The price of a GB-month; None where nothing is charged."""
        return self.by_zone.get(zone_id)

    def monthly(self, zone_id: int, size: int) -> Money | None:
        """What `size` bytes cost there in a whole calendar month; None where nothing is charged."""
        price = self.per_gb(zone_id)
        return rounded(Fraction(price.amount) * size / GB, price.currency.code) if price and size else None

    def monthly_in(self, zone_ids: Iterable[int], size: int) -> Money | None:
        """The same for a replica in each of the zones. Raises MixedCurrencies."""
        return total(cost for zone_id in zone_ids if (cost := self.monthly(zone_id, size)))


def storage_prices(at: datetime | None = None) -> StoragePrices:
    """The prices that hold at a moment, now by default. One query."""
    held = ZonePrice.objects.filter(zone=OuterRef("zone"), valid_from__lte=at or timezone.now())
    newest = ZonePrice.objects.annotate(newest=Subquery(held.order_by("-valid_from", "-id").values("pk")[:1]))
    return StoragePrices({row.zone_id: row.amount for row in newest.filter(pk=F("newest")) if row.amount.amount})


def set_zone_price(
    zone: Zone, amount: Money, *, valid_from: datetime | None = None, by: User | None = None
) -> ZonePrice:
    """Let a GB-month in `zone` cost `amount` from a moment on, now by default. Raises InvalidInput."""
    starts = checked(amount, valid_from)
    return ZonePrice.objects.create(
        zone=zone, number=amount.amount, currency=amount.currency.code, valid_from=starts, set_by=by
    )


def checked(amount: Money, valid_from: datetime | None) -> datetime:
    """When a new price begins. Raises InvalidInput for one that can't be set."""
    if amount.currency.code != settings.CURRENCY:
        raise InvalidInput(
            f"The portal's prices are in {settings.CURRENCY}; this one is in {amount.currency.code}."
            " Prices in several currencies can't be added up.",
            field="amount",
        )
    if not amount.amount.is_finite() or amount.amount < 0:
        raise InvalidInput("A price can't be negative. Write 0 for no charge.", field="amount")
    if amount.amount > MOST:
        raise InvalidInput(f"The highest price is {MOST:,}.", field="amount")
    if amount.amount != amount.amount.quantize(Decimal(1).scaleb(-PLACES)):
        raise InvalidInput(f"A price has up to {PLACES} decimals.", field="amount")
    now = timezone.now()
    if valid_from and valid_from < now - _LATE:
        raise InvalidInput(
            "This moment has passed, and usage before now has its price already. Leave it empty to begin now.",
            field="valid_from",
        )
    return max(valid_from, now) if valid_from else now

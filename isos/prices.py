"""What ISOs cost: the image's own price, and the storage of its replicas.

For pages, and for whatever launches machines later. Nothing here asks once per ISO.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db.models import F, OuterRef, Subquery
from django.utils import timezone
from moneyed import Money

from isos.models import Iso, IsoPrice
from isos.states import ReplicaState
from quotas.prices import StoragePrices

# A replica that failed or goes away is nothing that anybody goes on paying for.
KEPT_STATES = frozenset(ReplicaState) - {ReplicaState.FAILED, ReplicaState.DELETING}


def own_prices(isos: Collection[Iso], at: datetime | None = None) -> Mapping[int, IsoPrice]:
    """The prices of the images themselves at a moment, now by default, by the ISO's id; free ones are left out.

    One query, however many they are.
    """
    held = IsoPrice.objects.filter(iso=OuterRef("iso"), valid_from__lte=at or timezone.now())
    newest = IsoPrice.objects.annotate(newest=Subquery(held.order_by("-valid_from", "-id").values("pk")[:1]))
    rows = newest.filter(iso__in=[iso.pk for iso in isos], pk=F("newest"))
    return {row.iso_id: row for row in rows if row.iso_id and row.amount.amount}


def own_price(iso: Iso, at: datetime | None = None) -> IsoPrice | None:
    """The image's own price at a moment; None where it is free."""
    return own_prices([iso], at).get(iso.pk)


def storage_cost(iso: Iso, prices: StoragePrices) -> Money | None:
    """What keeping all its replicas costs in a month, those on their way too; None where that is free.

    Reads the prefetched `replicas`. Raises MixedCurrencies.
    """
    return prices.monthly_in(_zone_ids(iso), iso.size or 0)


def _zone_ids(iso: Iso) -> Iterable[int]:
    return (replica.zone_id for replica in iso.replicas.all() if replica.state in KEPT_STATES)

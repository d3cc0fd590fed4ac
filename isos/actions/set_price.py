"""Set the price of an ISO itself. Administrators only; the old prices stay."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from moneyed import Money

from isos import audit
from isos.models import Event, Iso, IsoPrice
from isos.prices import own_price
from portal.kernel.errors import NotAllowed
from quotas.money import NO_CHARGE
from quotas.prices import checked


def set_price(
    actor: audit.Actor, iso: Iso, amount: Money, period: IsoPrice.Period, *, valid_from: datetime | None = None
) -> IsoPrice:
    """Let `iso` cost `amount` from a moment on, now by default. Raises NotAllowed or InvalidInput."""
    if not actor.may_feature:
        raise NotAllowed("Prices are set by administrators.")
    starts = checked(amount, valid_from)
    with transaction.atomic():
        before = own_price(iso)
        price = IsoPrice.objects.create(
            iso=iso, iso_ref=iso.public_id, iso_name=iso.name, number=amount.amount,
            currency=amount.currency.code, period=period, valid_from=starts, set_by=actor.user,
        )  # fmt: skip
        after = f"{price.words} from {starts:%Y-%m-%d %H:%M} UTC"
        words = before.words if before else NO_CHARGE
        audit.record(Event.Verb.EDITED, iso, actor, field="price", before=words, after=after)
    return price

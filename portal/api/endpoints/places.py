"""What can be chosen: zones and operating systems."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from isos.models import OsVersion
from portal.api.answers import answers
from portal.api.auth import READ
from portal.api.outputs import money_out
from portal.api.schemas import OsVersionOut, ZoneOut
from quotas.prices import storage_prices
from zones.models import Zone

router = Router(tags=["Zones and choices"])


@router.get("/zones", auth=READ, response=answers(200, list[ZoneOut]), url_name="zones", summary="List zones")
def list_zones(request: HttpRequest) -> list[ZoneOut]:
    """All of them; only active ones take new images."""
    prices = storage_prices()
    return [
        ZoneOut(
            slug=zone.slug,
            name=zone.name,
            description=zone.description,
            state=Zone.State(zone.state),
            state_reason=zone.state_reason,
            price_per_gb_month=money_out(prices.per_gb(zone.pk)),
        )
        for zone in Zone.objects.all()
    ]


@router.get(
    "/os-versions",
    auth=READ,
    response=answers(200, list[OsVersionOut]),
    url_name="os_versions",
    summary="List OS versions",
)
def list_os_versions(request: HttpRequest) -> list[OsVersionOut]:
    """Those that can be chosen now."""
    return [OsVersionOut.from_orm(version) for version in OsVersion.objects.filter(active=True)]

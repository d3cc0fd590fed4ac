"""Copy ISO: choose zones, then one copy for each; its progress is the list's."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from isos import queries
from isos.actions.copy_to_zones import CopyRefused, copy_to_zones
from isos.audit import Actor
from isos.models import Iso, Replica
from isos.states import ReplicaState
from isos.views.pricing import ZonePriceShown, per_month
from isos.views.requests import go_back, next_page, user_of
from portal.accounts.roles import Right
from portal.kernel.errors import PortalError
from portal.kernel.text import human_bytes, join_words
from quotas.money import NO_CHARGE
from quotas.prices import storage_prices
from quotas.usage import overview
from zones.models import Zone

_THERE = {
    ReplicaState.READY: "Already here",
    ReplicaState.FAILED: "Failed, choose Retry there",
    ReplicaState.DELETING: "Being deleted",
}


@dataclass(frozen=True)
class ZoneChoice:
    """One zone as a copy's target. `hurdle` says why it can't be one, `error` what was wrong with choosing it."""

    zone: Zone
    holds: bool = False
    hurdle: str = ""
    checked: bool = False
    error: str = ""
    price: ZonePriceShown = field(default_factory=lambda: ZonePriceShown(NO_CHARGE))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def copy_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET: zones with what each would take. POST: reserve for all that are ticked and start one copy each."""
    iso = queries.get_own_iso(user_of(request), public_id, Right.COPY)
    wanted = request.POST.getlist("zones")
    zones = [zone for zone in Zone.objects.all() if zone.slug in wanted]
    error: PortalError | None = None
    if request.method == "POST":
        try:
            copy_to_zones(Actor.of(request), iso, zones)
        except PortalError as refusal:
            error = refusal
        else:
            messages.success(request, f"Copying “{iso.name}” to {join_words([zone.name for zone in zones])}.")
            return go_back(request)
    context = _context(iso, wanted, error) | {"next": next_page(request)}
    template = "isos/_copy_dialog.html" if request.htmx else "isos/copy.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if error else 200)


def _context(iso: Iso, wanted: list[str], error: PortalError | None) -> dict[str, object]:
    problems = error.problems if isinstance(error, CopyRefused) else {}
    ready = [replica.zone.name for replica in iso.replicas.all() if replica.state == ReplicaState.READY]
    choices = zone_choices(iso, wanted, problems)
    return {
        "iso": iso,
        "choices": choices,
        "can_copy": bool(ready) and any(not choice.hurdle for choice in choices),
        "is_ready": bool(ready),
        "usable_in": join_words(ready),
        "size_text": human_bytes(iso.size),
        "free_bytes": overview(iso.account).remaining_bytes,
        "error": None if problems else error,
    }


def zone_choices(iso: Iso, wanted: list[str], problems: dict[str, str]) -> list[ZoneChoice]:
    """Every zone but those that are switched off and do not hold the ISO."""
    prices = storage_prices()
    there = {replica.zone_id: replica for replica in iso.replicas.all()}
    shown = [zone for zone in Zone.objects.all() if zone.pk in there or zone.state != Zone.State.DISABLED]
    return [
        ZoneChoice(
            zone=zone,
            holds=zone.pk in there and there[zone.pk].state == ReplicaState.READY,
            hurdle=_hurdle(zone, there.get(zone.pk)),
            checked=zone.slug in wanted,
            error=problems.get(zone.slug, ""),
            price=per_month(prices, zone.pk, iso.size or 0),
        )
        for zone in shown
    ]


def _hurdle(zone: Zone, replica: Replica | None) -> str:
    if replica is not None:
        return _THERE.get(ReplicaState(replica.state), "On its way")
    return "" if zone.is_active else zone.get_state_display()

"""Several ISOs of the list at once: copy them to zones, or delete them from zones."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from isos import queries
from isos.actions.bulk import Outcome, copy_many, delete_many
from isos.audit import Actor, record_refusal
from isos.models import Iso
from isos.states import ReplicaState
from isos.views.pricing import per_month
from isos.views.requests import go_back, next_page, user_of
from portal.accounts.roles import Right
from portal.kernel.errors import PortalError
from portal.kernel.text import human_bytes
from quotas.prices import storage_prices
from quotas.usage import overview
from zones.models import Zone

MOST = 100  # a page of the list has fewer
NAMED = 5  # refusals that are told one by one


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def bulk_copy(request: HttpRequest) -> HttpResponse:
    """GET: zones for the ISOs that `iso` names. POST: reserve and start what is missing in each."""
    isos = _chosen(request, Right.COPY)
    zones = _zones(request)
    error = None
    if request.method == "POST":
        try:
            return _done(request, copy_many(Actor.of(request), isos, zones), "Copying")
        except PortalError as refusal:
            error = refusal
    context = {
        "choices": _copy_choices(isos, request),
        "free_bytes": overview(user_of(request).account).remaining_bytes,
    }
    return _form(request, "copy", isos, error, context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def bulk_delete(request: HttpRequest) -> HttpResponse:
    """GET: zones that hold any of the ISOs. POST: with the typed word, delete each from those that are ticked."""
    isos = _chosen(request, Right.DELETE)
    typed = request.POST.get("confirmation", "")
    error = None
    if request.method == "POST":
        try:
            return _done(request, delete_many(Actor.of(request), isos, _zones(request), confirmation=typed), "Deleting")
        except PortalError as refusal:
            error = refusal
    return _form(request, "delete", isos, error, {"choices": _delete_choices(isos, request), "typed": typed})


def _chosen(request: HttpRequest, right: Right) -> list[Iso]:
    """The user's own ISOs that `iso` names. Raises Http404 where none is left."""
    named = (request.POST if request.method == "POST" else request.GET).getlist("iso")[:MOST]
    public_ids = [public_id for text in named if (public_id := _uuid(text))]
    isos = queries.get_own_isos(user_of(request), public_ids, right)
    if request.method == "POST" and (foreign := queries.count_foreign(user_of(request), public_ids)):
        reason = f"{_images(foreign)} of other accounts, chosen with the own ones."
        record_refusal(Actor.of(request), reason, field="iso")
    if not isos:
        raise Http404("None of the chosen ISO images is there any more.")
    return isos


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _zones(request: HttpRequest) -> list[Zone]:
    return list(Zone.objects.filter(slug__in=request.POST.getlist("zones")))


def _form(
    request: HttpRequest, verb: str, isos: list[Iso], error: PortalError | None, more: dict[str, object]
) -> HttpResponse:
    context = {
        "isos": isos,
        "names": [iso.name for iso in isos[:NAMED]],
        "more": max(0, len(isos) - NAMED),
        "error": error,
        "next": next_page(request),
    }
    htmx = request.htmx  # type: ignore[attr-defined]
    template = f"isos/_bulk_{verb}_dialog.html" if htmx else f"isos/bulk_{verb}.html"
    return render(request, template, context | more, status=422 if error else 200)


def _copy_choices(isos: list[Iso], request: HttpRequest) -> list[dict[str, Any]]:
    """Each zone with what a copy of all of them would bring there."""
    there = Counter(replica.zone_id for iso in isos for replica in iso.replicas.all())
    ready = [iso for iso in isos if any(one.state == ReplicaState.READY for one in iso.replicas.all())]
    ticked = request.POST.getlist("zones")
    prices = storage_prices()
    choices = []
    for zone in Zone.objects.exclude(state=Zone.State.DISABLED):
        wanted = [iso for iso in ready if all(one.zone_id != zone.pk for one in iso.replicas.all())]
        size = sum(iso.size or 0 for iso in wanted)
        choices.append(
            {
                "zone": zone,
                "bytes": size,
                "closed": not zone.is_active or not wanted,
                "checked": zone.slug in ticked,
                "words": _copy_words(len(wanted), there[zone.pk]),
                "size_text": human_bytes(size) if wanted else "",
                "price": per_month(prices, zone.pk, size),
            }
        )
    return choices


def _copy_words(wanted: int, there: int) -> str:
    if not wanted:
        return "Nothing to copy"
    return f"{_images(wanted)}, {there} there already" if there else _images(wanted)


def _delete_choices(isos: list[Iso], request: HttpRequest) -> list[dict[str, Any]]:
    """Each zone that holds any of them, with what goes there."""
    replicas = [one for iso in isos for one in iso.replicas.all() if one.state != ReplicaState.DELETING]
    zones = {replica.zone_id: replica.zone for replica in replicas}
    ticked = request.POST.getlist("zones")
    return [
        {
            "zone": zone,
            "checked": zone.slug in ticked,
            "words": _delete_words([one for one in replicas if one.zone_id == zone.pk]),
        }
        for zone in sorted(zones.values(), key=lambda zone: (zone.position, zone.name))
    ]


def _delete_words(replicas: list[Any]) -> str:
    ready = [replica for replica in replicas if replica.state == ReplicaState.READY]
    words = _images(len(replicas))
    return f"{words}, frees {human_bytes(sum(one.iso.size or 0 for one in ready))}" if ready else words


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


def _done(request: HttpRequest, outcome: Outcome, doing: str) -> HttpResponse:
    """Back to the list, which says what was begun and what was not."""
    if outcome.begun:
        messages.success(request, f"{doing} {_images(len(outcome.begun))}.")
    for iso, sentence in outcome.refused[:NAMED]:
        messages.error(request, f"“{iso.name}”: {sentence}")
    if (rest := len(outcome.refused) - NAMED) > 0:
        messages.error(request, f"{_images(rest)} more were refused for reasons like these.")
    return go_back(request)

"""One POST, one verb: rename, set OS, delete, cancel, retry."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from isos import queries
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.rename import rename
from isos.actions.retry import retry
from isos.actions.set_os import set_os
from isos.audit import Actor
from isos.forms import OsForm, RenameForm
from isos.models import Iso, Replica
from isos.states import UNFINISHED_REPLICA, ReplicaState
from isos.views.importing import count_check
from isos.views.requests import go_back, go_to, next_page, refused, user_of
from portal.accounts.roles import Right
from portal.kernel.errors import InvalidInput, NotAllowed, PortalError
from portal.kernel.text import human_bytes, join_words


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def rename_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET: the name's editor (a page, or a fragment for HTMX). POST: rename and go back."""
    iso = queries.get_own_iso(user_of(request), public_id)
    form = RenameForm(request.POST if request.method == "POST" else None, initial={"name": iso.name})
    if request.method == "POST" and form.is_valid():
        try:
            rename(Actor.of(request), iso, form.cleaned_data["name"])
        except PortalError as error:
            form.add_error("name", error.message)
        else:
            messages.success(request, f"Renamed to “{iso.name}”.")
            return go_back(request)
    context = {"iso": iso, "form": form, "next": next_page(request)}
    template = "isos/_rename.html" if request.htmx else "isos/rename.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=422 if form.errors else 200)


@require_POST
@login_required
def set_iso_os(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take over the operating system that the image suggests, or another."""
    iso = queries.get_own_iso(user_of(request), public_id)
    form = OsForm(request.POST)
    if not form.is_valid():
        return refused(request, InvalidInput("That operating system is not in the list. Choose another."))
    set_os(Actor.of(request), iso, form.cleaned_data["os_type"], form.cleaned_data["os_version"])
    messages.success(request, f"OS type set to {iso.os_label}.")
    return go_back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET: choose zones and type the word. POST: checked again here, then one delete per zone."""
    iso = queries.get_own_iso(user_of(request), public_id, Right.DELETE)
    replicas = [replica for replica in iso.replicas.all() if replica.state != ReplicaState.DELETING]
    chosen = _chosen(request, replicas)
    error: PortalError | None = None
    if request.method == "POST":
        try:
            gone = delete_from_zones(Actor.of(request), iso, chosen, confirmation=request.POST.get("confirmation", ""))
        except (InvalidInput, NotAllowed) as refusal:
            error = refusal
        else:
            zones = join_words([replica.zone.name for replica in gone or chosen])
            messages.success(request, f"Deleting “{iso.name}” from {zones}.")
            return go_back(request)
    context = _delete_context(iso, replicas, chosen) | {
        "error": error,
        "typed": request.POST.get("confirmation", ""),
        "next": next_page(request),
    }
    template = "isos/_delete_dialog.html" if request.htmx else "isos/delete.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=error.status if error else 200)


def _chosen(request: HttpRequest, replicas: list[Replica]) -> list[Replica]:
    """What the form ticked; before that what the link named, or the one zone there is."""
    if request.method != "POST" and len(replicas) == 1:
        return replicas
    wanted = request.POST.getlist("zones") if request.method == "POST" else request.GET.getlist("zone")
    return [replica for replica in replicas if replica.zone.slug in wanted]


def _delete_context(iso: Iso, replicas: list[Replica], chosen: list[Replica]) -> dict[str, object]:
    picked = {replica.pk for replica in chosen}
    ready = [replica for replica in replicas if replica.state == ReplicaState.READY]
    return {
        "iso": iso,
        "choices": [
            {
                "slug": replica.zone.slug,
                "name": replica.zone.name,
                "words": _what_goes(iso, replica),
                "checked": replica.pk in picked,
                "holds_copy": replica.state == ReplicaState.READY,
            }
            for replica in replicas
        ],
        "takes_last_copy": bool(ready) and all(replica.pk in picked for replica in ready),
        "bytes_each": iso.size or 0,
    }


def _what_goes(iso: Iso, replica: Replica) -> str:
    if replica.state == ReplicaState.READY:
        return f"Ready, frees {human_bytes(iso.size)}"
    if replica.state == ReplicaState.WAITING:
        return "Waiting, nothing is stored yet"
    words = "deleting stops it" if replica.state in UNFINISHED_REPLICA else "nothing usable is stored"
    return f"{str(replica.state).capitalize()}, {words}{_what_goes_along(iso, replica)}"


def _what_goes_along(iso: Iso, replica: Replica) -> str:
    """An ISO that was Ready nowhere lives where its bytes arrive: what would be copied from there goes with it."""
    others = [
        one.zone.name for one in iso.replicas.all() if one.pk != replica.pk and one.state != ReplicaState.DELETING
    ]
    if iso.ready_at is not None or iso.receiver != replica or not others:
        return ""
    return f". {join_words(others)}, to be copied from here, {'goes' if len(others) == 1 else 'go'} with it"


@require_POST
@login_required
def cancel_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Stop what is under way, in the zone that is named or everywhere; nothing to stop is no error."""
    iso = queries.get_own_iso(user_of(request), public_id, Right.CANCEL)
    slug = request.POST.get("zone")
    zones = [replica.zone for replica in iso.replicas.all() if replica.zone.slug == slug] if slug else None
    if cancel(Actor.of(request), iso, zones):
        where = f" in {zones[0]}" if zones else ""
        messages.success(request, f"Cancelled “{iso.name}”{where}. What was received is being removed.")
    else:
        messages.info(request, "There was nothing left to cancel.")
    return go_back(request)


@require_POST
@login_required
def retry_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Try a failed replica again; where its file is needed again, go and ask for it."""
    iso = queries.get_own_iso(user_of(request), public_id, Right.RETRY)
    try:
        replica = failed_replica(iso, request.POST.get("zone"))
    except InvalidInput as error:
        return refused(request, error)
    try:
        if replica.is_import:
            count_check(iso.account)  # Retry contacts the server too, as often as it is pressed
        upload = retry(Actor.of(request), replica)
    except PortalError as error:
        return refused(request, error)
    if upload is not None:
        return go_to(request, reverse("isos:resume", args=[iso.public_id]))
    messages.success(request, f"Trying “{iso.name}” in {replica.zone} again.")
    return go_back(request)


def failed_replica(iso: Iso, slug: str | None) -> Replica:
    """What is to be tried again: in the zone that is named, else where the ISO arrives, for which others may wait.

    Raises InvalidInput where nothing has failed there.
    """
    failed = [replica for replica in iso.replicas.all() if replica.state == ReplicaState.FAILED]
    failed.sort(key=lambda replica: not replica.receives)
    replica = next((one for one in failed if slug in (None, "", one.zone.slug)), None)
    if replica is None:
        raise InvalidInput("Only what failed can be tried again. Reload the page to see its state.")
    replica.iso = iso
    return replica

"""Download an extractable ISO: signed in, or by a link that was made for somebody who can't."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from isos import links, queries
from isos.actions.permissions import may
from isos.actions.share import make_link, revoke_link
from isos.audit import Actor, record
from isos.downloads import require_download, sources
from isos.errors import NotExtractable
from isos.forms import LinkForm
from isos.models import Event, Iso
from isos.views.requests import user_of
from isos.views.serving import serve
from portal.accounts.roles import Right
from portal.kernel.errors import PortalError

SHOWN = 50  # links of one ISO, newest first


@require_safe
@login_required
def download_iso(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """The ISO's file from the best zone, or from the one named by `zone`. See views.serving."""
    user = user_of(request)
    iso = queries.get_iso(user, public_id)
    require_download(user, iso)
    replicas = sources(iso, request.GET.get("zone", ""))
    return serve(request, iso, replicas, who=user.account_id, on_send=lambda begins: _record(request, iso, begins))


def _record(request: HttpRequest, iso: Iso, begins: bool) -> None:
    """In the activity of the ISO's account, which learns of others which account they are, not who and from where.

    Once, however often somebody begins again: strangers must not be able to fill what others read.
    """
    user = user_of(request)
    actor = Actor.of(request) if may(user, Right.FOLLOW, iso) else Actor(on_behalf_of=user.account.name)
    since = timezone.now() - (links.SAME_USE if begins else links.GOES_ON)
    told = Event.objects.filter(iso=iso, verb=Event.Verb.DOWNLOADED, actor=actor.user, actor_name=actor.name)
    if not told.filter(created_at__gt=since).exists():
        record(Event.Verb.DOWNLOADED, iso, actor)


@require_safe
def download_by_link(request: HttpRequest, token: str) -> HttpResponseBase:
    """The same without signing in. What is not open any more says so, with 410."""
    link = links.open_link(token)
    address = Actor.of(request).address
    return serve(
        request,
        link.iso,
        sources(link.iso),
        who=link.iso.account_id,  # more links are no more places
        on_send=lambda begins: links.count_use(link, address, begins),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def download_links(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET: the ISO's links. POST: make one, which this answer alone shows."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id, Right.LINK)
    if not iso.is_extractable:
        raise NotExtractable
    form = LinkForm(request.POST if request.method == "POST" else None)
    made, address = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, token = make_link(Actor.of(request), iso, timedelta(hours=form.cleaned_data["lasts"]))
        except PortalError as error:
            form.add_error("lasts", error.message)
        else:
            address = request.build_absolute_uri(reverse("isos:link", args=[token]))
    context = {
        "iso": iso,
        "form": form,
        "made": made,
        "link_address": address,
        "links": iso.download_links.select_related("created_by")[:SHOWN],
    }
    response = render(request, "isos/links.html", context, status=201 if made else 422 if form.errors else 200)
    response["Cache-Control"] = "no-store"  # the link is a credential
    return response


@require_POST
@login_required
def revoke_download_link(request: HttpRequest, public_id: UUID, link_id: UUID) -> HttpResponse:
    """Close one link for good."""
    iso = queries.get_own_iso(user_of(request), public_id, Right.LINK)
    link = get_object_or_404(iso.download_links.select_related("iso"), public_id=link_id)
    if revoke_link(Actor.of(request), link):
        messages.success(request, f"The download link …{link.token_end} is revoked.")
    else:
        messages.info(request, "This download link was not open any more.")
    return redirect("isos:links", public_id)

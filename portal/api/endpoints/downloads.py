"""The bytes of extractable ISOs, and links for whoever has no sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router, Status

from isos import queries
from isos.actions.share import make_link, revoke_link
from isos.audit import Actor
from isos.forms import LinkForm
from isos.models import DownloadLink
from isos.views import download
from isos.views.requests import user_of
from isos.views.serving import CONTENT_TYPE
from portal.accounts.roles import Right
from portal.api.answers import answers
from portal.api.auth import READ, WRITE
from portal.api.problems import Problem, require_valid
from portal.api.schemas import LinkIn, LinkMadeOut, LinkOut

router = Router(tags=["Downloads"])
_FILE = {"content": {CONTENT_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
_BYTES = {
    200: {"description": "The file"} | _FILE,
    206: {"description": "The part of it that Range asks for"} | _FILE,
    302: {"description": "Another address, which needs no token and is good for some minutes"},
    304: {"description": "What If-None-Match names is still the same"},
}


@router.get(
    "/isos/{uuid:iso_id}/download",
    auth=READ,
    response=answers(416, Problem, 404, 409, 429, 502, 503),
    url_name="iso_download",
    summary="Download",
    openapi_extra={"responses": _BYTES},
)
def download_iso(request: HttpRequest, iso_id: UUID) -> HttpResponseBase:
    """An extractable ISO; goes on with Range. `Repr-Digest` holds its SHA-256. A redirect needs no token."""
    return download.download_iso(request, iso_id)


@router.get(
    "/isos/{uuid:iso_id}/links",
    auth=READ,
    response=answers(200, list[LinkOut], 404),
    url_name="iso_links",
    summary="List download links",
)
def list_links(request: HttpRequest, iso_id: UUID) -> list[LinkOut]:
    """The newest 50, open or not. What a link's address was is not known any more."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.LINK)
    links = iso.download_links.select_related("created_by")[: download.SHOWN]
    return [LinkOut(**_fields(link)) for link in links]


@router.post(
    "/isos/{uuid:iso_id}/links",
    auth=WRITE,
    response=answers(201, LinkMadeOut, 400, 404, 409, 422),
    url_name="iso_links",
    summary="Make a download link",
)
def make_download_link(request: HttpRequest, iso_id: UUID, body: LinkIn) -> Status[LinkMadeOut]:
    """Whoever has its address can download the ISO without signing in. It is told in this answer alone."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.LINK)
    form = LinkForm({"lasts": body.lasts})
    require_valid(form)
    link, token = make_link(Actor.of(request), iso, timedelta(hours=form.cleaned_data["lasts"]))
    address = request.build_absolute_uri(reverse("isos:link", args=[token]))
    return Status(201, LinkMadeOut(address=address, **_fields(link)))


@router.post(
    "/isos/{uuid:iso_id}/links/{uuid:link_id}/revoke",
    auth=WRITE,
    response=answers(200, LinkOut, 404),
    url_name="iso_link_revoke",
    summary="Revoke a download link",
)
def revoke_download_link(request: HttpRequest, iso_id: UUID, link_id: UUID) -> LinkOut:
    """Closes it for good; one that is not open any more stays as it is."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.LINK)
    link = get_object_or_404(iso.download_links.select_related("iso", "created_by"), public_id=link_id)
    revoke_link(Actor.of(request), link)
    link.refresh_from_db(fields=["revoked_at"])
    return LinkOut(**_fields(link))


def _fields(link: DownloadLink) -> dict[str, Any]:
    return {
        "id": link.public_id,
        "ends_in": link.token_end,
        "made_by": link.created_by.display_name() if link.created_by else "",
        "is_open": link.is_open,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
        "uses": link.uses,
    }

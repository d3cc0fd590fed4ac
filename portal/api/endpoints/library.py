"""The ISOs: list, look, edit, and what is done to them zone by zone."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, QueryDict
from ninja import Query, Router, Status

from isos import queries
from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import cancel, delete_from_zones
from isos.actions.edit import edit, require_may_edit
from isos.actions.permissions import rights
from isos.actions.rename import rename
from isos.actions.retry import retry
from isos.audit import Actor
from isos.forms import EditForm, ListForm, RenameForm
from isos.models import Iso, Replica
from isos.states import ReplicaState
from isos.views.importing import count_check
from isos.views.requests import user_of
from isos.views.verbs import failed_replica
from portal.accounts.roles import Right
from portal.api.answers import answers
from portal.api.auth import DELETE, READ, WRITE
from portal.api.outputs import iso_out, isos_out, items_of, page_fields
from portal.api.problems import not_in_zone, require_known, require_valid, unknown_zone
from portal.api.schemas import CopyIn, DeleteIn, IsoEdit, IsoOut, IsoPage, ListQuery, ZoneIn
from zones.models import Zone

router = Router(tags=["ISO images"])


@router.get("/isos", auth=READ, response=answers(200, IsoPage, 422), url_name="isos", summary="List ISO images")
def list_isos(request: HttpRequest, query: Query[ListQuery]) -> IsoPage:
    """25 on a page. Follow `next` until it is null."""
    require_known(request, ListQuery)
    given = query.model_dump(mode="json", exclude={"page"})
    form = ListForm(given | {"scope": "" if query.scope == "own" else query.scope})
    require_valid(form)
    page = queries.list_isos(user_of(request), form.filters(), query.page)
    fields = page_fields(request, page, query.page, {name: value for name, value in given.items() if value})
    return IsoPage(items=isos_out(request, items_of(page, query.page)), **fields)


@router.get("/isos/{uuid:iso_id}", auth=READ, response=answers(200, IsoOut, 404), url_name="iso", summary="Look at one")
def get_iso(request: HttpRequest, iso_id: UUID) -> IsoOut:
    """Its facts, and how it is in each zone: progress while something is under way, else what failed and why."""
    return _as_it_is(request, iso_id)


@router.patch(
    "/isos/{uuid:iso_id}",
    auth=WRITE,
    response=answers(200, IsoOut, 400, 404, 409, 422),
    url_name="iso",
    summary="Rename or edit",
)
def edit_iso(request: HttpRequest, iso_id: UUID, body: IsoEdit) -> IsoOut:
    """Changes what is named in the body: all of it or nothing."""
    iso = queries.get_own_iso(user_of(request), iso_id)
    actor = Actor.of(request)
    name_form = RenameForm({"name": iso.name if body.name is None else body.name})
    form = EditForm(_edit_data(iso, body), iso=iso, rights=rights(actor.person, iso))
    require_valid(name_form, form)
    changes = form.changes()
    require_may_edit(actor, iso, changes)  # here, since a refusal is written down and has to stay
    with transaction.atomic():
        edit(actor, iso, **changes)
        rename(actor, iso, name_form.cleaned_data["name"])
    return _as_it_is(request, iso_id)


def _edit_data(iso: Iso, body: IsoEdit) -> QueryDict:
    """The form as its page would send it: what stays as it is, and what the body names."""
    shown = {name: getattr(iso, name) for name in EditForm.base_fields} | {
        "os_version": iso.os_version.slug if iso.os_version else ""
    }
    named = body.model_dump(exclude_none=True, exclude={"name"})
    if named.get("os_type", iso.os_type) != iso.os_type:
        named.setdefault("os_version", "")
    data = QueryDict(mutable=True)
    data.update(shown | named | {f"initial-{name}": value for name, value in shown.items()})
    return data


@router.post(
    "/isos/{uuid:iso_id}/copies",
    auth=WRITE,
    response=answers(202, IsoOut, 400, 404, 409, 413, 422),
    url_name="iso_copies",
    summary="Copy to zones",
)
def copy_iso(request: HttpRequest, iso_id: UUID, body: CopyIn) -> Status[IsoOut]:
    """One copy for each zone, all of them or none. Where one is under way already it goes on."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.COPY)
    copy_to_zones(Actor.of(request), iso, _zones_named(body.zones))
    return Status(202, _as_it_is(request, iso_id))


@router.post(
    "/isos/{uuid:iso_id}/deletions",
    auth=DELETE,
    response=answers(202, IsoOut, 400, 404, 409, 422),
    url_name="iso_deletions",
    summary="Delete from zones",
)
def delete_iso(request: HttpRequest, iso_id: UUID, body: DeleteIn) -> Status[IsoOut]:
    """Whatever the ISO is doing there. Once it is gone from its last zone the ISO itself is gone."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.DELETE)
    chosen = _replicas_in(iso, body.zones)
    delete_from_zones(Actor.of(request), iso, chosen, confirmation=body.confirmation)
    return Status(202, _as_it_is(request, iso_id))


@router.post(
    "/isos/{uuid:iso_id}/cancel",
    auth=WRITE,
    response=answers(202, IsoOut, 400, 404, 409, 422),
    url_name="iso_cancel",
    summary="Cancel what is under way",
)
def cancel_iso(request: HttpRequest, iso_id: UUID, body: ZoneIn) -> Status[IsoOut]:
    """In one zone or everywhere; what came so far is removed. Nothing to cancel is no error."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.CANCEL)
    zones = [replica.zone for replica in _replicas_in(iso, [body.zone])] if body.zone else None
    cancel(Actor.of(request), iso, zones)
    return Status(202, _as_it_is(request, iso_id))


@router.post(
    "/isos/{uuid:iso_id}/retry",
    auth=WRITE,
    response=answers(202, IsoOut, 400, 404, 409, 413, 422),
    url_name="iso_retry",
    summary="Retry what failed",
)
def retry_iso(request: HttpRequest, iso_id: UUID, body: ZoneIn) -> Status[IsoOut]:
    """In one zone, else where the ISO arrives. Where the file is needed again, `upload` says where to send it."""
    iso = queries.get_own_iso(user_of(request), iso_id, Right.RETRY)
    replica = failed_replica(iso, body.zone)
    if replica.is_import:
        count_check(iso.account)  # it contacts the server again
    retry(Actor.of(request), replica)
    return Status(202, _as_it_is(request, iso_id))


def _as_it_is(request: HttpRequest, iso_id: UUID) -> IsoOut:
    """Read anew, after what was just done to it."""
    return iso_out(request, queries.get_iso(user_of(request), iso_id))


def _zones_named(slugs: Iterable[str]) -> list[Zone]:
    """Zones by their slugs. Raises InvalidInput for one that there is not."""
    known = {zone.slug: zone for zone in Zone.objects.all()}
    for slug in slugs:
        if slug not in known:
            raise unknown_zone(slug)
    return [known[slug] for slug in dict.fromkeys(slugs)]


def _replicas_in(iso: Iso, slugs: Iterable[str]) -> list[Replica]:
    """The ISO's replicas in these zones. Raises InvalidInput for a zone where it is not."""
    there = {replica.zone.slug: replica for replica in iso.replicas.all()}
    for zone in _zones_named(slugs):
        if zone.slug not in there or there[zone.slug].state == ReplicaState.DELETING:
            raise not_in_zone(zone)
    return [there[slug] for slug in dict.fromkeys(slugs)]

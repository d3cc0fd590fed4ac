"""New ISOs from web addresses. New ISOs from files are uploads, see docs/api.md."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from isos import queries
from isos.actions.permissions import require_creating
from isos.audit import Actor
from isos.forms import ImportForm, SourceForm
from isos.views.importing import begin_import, look_at
from isos.views.requests import user_of
from portal.api.answers import answers
from portal.api.auth import WRITE
from portal.api.outputs import iso_out
from portal.api.problems import require_valid
from portal.api.schemas import AddressIn, AddressOut, ImportIn, IsoOut
from quotas import reservations
from quotas.models import Reservation

router = Router(tags=["Imports"])


@router.post(
    "/imports",
    auth=WRITE,
    response=answers(201, IsoOut, 400, 409, 413, 422, 502),
    url_name="imports",
    summary="Import from a web address",
)
def import_iso(request: HttpRequest, body: ImportIn) -> Status[IsoOut]:
    """The address is checked first; then a worker fetches it into the first zone, from where the others get copies."""
    require_creating(Actor.of(request))
    form = ImportForm(body.model_dump(), user=user_of(request))
    iso = begin_import(request, form)
    if iso is None:
        require_valid(form)
        raise AssertionError("A form without errors started nothing.")
    return Status(201, iso_out(request, queries.get_iso(user_of(request), iso.public_id)))


@router.post(
    "/address-checks",
    auth=WRITE,
    response=answers(200, AddressOut, 400, 409, 413, 422, 502),
    url_name="address_checks",
    summary="Check a web address",
)
def check_address(request: HttpRequest, body: AddressIn) -> AddressOut:
    """What stands there, and whether the quota has room for it. Nothing is kept."""
    require_creating(Actor.of(request))
    account = user_of(request).account
    form = SourceForm({"url": body.url})
    require_valid(form)
    found = look_at(account, form.cleaned_data["url"])
    reservations.check(account, size=found.size or 0, source=Reservation.Source.FETCH)
    return AddressOut(
        host=found.final_host,
        url=found.shown_url,
        file_name=found.name,
        size=found.size,
        content_type=found.content_type,
        resumable=found.resumable,
        volume_label=found.volume_label,
        bootable=found.bootable,
    )

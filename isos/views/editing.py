"""Edit an ISO's description, operating system and flags."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from isos import dependants, queries
from isos.actions.edit import edit
from isos.actions.permissions import rights
from isos.audit import Actor
from isos.forms import EditForm
from isos.models import Iso
from isos.views.requests import user_of
from portal.kernel.errors import InvalidInput


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit_iso(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET: the form. POST: change what was changed in it, and say who still uses what is private now."""
    user = user_of(request)
    iso = queries.get_own_iso(user, public_id)
    was_public = iso.is_public
    form = EditForm(request.POST if request.method == "POST" else None, iso=iso, rights=rights(user, iso))
    if request.method == "POST" and form.is_valid():
        try:
            changed = edit(Actor.of(request), iso, **form.changes())
        except InvalidInput as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
        else:
            _say(request, iso, changed, was_public)
            return redirect(iso)
    context = {"iso": iso, "form": form, "uses": dependants.uses_of(iso) if was_public else []}
    return render(request, "isos/edit.html", context, status=422 if form.errors else 200)


def _say(request: HttpRequest, iso: Iso, changed: list[str], was_public: bool) -> None:
    if not changed:
        messages.info(request, "Nothing was changed.")
        return
    messages.success(request, f"Saved the settings of “{iso.name}”.")
    if was_public and not iso.is_public:
        still = dependants.uses_of(iso)
        words = " ".join(still) if still else "Nothing uses it now."
        messages.warning(request, f"Other accounts don’t see “{iso.name}” any more. {words}")

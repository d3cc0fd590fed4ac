"""View more: everything about one ISO."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from isos import notices, queries
from isos.models import Iso, OsVersion
from isos.views import activity
from isos.views.facts import inspection_facts
from isos.views.origin import comparison_of, origin_of
from isos.views.pricing import priced
from isos.views.requests import user_of
from isos.views.rows import row_of


@require_safe
@login_required
def iso_detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The whole page, or for HTMX only its live part."""
    user = user_of(request)
    iso = queries.get_iso(user, public_id)
    (row,) = priced([row_of(user, iso)])
    context = {
        "iso": iso,
        "row": row,
        "address": iso.get_absolute_url(),
        "comparison": comparison_of(iso),
        "origin": origin_of(iso),
        "facts": inspection_facts(iso),
        "suggestion": suggested_version(iso) if row.may_change else None,
        "activity": activity.lines(queries.activity(iso)) if row.may_follow else [],
        "renaming": row.may_change and "rename" in request.GET,
    }
    if request.htmx:  # type: ignore[attr-defined]
        notices.watch(user, [iso])
    template = "isos/_detail.html" if request.htmx else "isos/detail.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def suggested_version(iso: Iso) -> OsVersion | None:
    """What the image says it is, where that differs from what the user said."""
    slug = iso.inspected("suggested_os_version")
    if not slug or (iso.os_version and iso.os_version.slug == slug):
        return None
    return OsVersion.objects.filter(slug=slug, active=True).first()

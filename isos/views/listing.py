"""The ISO list."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from isos import queries
from isos.forms import ListForm, RenameForm
from isos.views.requests import user_of
from quotas.usage import overview


@require_safe
@login_required
def iso_list(request: HttpRequest) -> HttpResponse:
    """The whole page, or for HTMX only the table: the same view serves the live updates."""
    user = user_of(request)
    form = ListForm(request.GET)
    filters = form.filters()
    page = queries.list_isos(user, filters, _number(request.GET.get("page")))
    renaming = _renaming(request)
    context = {
        "form": form,
        "filters": filters,
        "page": page,
        "is_live": any(iso.is_moving for iso in page),
        "renaming": renaming,
        "rename_form": RenameForm(),
        "query": _query(request, page.number),
        "is_empty": not page.paginator.count and not filters.is_narrowing(),
        "quota": overview(user.account),
    }
    template = "isos/_table.html" if request.htmx else "isos/list.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 8 else 1


def _renaming(request: HttpRequest) -> UUID | None:
    """The ISO whose name is being edited in its row, so that live updates keep the editor."""
    try:
        return UUID(request.GET.get("rename", ""))
    except ValueError:
        return None


def _query(request: HttpRequest, page: int) -> str:
    """The filters as a query string without page and rename, for links that keep them."""
    kept = {key: value for key, value in request.GET.items() if key in ListForm.base_fields and value}
    return urlencode(kept | ({"page": page} if page > 1 else {}))

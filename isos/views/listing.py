"""The ISO list."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from isos import notices, queries
from isos.actions.permissions import may_create
from isos.forms import ListForm, RenameForm
from isos.views.pricing import priced
from isos.views.requests import user_of
from isos.views.rows import may_select, row_of
from quotas.usage import overview


@require_safe
@login_required
def iso_list(request: HttpRequest) -> HttpResponse:
    """The whole page, or for HTMX only the table: the same view serves the live updates."""
    user = user_of(request)
    form = ListForm(request.GET)
    filters = form.filters()
    page = queries.list_isos(user, filters, _number(request.GET.get("page")))
    context = {
        "form": form,
        "filters": filters,
        "page": page,
        "rows": priced([row_of(user, iso) for iso in page]),
        "is_live": any(iso.is_moving for iso in page),
        "address": _address(filters.as_query(), page.number),
        "is_empty": not page.paginator.count and not filters.is_narrowing(),
        "quota": overview(user.account),
        "scopes": _scopes(filters.scope),
        "scope_url": _address({"scope": filters.scope} if filters.scope else {}, 1),
        "may_create": may_create(user),
        "can_select": filters.is_own and may_select(user),
    } | _rename_context(request)
    if request.htmx:  # type: ignore[attr-defined]
        notices.watch(user, page.object_list, is_list=True)
    template = "isos/_table.html" if request.htmx else "isos/list.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _scopes(current: str) -> list[dict[str, object]]:
    icons = {"": "disc", "public": "world", "featured": "star"}
    return [
        {
            "words": words,
            "icon": icons[scope],
            "url": _address({"scope": scope} if scope else {}, 1),
            "is_current": scope == current,
        }
        for scope, words in queries.SCOPES.items()
    ]


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 8 else 1


def _rename_context(request: HttpRequest) -> dict[str, object]:
    """The ISO whose name is being edited in its row, so that live updates keep the editor."""
    try:
        return {"renaming": UUID(request.GET.get("rename", "")), "rename_form": RenameForm()}
    except ValueError:
        return {"renaming": None}


def _address(query: dict[str, str], page: int) -> str:
    """Where this very list is found again: its filters and page, without what is being renamed."""
    query = query | ({"page": str(page)} if page > 1 else {})
    return f"{reverse('isos:list')}?{urlencode(query)}" if query else reverse("isos:list")

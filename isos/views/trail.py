"""Activity: the audit trail of an account, as a page and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from isos import trail
from isos.models import Event
from isos.trail_forms import TrailForm
from isos.views.activity import ActivityLine, line_of
from isos.views.requests import user_of
from portal.accounts.models import User
from portal.kernel.cells import csv_lines

COLUMNS = ("Time (UTC)", "Account", "Who", "What", "ISO", "ISO ID", "Zone", "Details", "Before", "After", "Address")
BATCH = 1000  # rows that are read at once


@dataclass(frozen=True)
class Entry:
    """One event as the page shows it. `iso_url` is its ISO's page while there is one, `only_url` the trail of it."""

    event: Event
    line: ActivityLine
    address: str
    iso_url: str
    only_url: str


@require_safe
@login_required
def activity(request: HttpRequest) -> HttpResponse:
    """One page of the trail, newest first; 422 where the days that were asked for make no sense."""
    user = user_of(request)
    form = TrailForm(request.GET, user)
    filters = form.filters()
    page = trail.TrailPage([], None)
    if not form.is_refused():
        page = trail.page_of(user, filters, trail.Cursor.of(request.GET.get("after", "")))
    context = {
        "form": form,
        "filters": filters,
        "names": trail.names_of(user),
        "entries": [_entry(user, event) for event in page.events],
        "older_url": _address("list", filters, after=str(page.older)) if page.older else "",
        "newest_url": _address("list", filters) if request.GET.get("after") else "",
        "csv_url": "" if form.is_refused() else _address("csv", filters),
    }
    return render(request, "activity/list.html", context, status=422 if form.is_refused() else 200)


@require_safe
@login_required
def activity_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """All events that the same filters let through, newest first, sent while they are read."""
    user = user_of(request)
    form = TrailForm(request.GET, user)
    filters = form.filters()
    if form.is_refused():
        sentences = [str(sentence) for name in ("first_day", "last_day") for sentence in form.errors.get(name, [])]
        return HttpResponse("\n".join(sentences), status=422, content_type="text/plain; charset=utf-8")
    lines = csv_lines(_rows(user, filters))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="activity-{timezone.now():%Y-%m-%d}.csv"'
    return response


def _rows(user: User, filters: trail.TrailFilters) -> Iterator[tuple[object, ...]]:
    yield COLUMNS
    for event in trail.narrowed(user, filters).iterator(chunk_size=BATCH):
        line = line_of(event)
        yield (
            f"{event.created_at:%Y-%m-%dT%H:%M:%SZ}",
            event.account.name if event.account else "",
            line.who,
            event.get_verb_display(),
            event.iso_name,
            event.iso_ref,
            event.zone_name,
            line.sentence,
            event.data.get("before"),
            event.data.get("after"),
            event.address if trail.shows_address(user, event) else "",
        )


def _entry(user: User, event: Event) -> Entry:
    reference = trail.TrailFilters(iso=str(event.iso_ref)) if event.iso_ref else None
    return Entry(
        event=event,
        line=line_of(event),
        address=(event.address or "") if trail.shows_address(user, event) else "",
        iso_url=event.iso.get_absolute_url() if event.iso else "",
        only_url=_address("list", reference) if reference else "",
    )


def _address(page: str, filters: trail.TrailFilters, **more: str) -> str:
    query = filters.as_query() | more
    return f"{reverse(f'record:{page}')}?{urlencode(query)}" if query else reverse(f"record:{page}")

"""The account's usage page, and the same as a file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from portal.accounts.models import Account, User
from portal.kernel.cells import csv_lines
from portal.kernel.errors import InvalidInput
from portal.kernel.text import decimal_text
from quotas.charges import month_of, next_month, report
from quotas.money import MixedCurrencies, amount_text
from quotas.periods import month_named
from quotas.usage_files import HEAD, file_rows
from quotas.usage_page import chart_of, lines_of, months_of

_DAY = timedelta(days=1)
MOST_MONTHS = 60  # of the picker; others are reached by their address


@require_safe
@login_required
def usage(request: HttpRequest) -> HttpResponse:
    """One month of the account's usage: what it costs, a chart of its days, a table of its images."""
    now = timezone.now()
    problem = ""
    try:
        start, end = _month(request, now)
    except InvalidInput as error:
        problem = error.message
        start, end = month_of(now), next_month(month_of(now))
    account = _account(request)
    months = months_of(account, now, start)
    context = {
        "start": start,
        "months": [(f"{month:%Y-%m}", month) for month in months[:MOST_MONTHS]],
        "month": f"{start:%Y-%m}",
        "earlier": f"{month_of(start - _DAY):%Y-%m}" if start > months[-1] else "",
        "later": f"{end:%Y-%m}" if end <= now else "",
        "goes_on": end > now,
        "problem": problem,
    } | _numbers(account, start, end)
    return render(request, "usage/usage.html", context, status=422 if problem else 200)


@require_safe
@login_required
def usage_file(request: HttpRequest) -> HttpResponseBase:
    """The month as CSV, one line for each replica. Raises InvalidInput and MixedCurrencies, which are told."""
    start, end = _month(request, timezone.now())
    found = report(start, end, _account(request))
    rows = csv_lines([HEAD, *(row.values() for row in file_rows(found))])
    name = f"usage-{start:%Y-%m}.csv"
    return StreamingHttpResponse(
        rows,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _numbers(account: Account, start: datetime, end: datetime) -> dict[str, object]:
    """What was used and what it costs; the reason where costs in several currencies have no sum."""
    try:
        found = report(start, end, account)
        cost = amount_text(found.cost)
    except MixedCurrencies as error:
        return {"refused": error.message}
    return {
        "lines": lines_of(found),
        "chart": chart_of(found),
        "gb_hours": decimal_text(found.gb_hours, 3, grouped=True),
        "cost": cost,
    }


def _month(request: HttpRequest, now: datetime) -> tuple[datetime, datetime]:
    """The month that `month` names, this one by default. Raises InvalidInput."""
    named = request.GET.get("month", "")
    start, end = month_named(named) if named else (month_of(now), next_month(month_of(now)))
    if start > now:
        raise InvalidInput(f"{start:%B %Y} has not begun yet.")
    return start, end


def _account(request: HttpRequest) -> Account:
    return cast(User, request.user).account  # signed in, or the decorator had answered

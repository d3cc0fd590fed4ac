"""The bell: how many notices are new, the page that shows them, and whether mail is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from isos import notices
from isos.models import Notice, NoticeChoice
from isos.views.activity import ActivityLine, line_of
from isos.views.requests import user_of

MOST = 99  # the bell shows `99+` beyond


@dataclass(frozen=True)
class Entry:
    """One notice as the page shows it."""

    notice: Notice
    line: ActivityLine
    iso_url: str
    is_new: bool


@require_safe
@login_required
@never_cache
def notice_list(request: HttpRequest) -> HttpResponse:
    """The newest notices. Opening the page marks what it shows as seen; a browser that only looks ahead does not."""
    user = user_of(request)
    shown = notices.of_user(user)
    entries = [_entry(notice) for notice in shown]
    if request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", ""):
        notices.mark_seen(user, shown)
    return render(request, "activity/notices.html", {"entries": entries})


@require_safe
@login_required
@never_cache
def bell(request: HttpRequest) -> HttpResponse:
    """The bell again, where its number is no longer `n`; 204 where it is."""
    count = bell_count(user_of(request).pk)
    if request.GET.get("n") == str(count):
        return HttpResponse(status=204)
    return render(request, "activity/_bell.html", {"count": count, "most": MOST})


@require_POST
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """Turn mail about long operations on or off."""
    user = user_of(request)
    wanted = request.POST.get("by_mail") == "on"
    if wanted and not (user.email and settings.MAIL_WORKS):
        messages.error(request, "There is no way to send you mail now. Ask your administrator for an e-mail address.")
        return redirect("account_profile")
    NoticeChoice.objects.update_or_create(user=user, defaults={"by_mail": wanted})
    if not wanted:  # what is due already is not sent any more either
        Notice.objects.filter(user=user, mail_at__isnull=False).update(mail_at=None)
    messages.success(request, "You get mail when something long ends." if wanted else "You get no more mail.")
    return redirect("account_profile")


def bell_count(user_id: int) -> int:
    """How many are new, counted no further than the bell shows. One query."""
    return len(notices.unseen(user_id).values_list("pk", flat=True).order_by()[: MOST + 1])


def _entry(notice: Notice) -> Entry:
    iso = notice.event.iso
    return Entry(notice, line_of(notice.event), iso.get_absolute_url() if iso else "", notice.seen_at is None)

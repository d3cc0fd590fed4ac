"""The account pages that allauth does not have, and those of its pages that the portal does not."""

from __future__ import annotations

from typing import NoReturn

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Who is signed in; administrators change it."""
    return render(request, "account/profile.html")


def closed(request: HttpRequest, **kwargs: str) -> NoReturn:
    """A page of allauth that makes no sense here: administrators keep names and e-mail addresses."""
    raise Http404

"""Small readings of requests that several views share."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.accounts.models import User
from portal.kernel.errors import PortalError


def user_of(request: HttpRequest) -> User:
    """The signed-in user. Views stand behind login_required, so there is one."""
    if not isinstance(request.user, User):
        raise TypeError("A view without login_required asked for its user.")
    return request.user


def wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def go_back(request: HttpRequest) -> HttpResponseRedirect:
    """To the page of ours that the form named in `next`, else to the list."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("isos:list")
    return HttpResponseRedirect(target)


def refused(request: HttpRequest, error: PortalError) -> HttpResponse:
    """Back to where the user was, with the sentence on top."""
    messages.error(request, error.message)
    return go_back(request)

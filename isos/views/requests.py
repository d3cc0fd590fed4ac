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


def next_page(request: HttpRequest) -> str:
    """The page of ours that was named in `next`, else the list."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return reverse("isos:list")


def go_back(request: HttpRequest) -> HttpResponseRedirect:
    """To where the form came from. HTMX follows it too and gets that page's live part."""
    return HttpResponseRedirect(next_page(request))


def go_to(request: HttpRequest, page: str) -> HttpResponse:
    """To another page as a whole, also where only a part of this one would be swapped."""
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(headers={"HX-Redirect": page})
    return HttpResponseRedirect(page)


def refused(request: HttpRequest, error: PortalError) -> HttpResponse:
    """Back to where the user was, with the sentence on top."""
    messages.error(request, error.message)
    return go_back(request)

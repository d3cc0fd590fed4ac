"""Errors and lost sessions, rendered in one place for pages, HTMX and scripts alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render, resolve_url

from portal import deadlines
from portal.kernel.errors import PortalError

UPLOADS = "/uploads/"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")  # what CSRF protection reads by itself
FORM_SECONDS = 15.0
GetResponse = Callable[[HttpRequest], HttpResponse]


class PortalErrorMiddleware:
    """Turns a PortalError that a view let through into an answer with its sentence."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, PortalError):
            return None
        if request.accepts("application/json") and not request.accepts("text/html"):
            said: HttpResponse = JsonResponse(
                {"code": exception.code, "message": exception.message}, status=exception.status
            )
        else:
            said = render(request, "error.html", {"error": exception}, status=exception.status)
        if exception.retry_after:
            said["Retry-After"] = str(math.ceil(exception.retry_after))
        return said


class SlowBodyMiddleware:
    """Form bodies are small: one that is not here after some seconds is not worth a thread.

    Uploads have a rule of their own (isos.views.tus), since theirs may take hours.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_upload = request.path.startswith(UPLOADS) and request.content_type not in FORM_TYPES
        if is_upload or request.headers.get("Content-Length", "0") in ("", "0"):
            return self.get_response(request)
        with deadlines.limit(request) as limit:
            limit.renew(FORM_SECONDS)
            with suppress(OSError):  # whoever reads it later hears of it
                request.body  # noqa: B018 -- reads it
        return self.get_response(request)


class SignedOutMiddleware:
    """A script that is sent to the sign-in page gets told so, instead of that page's HTML."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        login = resolve_url(settings.LOGIN_URL)
        if response.status_code != 302 or not response.headers["Location"].startswith(login):
            return response
        if request.htmx:  # type: ignore[attr-defined]
            # A reload goes through the sign-in page and comes back to where the user was.
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        if not request.accepts("text/html"):
            message = "Your session ended. Sign in again to go on."
            return JsonResponse({"code": "signed_out", "message": message}, status=401)
        return response

"""Requests of programs: who carries a token is nobody else, whatever cookies came along."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from portal.accounts import tokens

TAKES_TOKENS = ("/api/", "/uploads/")


class BearerMiddleware:
    """Drops the cookies of a request with a token, and asks it for no CSRF token.

    CSRF protection stands between a browser's cookie and other people's pages. Without the cookie there is no session
    to abuse: either the token is good, which no other page knows, or the request is nobody's. Stands before the
    session's middleware; elsewhere than at TAKES_TOKENS a token means nothing.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if tokens.bearer(request) is None or not request.path_info.startswith(TAKES_TOKENS):
            return self.get_response(request)
        request.COOKIES = {}
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.cookies.clear()
        return response

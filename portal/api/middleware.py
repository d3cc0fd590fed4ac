"""Whatever goes wrong below /api/ is told as a problem, also by layers that know nothing of it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from portal.api.problems import CONTENT_TYPE, problem

PREFIX = "/api/"
KEPT_HEADERS = ("Allow", "Retry-After", "Content-Range")
SENTENCES = {
    400: ("bad_request", "The request can't be read. Check its body and headers."),
    404: ("not_found", "There is nothing at this address, or nothing that you may see."),
    416: ("range", "The file has no such part. Its size is in Content-Range."),
    405: ("method", "This address does not take that method."),
    500: ("internal", "Something went wrong in the portal. Try again, then tell your administrator."),
}


class ApiMiddleware:
    """Turns pages of errors into problems. Answers of the API are nobody's to keep."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith(PREFIX):
            return response
        if response.status_code >= 400 and response.get("Content-Type") != CONTENT_TYPE:
            response = _retold(response)
        response.setdefault("Cache-Control", "no-store")
        return response


def _retold(old: HttpResponse) -> HttpResponse:
    code, sentence = SENTENCES.get(old.status_code, ("error", f"The request was refused: {old.reason_phrase}."))
    new = problem(old.status_code, code, sentence)
    for name in KEPT_HEADERS:
        if name in old:
            new[name] = old[name]
    return new

"""The API itself: its parts, what its errors look like, and its description."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation

from portal.api.endpoints import account, downloads, importing, library, operations, places
from portal.api.middleware import SENTENCES
from portal.api.problems import CONTENT_TYPE, FieldProblem, FieldsRefused, problem, problem_of
from portal.kernel.errors import PortalError

DESCRIPTION = """\
What the pages do, for programs. Send a personal token with every request, `Authorization: Bearer isop_…`;
tokens are made on the profile page. Files are sent by tus to `/uploads/` with the same token.
Errors are problem details (RFC 9457) with a `code` for programs and a sentence for people."""


class PortalAPI(NinjaAPI):
    """Describes its refusals with the content type that they have, and its operations by short names."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> Any:
        schema = super().get_openapi_schema(*args, **kwargs)
        for path in schema["paths"].values():
            for operation in path.values():
                for status, response in operation["responses"].items():
                    if int(status) >= 400 and "application/json" in response.get("content", {}):
                        response["content"] = {CONTENT_TYPE: response["content"]["application/json"]}
        return schema


api = PortalAPI(title="ISO portal", version="1", description=DESCRIPTION, docs_url=None, urls_namespace="api")
for part in (library, downloads, importing, operations, places, account):
    api.add_router("", part.router)


@api.exception_handler(PortalError)
def _portal_error(request: HttpRequest, error: PortalError) -> HttpResponse:
    return problem_of(error)


@api.exception_handler(Http404)
def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, *SENTENCES[404])


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """A body that is no JSON, and the like."""
    return problem(error.status_code, *SENTENCES.get(error.status_code, ("error", error.message)))


@api.exception_handler(ValidationError)
def _validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What does not fit the description, before any action saw it."""
    return problem_of(FieldsRefused([_sentence_of(found) for found in error.errors]))


def _sentence_of(found: dict[str, Any]) -> FieldProblem:
    """`body.zones.0` is where; the parameter's own name, such as `body` or `query`, says nothing."""
    where = ".".join(str(part) for part in found["loc"] if part not in ("body", "query", "path"))
    said = f"{str(found['msg']).rstrip('.')}." if where else "Send a JSON object with the fields of this address."
    return FieldProblem(field=where, message=said)

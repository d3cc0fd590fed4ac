"""Errors of the API in one shape: RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Iterable
from http import HTTPStatus

from django import forms
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Schema
from pydantic import Field

from isos.actions.copy_to_zones import CopyRefused
from portal.kernel.errors import InvalidInput, PortalError
from zones.models import Zone

CONTENT_TYPE = "application/problem+json"
SEVERAL = "Some of this can't be used. See errors."


class FieldProblem(Schema):
    """One sentence about one field of what was sent."""

    field: str = Field(description="Name of the field; empty where it is about several.")
    message: str
    zone: str | None = Field(default=None, description="Slug of the zone that it is about.")


class Problem(Schema):
    """Why nothing was done."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.")
    status: int
    code: str = Field(description="For programs; stays the same between versions.")
    detail: str = Field(description="For people: what happened, and what to do next.")
    errors: list[FieldProblem] = Field(default=[], description="What is wrong with single fields.")


class FieldsRefused(PortalError):
    """Fields that can't be used, each with a sentence."""

    code = "invalid"
    status = 422

    def __init__(self, problems: list[FieldProblem]) -> None:
        [first, *more] = problems
        named = f"{first.field}: {first.message}" if first.field else first.message
        super().__init__(SEVERAL if more else named)
        self.problems = problems


def require_known(request: HttpRequest, query: type[Schema]) -> None:
    """Raises FieldsRefused for parameters that are none: a misspelt filter would list everything."""
    unknown = [name for name in request.GET if name not in query.model_fields]
    if unknown:
        raise FieldsRefused([FieldProblem(field=name, message="There is no such parameter here.") for name in unknown])


def require_valid(*filled: forms.Form) -> None:
    """Raises FieldsRefused with each of the forms' sentences."""
    if not any(form.errors for form in filled):
        return
    problems = [
        _field_problem("" if name == "__all__" else name, error.code or "", str(sentence))
        for form in filled
        for name, found in form.errors.as_data().items()
        for error in found
        for sentence in error
    ]
    raise FieldsRefused(problems)


def _field_problem(field: str, code: str, sentence: str) -> FieldProblem:
    zone = code.removeprefix("zone-") if code.startswith("zone-") else None
    return FieldProblem(field=field, message=sentence, zone=zone)


def problem(status: int, code: str, detail: str, errors: Iterable[FieldProblem] = ()) -> HttpResponse:
    body = Problem(title=_title(status), status=status, code=code, detail=detail, errors=list(errors))
    response = JsonResponse(body.model_dump(exclude_none=True), status=status, content_type=CONTENT_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="ISO portal"'
    return response


def problem_of(error: PortalError) -> HttpResponse:
    """What a PortalError says to a program."""
    response = problem(error.status, error.code, error.message, _errors_in(error))
    if error.retry_after:
        response["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def _errors_in(error: PortalError) -> list[FieldProblem]:
    if isinstance(error, FieldsRefused):
        return error.problems
    if isinstance(error, CopyRefused):
        return [FieldProblem(field="zones", message=said, zone=zone) for zone, said in error.problems.items()]
    if error.field:
        return [FieldProblem(field=error.field, message=error.message)]
    return []


def unknown_zone(slug: str) -> InvalidInput:
    return InvalidInput(f"There is no zone “{slug}”.", field="zones")


def not_in_zone(zone: Zone) -> InvalidInput:
    return InvalidInput(f"This ISO is not in {zone}, or is being deleted there.", field="zones")


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"

"""The page that explains the API, laid out from its own description: nothing on it is written twice."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from portal.api.api import api

Description = dict[str, Any]
_QUOTED = re.compile(r"`([^`]*)`")  # names in the description, which is Markdown for tools


@dataclass(frozen=True)
class Field:
    """One parameter, or one field of a body or an answer. `kind` in words."""

    name: str
    kind: str
    required: bool
    words: str = ""


@dataclass(frozen=True)
class Endpoint:
    """One method of one address."""

    method: str
    path: str
    summary: str
    words: str
    scope: str
    parameters: list[Field]
    body: list[Field]
    status: str
    answer: str
    refusals: str

    @property
    def anchor(self) -> str:
        return slugify(f"{self.method} {self.path.removeprefix('/api/v1/')}".replace("/", " "))


@dataclass
class Group:
    """Endpoints about the same kind of thing."""

    title: str
    endpoints: list[Endpoint] = field(default_factory=list)


@require_safe
@login_required
def docs(request: HttpRequest) -> HttpResponse:
    """Every endpoint with what it takes and gives, for whoever is signed in."""
    schema = api.get_openapi_schema()
    context = {
        "groups": _groups(schema),
        "shapes": _shapes(schema),
        "base": request.build_absolute_uri("/api/v1/"),
        "uploads": request.build_absolute_uri("/uploads/"),
    }
    return render(request, "api/docs.html", context)


def _groups(schema: Description) -> list[Group]:
    groups: dict[str, Group] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            title = operation["tags"][0]
            groups.setdefault(title, Group(title)).endpoints.append(
                _endpoint(schema["components"]["schemas"], path, method, operation)
            )
    return list(groups.values())


def _endpoint(named: Description, path: str, method: str, operation: Description) -> Endpoint:
    statuses = sorted(str(status) for status in operation["responses"])
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    [good] = operation["responses"][int(statuses[0])]["content"].values()
    return Endpoint(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=_QUOTED.sub(r"“\1”", operation.get("description", "")),
        scope=next(iter(operation["security"][0])).removesuffix("Token").lower(),
        parameters=[
            Field(one["name"], _kind(named, one["schema"]), one["required"], one["schema"].get("description", ""))
            for one in operation["parameters"]
        ],
        body=_fields(named, _name_of(content["schema"])) if content else [],
        status=statuses[0],
        answer=_kind(named, good["schema"]),
        refusals=", ".join(statuses[1:]),
    )


def _shapes(schema: Description) -> list[tuple[str, str, list[Field]]]:
    """Name, words and fields of everything that an answer may hold."""
    named = schema["components"]["schemas"]
    bodies = {name for name in named if name.endswith(("In", "Edit", "Query"))}
    return [
        (name, shape.get("description", ""), _fields(named, name))
        for name, shape in named.items()
        if name not in bodies and "properties" in shape
    ]


def _fields(named: Description, name: str) -> list[Field]:
    shape = named[name]
    required = shape.get("required", [])
    return [
        Field(key, _kind(named, one), key in required, one.get("description", ""))
        for key, one in shape["properties"].items()
    ]


def _kind(named: Description, shape: Description) -> str:
    """A JSON Schema in words: `text`, `list of ZoneState`, `one of ready, failed`, `number or null`."""
    if "$ref" in shape:
        name = _name_of(shape)
        return _kind(named, named[name]) if "enum" in named[name] else name
    if "anyOf" in shape:
        return " or ".join(_kind(named, one) for one in shape["anyOf"])
    if "enum" in shape:
        return "one of " + ", ".join(str(value) or "empty" for value in shape["enum"])
    if "const" in shape:
        return f"“{shape['const']}”" if shape["const"] else "empty"
    if shape.get("type") == "array":
        return f"list of {_kind(named, shape['items'])}"
    words = {"integer": "whole number", "string": "text", "boolean": "true or false"}
    kind = str(shape.get("type", "anything"))
    return {"uuid": "id", "date-time": "time", "binary": "the bytes"}.get(
        str(shape.get("format")), words.get(kind, kind)
    )


def _name_of(shape: Description) -> str:
    return str(shape["$ref"]).rsplit("/", 1)[-1]

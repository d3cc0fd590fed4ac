"""The API's description, and the page that is made of it."""

import pytest

from isos.models import OsType
from isos.queries import SCOPES, SORTS, STATES
from portal.api.api import api
from portal.api.schemas import ImportIn, ListQuery
from tests.web.conftest import find, read


def described():
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            yield pytest.param(path, method, operation, id=operation["operationId"])


def values(schema, name):
    return set(schema.model_json_schema()["properties"][name]["enum"]) - {""}


def test_what_can_be_chosen_is_what_there_is():
    assert values(ListQuery, "os_type") == values(ImportIn, "os_type") == set(OsType.values)
    assert values(ListQuery, "state") == set(STATES)
    assert values(ListQuery, "sort") == set(SORTS)
    assert values(ListQuery, "scope") == {name or "own" for name in SCOPES}


@pytest.mark.parametrize(("path", "method", "operation"), list(described()))
def test_every_operation_is_described(path, method, operation):
    assert operation["summary"]
    assert operation["description"].endswith(".")
    [[scheme]] = operation["security"]
    assert scheme == {"get": "ReadToken"}.get(method, scheme)
    refusals = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert {401, 403, 429} <= set(refusals)
    assert all(set(answer["content"]) == {"application/problem+json"} for answer in refusals.values())
    assert (404 in refusals) == ("{" in path)


def test_the_description_is_for_everybody(client, db):
    response = client.get("/api/v1/openapi.json")
    assert (response.status_code, response.json()["openapi"]) == (200, "3.1.0")
    assert "set-cookie" not in response.headers


def test_the_page_shows_all_of_it(client, owner):
    client.force_login(owner)
    page = read(client.get("/api/v1/docs"))
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in " ".join(page.text().split())
    assert find(page, href="/accounts/tokens/")
    assert find(page, href="/api/v1/openapi.json")
    assert "None" not in page.one("main").text()


def test_the_page_is_for_users(client, db):
    assert client.get("/api/v1/docs")["Location"].startswith("/accounts/login/")

"""A program with a personal token."""

import pytest
from django.test import Client

from portal.accounts import tokens
from portal.accounts.api_token import Scope


class Program:
    """Speaks JSON to the API in the name of `user`; without a secret it is nobody."""

    def __init__(self, secret):
        self.client = Client(enforce_csrf_checks=True)
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def send(self, method, path, body=None, **headers):
        json = {"data": body, "content_type": "application/json"} if body is not None else {}
        headers = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return getattr(self.client, method)(f"/api/v1{path}", headers=headers, **json)

    def get(self, path):
        return self.send("get", path)

    def post(self, path, body):
        return self.send("post", path, body)

    def patch(self, path, body):
        return self.send("patch", path, body)


@pytest.fixture
def program():
    """`program(owner, "read")`: a program of that user with a token of that scope."""

    def make(user, scope="delete", days=30):
        _, secret = tokens.create(user, f"{scope} {user.api_tokens.count()}", Scope(scope), days)
        return Program(secret)

    return make


@pytest.fixture
def by_owner(program, owner):
    return program(owner)


def refused(response, status, code, field=None):
    """The problem, once it has the shape that every refusal has."""
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), response.content
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail", "errors"}
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["detail"][0].isupper() or problem["detail"][0].isalnum()
    assert response["Cache-Control"] == "no-store"
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]]
    return problem

"""What the tests of the library's pages share."""

import pytest
from django.test import Client

from tests.web.html import assert_no_inline, parse

HTMX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def as_user():
    """`as_user(owner)`: a browser in which that user is signed in."""

    def sign_in(user):
        client = Client()
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def by_owner(as_user, owner):
    return as_user(owner)


def read(response, status=200):
    """The page as a tree; nothing in it may need a weaker policy."""
    assert response.status_code == status
    html = response.content.decode()
    assert_no_inline(html)
    return parse(html)


def rows(page):
    """Names of the list's rows, in order."""
    return [node.text() for node in page.walk() if "data-name" in node.attrs]


def find(page, **attrs):
    """All nodes with these attributes; `_` stands for `-`, and a trailing one is dropped."""
    wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attrs.items()}
    return [node for node in page.walk() if all(node.attrs.get(name) == value for name, value in wanted.items())]

"""Who calls: the user of a personal token, and nobody by cookie."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer

from portal.accounts import tokens
from portal.accounts.api_token import ApiToken, Scope
from quotas import rates


class Token(HttpBearer):
    """Asks for a token of at least `scope`, and counts the request against its account."""

    scope: ClassVar[Scope]

    def __call__(self, request: HttpRequest) -> ApiToken:
        """Raises TokenRefused, NotAllowed or TooOften."""
        token = tokens.sign_in(request, self.scope)
        rates.spend(token.user.account, "api", limit=settings.API_REQUESTS_PER_MINUTE, seconds=60)
        return token

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError("A Token is called as a whole.")


# The names of these classes stand in the description as those of the security schemes.
class ReadToken(Token):
    scope = Scope.READ


class WriteToken(Token):
    scope = Scope.WRITE


class DeleteToken(Token):
    scope = Scope.DELETE


READ, WRITE, DELETE = ReadToken(), WriteToken(), DeleteToken()

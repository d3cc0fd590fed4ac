"""Make and revoke tokens, which stands in the account's trail. Accounts can't write there: it knows no events."""

from __future__ import annotations

from django.db import transaction

from isos.audit import Actor, record_setting
from portal.accounts import tokens
from portal.accounts.api_token import ApiToken, Scope

NONE = "nothing"


def make(actor: Actor, name: str, scope: Scope, days: int) -> tuple[ApiToken, str]:
    """A new token of the actor himself, and its secret. Raises InvalidInput."""
    with transaction.atomic():
        token, secret = tokens.create(actor.person, name, scope, days)
        _record(actor, token, NONE, f"{scope.label.lower()}, until {token.expires_at:%Y-%m-%d %H:%M} UTC")
    return token, secret


def revoke(actor: Actor, token: ApiToken) -> None:
    """Refuse the token from now on. Whose it may be is the caller's matter; doing so twice is recorded once."""
    with transaction.atomic():
        if tokens.revoke(token):
            _record(actor, token, Scope(token.scope).label.lower(), NONE)


def _record(actor: Actor, token: ApiToken, before: str, after: str) -> None:
    user = token.user
    subject = f"API token “{token.name}” of {user.display_name()}"
    record_setting(actor, subject, "rights", before, after, account=user.account)

"""Personal tokens of the API: made, shown once, recognised by their hash, revoked. Sole writer of ApiToken."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

from allauth.account.adapter import get_adapter
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from portal.accounts.api_token import ApiToken, Scope
from portal.accounts.models import User
from portal.kernel.errors import InvalidInput, NotAllowed, PortalError

MARK = "isop_"  # by which secret scanners find one in a repository or a log
MAX_TOKENS = 20  # of one user, expired ones included until they are revoked
MAX_DAYS = 365
PREFIX_LENGTH = len(MARK) + 6
USE_STEP = timedelta(minutes=1)  # how exactly the last use is known
_SECRET = re.compile(re.escape(MARK) + r"[0-9a-f]{40}", re.ASCII)


class TokenRefused(PortalError):
    """The request carries no token that is good for anything."""

    code = "token_unknown"
    status = 401
    default_message = "This token is not known. Make one on your profile page, under API tokens."


def create(user: User, name: str, scope: Scope, days: int) -> tuple[ApiToken, str]:
    """A new token and its secret, which can't be had again. Raises InvalidInput."""
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"A token lasts from 1 to {MAX_DAYS} days.", field="days")
    secret = MARK + secrets.token_hex(20)
    try:
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)  # two at once count each other
            kept = ApiToken.objects.filter(user=user, revoked_at=None)
            if kept.count() >= MAX_TOKENS:
                raise InvalidInput(f"You have {MAX_TOKENS} tokens, the most there may be. Revoke one first.")
            token = ApiToken.objects.create(
                user=user,
                name=name,
                scope=scope,
                prefix=secret[:PREFIX_LENGTH],
                digest=_digest(secret),
                expires_at=timezone.now() + timedelta(days=days),
            )
    except IntegrityError:
        raise InvalidInput("You already have a token with this name. Choose another.", field="name") from None
    return token, secret


def revoke(token: ApiToken) -> bool:
    """The token is refused from now on. Returns False where it was revoked before."""
    now = timezone.now()
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now):
        return False
    token.revoked_at = now
    return True


def bearer(request: HttpRequest) -> str | None:
    """The secret of an `Authorization: Bearer …` header, None where the request has none of that scheme."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def sign_in(request: HttpRequest, scope: Scope) -> ApiToken:
    """Make the token's user the user of this one request, which asks for what `scope` is needed for.

    Sets `request.user` and `request.api_token`. Raises TokenRefused, or NotAllowed where the scope does not suffice.
    """
    secret = bearer(request)
    if secret is None:
        raise TokenRefused("Send a token: “Authorization: Bearer isop_…”. Make one on your profile page.")
    token = authenticate(secret)
    _note_use(token, get_adapter().get_client_ip(request))
    if not token.allows(scope):
        raise NotAllowed(
            f"This token is for “{Scope(token.scope).label}” only. Make one for “{scope.label}”.", code="token_scope"
        )
    request.user = token.user
    request.api_token = token  # type: ignore[attr-defined]
    return token


def authenticate(secret: str) -> ApiToken:
    """The token with its user and account. Raises TokenRefused for what is unknown, expired or revoked."""
    if not _SECRET.fullmatch(secret):
        raise TokenRefused
    token = ApiToken.objects.select_related("user__account").filter(digest=_digest(secret)).first()
    if token is None:
        raise TokenRefused
    if token.revoked_at is not None:
        raise TokenRefused("This token was revoked. Make another on your profile page.", code="token_revoked")
    if not token.is_valid_at(timezone.now()):
        raise TokenRefused("This token has expired. Make another on your profile page.", code="token_expired")
    if not token.user.is_active:
        raise TokenRefused("This token's user is switched off. Ask your administrator.", code="token_user_inactive")
    return token


def _note_use(token: ApiToken, address: str | None) -> None:
    """When and from where, written once a minute at most."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_STEP)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now, last_address=address)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

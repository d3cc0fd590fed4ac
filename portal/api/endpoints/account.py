"""Who calls, and what the account may still use."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from isos.views.requests import user_of
from portal.accounts.api_token import ApiToken, Scope
from portal.api.answers import answers
from portal.api.auth import READ
from portal.api.schemas import MeOut, QuotaOut, TokenOut
from quotas.usage import LIMIT_NAMES, overview

router = Router(tags=["Account"])


@router.get("/me", auth=READ, response=answers(200, MeOut), url_name="me", summary="Who am I")
def me(request: HttpRequest) -> MeOut:
    """The token's user, and the token itself."""
    user = user_of(request)
    token: ApiToken = request.api_token  # type: ignore[attr-defined]
    return MeOut(
        username=user.username,
        name=user.display_name(),
        account=user.account.name,
        role=user.role,
        is_staff=user.is_staff,
        rights=sorted(right.name.lower() for right in user.rights_in(user.account_id)),
        token=TokenOut(name=token.name, scope=Scope(token.scope), expires_at=token.expires_at),
    )


@router.get("/quota", auth=READ, response=answers(200, QuotaOut), url_name="quota", summary="Quota of the account")
def quota(request: HttpRequest) -> QuotaOut:
    """Limits beside use. Sizes in bytes."""
    found = overview(user_of(request).account)
    usage = found.usage
    limits = {name: getattr(found.limits, name) for name in LIMIT_NAMES}
    return QuotaOut(**limits, isos=usage.isos, bytes=usage.bytes, held_bytes=usage.held_bytes, uploads=usage.uploads)

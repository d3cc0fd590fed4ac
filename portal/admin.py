"""API tokens in admin: who has which, and Revoke. Registered from here, because accounts can't write the trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from isos.audit import Actor
from portal.accounts.api_token import ApiToken
from portal.api import token_actions

if TYPE_CHECKING:
    TokenModelAdmin = admin.ModelAdmin[ApiToken]
else:
    TokenModelAdmin = admin.ModelAdmin


@admin.register(ApiToken)
class ApiTokenAdmin(TokenModelAdmin):
    """Rows for looking. Users make their own tokens; nobody makes one for somebody else."""

    list_display = ("name", "user", "account", "scope", "state", "prefix", "last_used_at", "last_address", "expires_at")
    list_filter = ("scope", ("revoked_at", admin.EmptyFieldListFilter), "expires_at")
    list_select_related = ("user__account",)
    search_fields = ("name", "prefix", "user__username", "user__account__name")
    fields = (*list_display, "created_at", "revoked_at")
    date_hierarchy = "created_at"
    actions = ("revoke",)

    @admin.display(ordering="user__account__name")
    def account(self, token: ApiToken) -> str:
        return token.user.account.name

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        for token in chosen.filter(revoked_at=None).select_related("user__account"):
            token_actions.revoke(Actor.of(request), token)
        messages.success(request, "Revoked. Programs that use them are refused from now on.")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Rows can't be changed here by anybody, so the permission to change is asked for what acts on them."""
        return request.user.has_perm("accounts.change_apitoken")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

"""An account in admin as its users see it, without being one of them: what it has, what goes on, what went wrong."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from isos.account_support import support_of
from isos.audit import Actor, record_setting
from isos.audited_admin import Audited
from portal.accounts.admin import UserAdmin
from portal.accounts.models import Account, User
from quotas.admin import AccountWithQuotaAdmin


class AccountSupportAdmin(Audited, AccountWithQuotaAdmin):
    """`/admin/accounts/account/<id>/support/` beside the form; what is changed stands in the audit trail."""

    list_display = (*AccountWithQuotaAdmin.list_display, "support")

    @admin.display(description="")
    def support(self, account: Account) -> str:
        return format_html(
            '<a href="{}">Support view</a>', reverse("admin:accounts_account_support", args=[account.pk])
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.support_view)
        return [path("<int:pk>/support/", view, name="accounts_account_support"), *super().get_urls()]

    def support_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read-only, for whoever may look at accounts and ISOs. A fixed number of queries."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        account = get_object_or_404(Account, pk=pk)
        if not (self.has_view_permission(request, account) and request.user.has_perm("isos.view_iso")):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": f"{account}: support view",
            "opts": self.opts,
            "account": account,
            "support": support_of(account),
        }
        return TemplateResponse(request, "admin/accounts/account/support.html", context)


class AuditedUserAdmin(Audited, UserAdmin):
    """Users as before; what is changed stands in the audit trail, new passwords without a word of what they are."""

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            user = self.get_object(request, id)
            if not isinstance(user, User):
                raise Http404
            record_setting(Actor.of(request), f"User {user.username}", "password", "…", "…", account=user.account)
        return response

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("account")

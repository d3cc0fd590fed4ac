"""Accounts and Users in admin. Quotas adds itself to the Account's page (quotas.admin)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from portal.accounts.models import Account, User

if TYPE_CHECKING:
    AccountModelAdmin = admin.ModelAdmin[Account]
    UserModelAdmin = DjangoUserAdmin[User]
else:
    AccountModelAdmin = admin.ModelAdmin
    UserModelAdmin = DjangoUserAdmin


@admin.register(Account)
class AccountAdmin(AccountModelAdmin):
    """The tenants, each with the number of its users."""

    list_display: tuple[str, ...] = ("name", "user_count", "created_at")
    search_fields = ("name", "users__username", "users__email")
    readonly_fields = ("public_id", "created_at", "user_count")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return super().get_queryset(request).annotate(users_total=Count("users", distinct=True))

    @admin.display(description="Users", ordering="users_total")
    def user_count(self, account: Account) -> str:
        """How many, as a link to them."""
        if account._state.adding:
            return "–"
        address = reverse("admin:accounts_user_changelist", query={"account__id__exact": account.pk})
        return format_html('<a href="{}">{}</a>', address, getattr(account, "users_total", 0))


@admin.register(User)
class UserAdmin(UserModelAdmin):
    """Django's own user pages, with the Account a user belongs to and the role there."""

    list_display = ("username", "account", "role", "email", "is_active", "is_staff", "last_login")
    list_filter = ("role", *DjangoUserAdmin.list_filter, ("account", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("account",)
    search_fields = (*DjangoUserAdmin.search_fields, "account__name")
    autocomplete_fields = ("account",)
    fieldsets = (
        (None, {"fields": ("username", "password", "account", "role")}),
        *(DjangoUserAdmin.fieldsets or ())[1:],
    )
    add_fieldsets = (
        *DjangoUserAdmin.add_fieldsets,
        ("Account", {"fields": ("account", "role", "email")}),
    )

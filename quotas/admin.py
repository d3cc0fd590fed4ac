"""Quotas in admin: on their own and on the page of their Account, what is used beside the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model
from django.http import HttpRequest

from portal.accounts.admin import AccountAdmin
from portal.accounts.models import Account
from portal.kernel.text import human_bytes
from quotas import price_admin  # noqa: F401 - registers the prices
from quotas.forms import QuotaLimitForm
from quotas.models import QuotaLimit
from quotas.usage import QuotaOverview, overview, overviews

if TYPE_CHECKING:
    LimitAdmin = admin.ModelAdmin[QuotaLimit]
    LimitInline = admin.StackedInline[QuotaLimit, Account]
else:
    LimitAdmin = admin.ModelAdmin
    LimitInline = admin.StackedInline


def account_of(row: Model) -> Account | None:
    """The Account that a row of either admin speaks of; None while it is being made."""
    if isinstance(row, QuotaLimit):
        return row.account if row.account_id else None
    return row if isinstance(row, Account) and row.pk else None


class UsageChangeList(ChangeList):
    """A list that knows the usage of all its rows after two queries, however long it is."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        accounts = [account for row in self.result_list if (account := account_of(row))]
        for account, quota in overviews(accounts):
            account.quota_overview = quota  # type: ignore[attr-defined]


class UsageColumns:
    """What an Account uses, beside its limits. Read-only."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UsageChangeList

    @admin.display(description="ISO images")
    def isos(self, row: Model) -> str:
        return f"{quota.usage.isos} of {quota.limits.max_isos}" if (quota := _quota(row)) else "–"

    @admin.display(description="Storage")
    def storage(self, row: Model) -> str:
        return _storage(quota) if (quota := _quota(row)) else "–"

    @admin.display(description="Largest ISO allowed")
    def largest(self, row: Model) -> str:
        return human_bytes(quota.limits.max_iso_bytes) if (quota := _quota(row)) else "–"

    @admin.display(description="Uploads under way")
    def uploads(self, row: Model) -> str:
        return f"{quota.usage.uploads} of {quota.limits.max_uploads}" if (quota := _quota(row)) else "–"


_USAGE = ("isos", "storage", "uploads")


@admin.register(QuotaLimit)
class QuotaLimitAdmin(UsageColumns, LimitAdmin):
    """The Accounts that have limits of their own."""

    form = QuotaLimitForm
    list_display = ("account", *_USAGE, "largest")
    list_select_related = ("account",)
    search_fields = ("account__name",)
    autocomplete_fields = ("account",)
    fields = ("account", "max_isos", "max_bytes", "max_iso_bytes", "max_uploads", *_USAGE)
    readonly_fields = _USAGE


class QuotaLimitInline(UsageColumns, LimitInline):
    """The Account's own limits; an empty field means the portal's default."""

    model = QuotaLimit
    form = QuotaLimitForm
    fields = ("max_isos", "max_bytes", "max_iso_bytes", "max_uploads", *_USAGE)
    readonly_fields = _USAGE
    verbose_name_plural = "Quota (an empty field means the portal's default)"


admin.site.unregister(Account)


@admin.register(Account)
class AccountWithQuotaAdmin(UsageColumns, AccountAdmin):
    """The Account's page with its quota. Registered from here, because accounts can't import quotas."""

    list_display: tuple[str, ...] = ("name", "user_count", "isos", "storage", "created_at")
    inlines = (QuotaLimitInline,)


def _quota(row: Model) -> QuotaOverview | None:
    """Of the whole list at once where a list is shown, else counted now and kept for this page."""
    account = account_of(row)
    if account is None:
        return None
    if not hasattr(account, "quota_overview"):
        account.quota_overview = overview(account)  # type: ignore[attr-defined]
    return account.quota_overview  # type: ignore[attr-defined]


def _storage(quota: QuotaOverview) -> str:
    """`12.3 GB of 100 GB, 3.08 GB of it not Ready yet`."""
    text = f"{human_bytes(quota.usage.bytes)} of {human_bytes(quota.limits.max_bytes)}"
    return f"{text}, {human_bytes(quota.usage.held_bytes)} of it not Ready yet" if quota.usage.held_bytes else text

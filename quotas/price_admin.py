"""Prices in admin: a list of what held when, and a form for a new one. Nothing is changed or deleted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.http import HttpRequest
from django.utils import timezone
from moneyed import Money

from portal.kernel.errors import InvalidInput
from quotas.models import Price, ZonePrice
from quotas.money import NO_CHARGE, price_text
from quotas.prices import checked

if TYPE_CHECKING:
    PriceModelForm = forms.ModelForm[Price]
    PriceModelAdmin = admin.ModelAdmin[Price]
else:
    PriceModelForm = forms.ModelForm
    PriceModelAdmin = admin.ModelAdmin


class PriceForm(PriceModelForm):
    """A new price: an amount in the portal's currency, and from when on."""

    valid_from = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime,
        help_text="UTC. Empty: from now on. Usage is priced by what held at its time.",
    )

    currency = forms.ChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "number" not in self.fields:  # one that is only looked at
            return
        code = settings.CURRENCY
        currency = self.fields["currency"] = forms.ChoiceField(choices=[(code, code)], initial=code)
        # The select offers one currency. What else is sent is another program's doing, and told what is wrong.
        currency.error_messages["invalid_choice"] = (
            f"The portal's prices are in {code}, not in %(value)s. Prices in several currencies can't be added up."
        )
        self.fields["number"].help_text = "0 means no charge."
        self.initial.pop("valid_from", None)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if {"number", "currency", "valid_from"} <= data.keys():
            try:
                data["valid_from"] = checked(Money(data["number"], data["currency"]), data["valid_from"])
            except InvalidInput as error:
                self.add_error("number" if error.field == "amount" else error.field, error.message)
        return data


class PriceAdmin(PriceModelAdmin):
    """What both kinds of prices have in common."""

    form = PriceForm
    readonly_fields = ("price", "holds", "set_by", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False  # a new price follows the old one, which stays what it was

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        obj.set_by = request.user  # type: ignore[assignment]
        obj.save()

    @admin.display(description="price", ordering="number")
    def price(self, row: Price) -> str:
        return price_text(row.amount) if row.amount.amount else NO_CHARGE

    @admin.display(description="begun", boolean=True)
    def holds(self, row: Price) -> bool:
        return row.valid_from <= timezone.now()


class ZonePriceForm(PriceForm):
    class Meta:
        model = ZonePrice
        fields = ("zone", "number", "currency", "valid_from")
        labels = {"number": "Price of a GB-month"}


@admin.register(ZonePrice)
class ZonePriceAdmin(PriceAdmin):
    """What a GB (a billion bytes) kept for a calendar month costs in each zone, now, before and later."""

    form = ZonePriceForm
    list_display = ("zone", "price", "valid_from", "holds", "set_by", "created_at")
    list_select_related = ("zone", "set_by")
    list_filter = ("zone",)

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> tuple[str, ...]:
        shown = ("zone", "price", "valid_from", "holds", "set_by", "created_at")
        return shown if obj else ("zone", "number", "currency", "valid_from")

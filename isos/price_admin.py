"""The prices of ISO images in admin: a list of what held when, and a form for a new one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from isos.actions.set_price import set_price
from isos.audit import Actor
from isos.models import IsoPrice
from quotas.models import Price
from quotas.price_admin import PriceAdmin, PriceForm


class IsoPriceForm(PriceForm):
    class Meta:
        model = IsoPrice
        fields = ("iso", "number", "currency", "period", "valid_from")
        labels = {"number": "Price of the image", "iso": "ISO image"}


@admin.register(IsoPrice)
class IsoPriceAdmin(PriceAdmin):
    """What images themselves cost, beside the storage they take."""

    form = IsoPriceForm
    list_display = ("iso_name", "price", "period", "valid_from", "holds", "set_by", "created_at")
    list_select_related = ("set_by",)
    list_filter = ("period",)
    search_fields = ("iso_name", "iso_ref")
    autocomplete_fields = ("iso",)

    def get_fields(self, request: HttpRequest, obj: Price | None = None) -> tuple[str, ...]:
        shown = ("iso_name", "iso_ref", "price", "period", "valid_from", "holds", "set_by", "created_at")
        return shown if obj else ("iso", "number", "currency", "period", "valid_from")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """The action writes it, so that the ISO's activity says so too."""
        made = set_price(Actor.of(request), obj.iso, obj.amount, obj.period, valid_from=obj.valid_from)
        obj.__dict__.update(made.__dict__)

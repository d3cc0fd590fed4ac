"""Zones in admin: their storage, their state, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from zones.forms import ZoneForm
from zones.health import check_zone, mark_zone
from zones.models import Zone

if TYPE_CHECKING:
    _ZoneModelAdmin = admin.ModelAdmin[Zone]
else:
    _ZoneModelAdmin = admin.ModelAdmin


@admin.register(Zone)
class ZoneAdmin(_ZoneModelAdmin):
    """`slug` names the zone's queue, which workers are started with: it is fixed once made."""

    form = ZoneForm
    list_display = ("name", "slug", "state", "storage", "position")
    list_filter = ("state",)
    search_fields = ("name", "slug", "description", "backend")
    actions = ("test_connection",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "description", "position")}),
        ("State", {"fields": ("state", "state_reason")}),
        ("Work", {"fields": ("max_operations", "direct_downloads")}),
        ("Storage", {"fields": ("backend", "options", "new_secrets", "clear_secrets")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Zone | None = None) -> tuple[str, ...]:
        return ("slug",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Zone, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)

        def mark() -> None:
            if problem := mark_zone(obj):
                self.message_user(request, f"{obj.name} can't be used yet. {problem}", messages.WARNING)

        # A form that fails after this must not leave the marker of a zone that never was.
        transaction.on_commit(mark)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Zone | None = None) -> dict[str, Sequence[str]]:
        return {} if obj else {"slug": ("name",)}

    @admin.display(description="Storage", ordering="backend")
    def storage(self, zone: Zone) -> str:
        return zone.backend.rpartition(".")[2]

    @admin.action(description="Test connection", permissions=["change"])
    def test_connection(self, request: HttpRequest, queryset: QuerySet[Zone]) -> None:
        for zone in queryset:
            check = check_zone(zone)
            level = messages.SUCCESS if check.ok else messages.ERROR
            self.message_user(request, f"{zone.name}: {check.sentence}", level)

    def get_urls(self) -> list[URLPattern]:
        test = path("<int:pk>/test/", self.admin_site.admin_view(self.test_view), name="zones_zone_test")
        return [test, *super().get_urls()]

    @method_decorator(require_POST)
    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The button on a zone's page: tests what is saved and comes back."""
        zone = self.get_object(request, str(pk))
        if not self.has_change_permission(request, zone):
            raise PermissionDenied
        if zone is None:
            return redirect(reverse("admin:zones_zone_changelist"))
        self.test_connection(request, Zone.objects.filter(pk=pk))
        return redirect(reverse("admin:zones_zone_change", args=[pk]))

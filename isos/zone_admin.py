"""Health of the zones in admin: what each holds, what goes on there, and what its last check said."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from isos.audited_admin import Audited
from isos.zone_health import ZoneHealth, where_of, zone_healths
from zones.admin import ZoneAdmin
from zones.models import Zone


class ZoneWithHealthAdmin(Audited, ZoneAdmin):
    """`/admin/zones/zone/health/` beside what zones bring themselves; what is changed stands in the audit trail."""

    change_list_template = "admin/zones/zone/change_list_with_health.html"

    def get_urls(self) -> list[URLPattern]:
        health = path("health/", self.admin_site.admin_view(self.health_view), name="zones_zone_health")
        check = path("health/check/", self.admin_site.admin_view(self.check_view), name="zones_zone_check")
        return [health, check, *super().get_urls()]

    def health_view(self, request: HttpRequest) -> HttpResponse:
        """Rows alone: no storage is asked, so that one which hangs does not hang this page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": "Health of the zones",
            "opts": self.opts,
            "has_change_permission": self.has_change_permission(request),
            "rows": [_row(health) for health in zone_healths(Zone.objects.all())],
        }
        return TemplateResponse(request, "admin/zones/zone/health.html", context)

    @method_decorator(require_POST)
    def check_view(self, request: HttpRequest) -> HttpResponse:
        """ "Check now": of the zone that is named, or of all that are not disabled."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        named = request.POST.get("zone", "")
        zones = Zone.objects.filter(slug=named) if named else Zone.objects.exclude(state=Zone.State.DISABLED)
        self.test_connection(request, zones)
        return redirect(reverse("admin:zones_zone_health"))


def _row(health: ZoneHealth) -> dict[str, Any]:
    return {"health": health, "zone": health.zone, "check": health.check, "where": where_of(health.zone)}

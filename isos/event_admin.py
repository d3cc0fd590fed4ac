"""The audit trail in admin: all accounts, in words, with filters and search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from isos.models import Event
from isos.read_only_admin import ReadOnly, iso_link
from isos.views.activity import line_of

if TYPE_CHECKING:
    EventModelAdmin = admin.ModelAdmin[Event]
else:
    EventModelAdmin = admin.ModelAdmin


@admin.register(Event)
class EventAdmin(ReadOnly, EventModelAdmin):
    list_display = ("at", "account", "who", "what", "iso_shown", "address")
    list_display_links = ("at",)
    list_filter = ("verb", "by_staff", ("account", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("account", "iso")
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("iso_name", "=iso_ref", "actor_name", "=address", "zone_name")
    date_hierarchy = "created_at"
    fields = (
        "created_at", "account", "who", "by_staff", "address", "verb", "what", "iso_shown", "iso_ref", "zone_name",
        "asked_by", "asked_at", "details",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return super().get_queryset(request).defer("iso__inspection")

    @admin.display(description="time (UTC)", ordering="created_at")
    def at(self, event: Event) -> str:
        return f"{event.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="who", ordering="actor_name")
    def who(self, event: Event) -> str:
        return event.actor_name or "Portal"

    @admin.display(description="what", ordering="verb")
    def what(self, event: Event) -> str:
        return line_of(event).sentence

    @admin.display(description="ISO", ordering="iso_name")
    def iso_shown(self, event: Event) -> str:
        return iso_link(event.iso) if event.iso else event.iso_name

    @admin.display(description="details")
    def details(self, event: Event) -> str:
        return json.dumps(event.data, ensure_ascii=False, sort_keys=True) if event.data else ""

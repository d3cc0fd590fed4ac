"""What admin classes of the library share: rows for looking, and links between them."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from isos.models import Iso


class ReadOnly:
    """Mixin: nothing is added, changed or deleted here."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def iso_link(iso: Iso) -> str:
    """The name, leading to the ISO's own row."""
    return format_html('<a href="{}">{}</a>', reverse("admin:isos_iso_change", args=[iso.pk]), iso.name)

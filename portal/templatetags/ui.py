"""Template tags and filters of the portal's own components."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BaseForm, BoundField
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.kernel import text

register = template.Library()

register.filter("human_bytes", text.human_bytes)

# Icons by operating system type, for a release that names none of its own.
OS_ICONS = {"linux": "terminal-2", "windows": "brand-windows", "bsd": "server", "other": "disc"}
# Django's message levels, as the kinds of components/_note.html.
NOTE_KINDS = {"success": "ok", "warning": "warn", "error": "bad"}


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """`{% icon "copy" "s" %}`: a symbol of icons.svg, hidden from assistive technology.

    Sizes: none (18 px), `s` (15 px), `xs` (13 px); `spin` turns it.
    """
    css = f"icon {size}".strip()
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', css, _sprite(), name)


def _sprite() -> str:
    return static("icons.svg")


@register.filter
def os_icon(os_type: str, own: str = "") -> str:
    """The icon of an operating system: its release's own, else the one of its type."""
    return own or OS_ICONS.get(os_type, "disc")


@register.filter
def note_kind(level_tag: str) -> str:
    """`success` → `ok`; what is not listed is plain information: ``."""
    return NOTE_KINDS.get(level_tag, "")


@register.filter
def fields_with_errors(form: BaseForm) -> list[BoundField]:
    """The visible fields to which the error summary links."""
    return [field for field in form.visible_fields() if field.errors]


@register.filter
def is_check(field: BoundField) -> bool:
    """Whether the field is one checkbox, whose label stands behind it."""
    return getattr(field.field.widget, "input_type", "") == "checkbox" and not field.field.widget.use_fieldset


@register.simple_tag
def page_numbers(page: Page[Any]) -> Iterable[str | int]:
    """The page numbers to link: all around this one and both ends, an ellipsis between."""
    return page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)


@register.inclusion_tag("components/_crumbs.html")
def crumbs(*trail: str) -> dict[str, Any]:
    """`{% crumbs "ISO images" list_url "Upload ISO" %}`: pairs of words and address, then the page itself."""
    *links, here = trail
    return {"links": list(zip(links[::2], links[1::2], strict=True)), "here": here}

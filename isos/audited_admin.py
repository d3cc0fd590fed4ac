"""Settings that administrators change in admin stand in the audit trail, like what users change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Model
from django.http import HttpRequest

from isos import audit
from portal.accounts.models import Account, User
from quotas.models import QuotaLimit
from zones.models import Zone

# Fields whose values are or may hold secrets: that they were changed is written down, not to what.
_SECRET = ("password", "secret", "option", "token", "key")
MOST = 200  # characters of a value that are kept


class Audited:
    """Mixin for a ModelAdmin: one Event for each field that a form or inline changed, one for what is made or gone."""

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm[Any], change: bool) -> None:
        super().save_model(request, obj, form, change)  # type: ignore[misc]
        _record_form(request, obj, form, change, is_own=change or not isinstance(obj, Account))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)  # type: ignore[misc]
        made = {made.pk for made in formset.new_objects}
        for inline in formset.forms:
            if inline.has_changed() and inline.instance.pk is not None and inline not in formset.deleted_forms:
                _record_form(request, inline.instance, inline, inline.instance.pk not in made, is_own=change)
        for gone in formset.deleted_objects:
            _record(request, gone, "row", "", "deleted", is_own=change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        _record(request, obj, "row", "", "deleted", is_own=not isinstance(obj, Account))
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Any]) -> None:
        for row in queryset:
            _record(request, row, "row", "", "deleted", is_own=not isinstance(row, Account))
        super().delete_queryset(request, queryset)  # type: ignore[misc]


def _record_form(
    request: HttpRequest, row: Model, form: forms.ModelForm[Any], change: bool, *, is_own: bool = True
) -> None:
    """`is_own` tells whether it is the account's own affair. What is said of an account while it is made is not:
    an account that has events can't be deleted any more, and one that was made by mistake should."""
    if not change:
        _record(request, row, "row", "", "made", is_own=is_own)
    for name in form.changed_data:
        before, after = words_of_change(form, name)
        before = before if change else ""
        if any(part in name for part in _SECRET):
            before, after = "…", "…"
        if before != after or before == "…":
            # Which account a user came from is told to administrators alone: it is another account's name.
            is_move = isinstance(row, User) and name == "account"
            _record(request, row, name, before, after, is_own=is_own and not is_move)


def words_of_change(form: forms.ModelForm[Any], name: str) -> tuple[str, str]:
    """What a field held and what it holds now, for people."""
    field = form.fields[name]
    return _words(field, form.get_initial_for_field(field, name)), _words(field, form.cleaned_data.get(name))


def _words(field: forms.Field, value: Any) -> str:
    """A value as people know it: yes and no, a chosen row by its name."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if value in (None, ""):
        return ""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return ", ".join(sorted(str(one) for one in value))[:MOST]
    if isinstance(field, forms.ModelChoiceField) and field.queryset is not None:
        return str(value if isinstance(value, Model) else field.queryset.filter(pk=value).first())[:MOST]
    return str(value)[:MOST]


def _record(request: HttpRequest, row: Model, field: str, before: str, after: str, *, is_own: bool = True) -> None:
    subject, account, zone = _about(row)
    audit.record_setting(
        audit.Actor.of(request),
        subject,
        field,
        before or "nothing",
        after or "nothing",
        account=account if is_own else None,
        zone=zone,
    )


def _about(row: Model) -> tuple[str, Account | None, str]:
    """What the row is for people, whose it is, and in which zone."""
    if isinstance(row, QuotaLimit):
        return f"Quota of {row.account}", row.account, ""
    if isinstance(row, Account):
        return f"Account {row}", row, ""
    if isinstance(row, User):
        return f"User {row.username}", row.account, ""
    return f"{str(row._meta.verbose_name).capitalize()} {row}", None, row.name if isinstance(row, Zone) else ""

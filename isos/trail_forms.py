"""What may be asked of the audit trail."""

from __future__ import annotations

from typing import Any

from django import forms

from isos.models import Event
from isos.trail import KINDS, TrailFilters
from portal.accounts.models import User
from zones.models import Zone

_DAY = "Write the day as 2026-01-31."


def _text(label: str, hint: str, **attrs: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", "placeholder": hint, "autocomplete": "off"} | attrs)
    return forms.CharField(label=label, required=False, max_length=150, widget=widget)


def _day(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    messages = {"invalid": _DAY}
    return forms.DateField(
        label=label, required=False, input_formats=["%Y-%m-%d"], widget=widget, error_messages=messages
    )


class TrailForm(forms.Form):
    """The filters of the Activity page. Reversed days and what is no day are said; other nonsense is dropped."""

    iso = _text("ISO", "Name or ID")
    who = _text("Who", "Anybody", list="trail-names")
    what = forms.ChoiceField(
        label="What", required=False, choices=[("", "Everything"), *((key, words) for key, (words, _) in KINDS.items())]
    )
    zone = forms.ChoiceField(label="Zone", required=False)
    first_day = _day("From")
    last_day = _day("To")
    account = _text("Account", "All accounts")

    def __init__(self, data: Any, user: User) -> None:
        super().__init__(data)
        names = list(Zone.objects.values_list("name", flat=True))
        chosen = str(data.get("zone", ""))[: Event._meta.get_field("zone_name").max_length]
        if chosen and chosen not in names:  # a zone that is gone still stands in the trail
            names.append(chosen)
        self.fields["zone"].choices = [("", "All zones"), *((name, name) for name in names)]  # type: ignore[attr-defined]
        if not user.is_staff:
            del self.fields["account"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and first > last:
            self.add_error("last_day", "The last day lies before the first one. Change one of them.")
        return cleaned

    def is_refused(self) -> bool:
        """Whether something has to be put right: days alone, because they decide what a record says."""
        return bool({"first_day", "last_day"} & set(self.errors))

    def filters(self) -> TrailFilters:
        self.is_valid()
        data = self.cleaned_data
        fields = {name: data[name] for name in TrailFilters.__dataclass_fields__ if data.get(name)}
        return TrailFilters(**fields)

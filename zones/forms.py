"""The zone form of admin: secrets go in and never come out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError

from zones.models import Zone

if TYPE_CHECKING:
    _ZoneModelForm = forms.ModelForm[Zone]
else:
    _ZoneModelForm = forms.ModelForm


class WriteOnlyTextarea(forms.Textarea):
    """Shows nothing, not even what was just sent and refused."""

    def format_value(self, value: Any) -> str:
        return ""


class SecretsField(forms.CharField):
    """A JSON object of storage options; cleans to its canonical text, or "" where nothing was written."""

    widget = WriteOnlyTextarea

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        if not text:
            return ""
        try:
            secrets = json.loads(text)
        except json.JSONDecodeError as error:
            # The decoder's message names the place and the kind, never the text.
            raise ValidationError(
                f"This is not valid JSON: {error.msg}, line {error.lineno}, column {error.colno}."
            ) from None
        if not isinstance(secrets, dict):
            raise ValidationError('Write a JSON object, for example {"access_key": "…", "secret_key": "…"}.')
        return json.dumps(secrets)


class ZoneForm(_ZoneModelForm):
    """`secret_options` is left out of the model's own fields, so that no code path can show it."""

    new_secrets = SecretsField(label="Secret options", required=False)
    clear_secrets = forms.BooleanField(
        label="Clear secrets", required=False, help_text="Forget the stored secret options."
    )

    class Meta:
        model = Zone
        fields = (
            "name",
            "slug",
            "description",
            "state",
            "state_reason",
            "position",
            "max_operations",
            "direct_downloads",
            "backend",
            "options",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_secrets"].help_text = (
            'A JSON object, for example {"access_key": "…", "secret_key": "…"}. Encrypted at rest and never shown'
            f' again; "env:NAME" reads a value from the environment. Empty keeps what is stored. {self._stored()}'
        )

    def _stored(self) -> str:
        try:
            names = sorted(self.instance.secrets())
        except ImproperlyConfigured as error:
            return str(error)
        return f"Stored now: {', '.join(names)}." if names else "Nothing is stored now."

    def clean_options(self) -> Any:
        """An empty field means no options."""
        options = self.cleaned_data["options"]
        return {} if options is None else options

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        new, clear = cleaned.get("new_secrets"), cleaned.get("clear_secrets")
        if new and clear:
            self.add_error("clear_secrets", "Either write new secret options or clear them, not both.")
        elif new or clear:
            self.instance.secret_options = new or ""  # before Zone.clean, which tries the options out
        return cleaned

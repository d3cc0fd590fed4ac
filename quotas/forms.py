"""Form fields for sizes that people write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms

from portal.kernel.errors import InvalidInput
from portal.kernel.text import exact_bytes, parse_bytes
from quotas.models import QuotaLimit

if TYPE_CHECKING:
    LimitForm = forms.ModelForm[QuotaLimit]
else:
    LimitForm = forms.ModelForm


class BytesField(forms.Field):
    """A number of bytes, written and shown as `100 GB`. Empty is None."""

    widget = forms.TextInput

    def prepare_value(self, value: Any) -> Any:
        return exact_bytes(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return parse_bytes(text)
        except InvalidInput as error:
            raise forms.ValidationError(error.message, code=error.code) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """`0.1 TB` instead of `100 GB` is no change."""
        try:
            return self.to_python(data) != initial
        except forms.ValidationError:
            return True


class QuotaLimitForm(LimitForm):
    """The limits of one Account, sizes as people write them."""

    max_bytes = BytesField(label="Total size", required=False, help_text="For example 100 GB or 1.5 TB.")
    max_iso_bytes = BytesField(label="Largest ISO", required=False, help_text="For example 32 GB.")

    class Meta:
        model = QuotaLimit
        fields = ("account", "max_isos", "max_bytes", "max_iso_bytes", "max_uploads")

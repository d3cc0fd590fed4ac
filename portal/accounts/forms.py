"""allauth's forms in the portal's words: visible labels instead of placeholders, hints that help."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from django import forms

_CODE = {"inputmode": "numeric", "autocapitalize": "none", "spellcheck": "false", "class": "code"}
_NEW = {"password1": "New password", "password2": "New password again"}
# In one sentence what settings.AUTH_PASSWORD_VALIDATORS checks.
_GOOD = "At least 8 characters, not only digits, not a common password and not like your name or e-mail."


class Worded(forms.Form):
    """Puts `labels`, `hints` and `attrs` on the fields by name, and takes the placeholders away."""

    labels: ClassVar[dict[str, str]] = {}
    hints: ClassVar[dict[str, str]] = {}
    attrs: ClassVar[dict[str, dict[str, str]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = self.labels.get(name, field.label)
            field.help_text = self.hints.get(name, field.help_text)
            field.widget.attrs.update(self.attrs.get(name, {}))


class LoginForm(Worded, account.LoginForm):
    labels = {"login": "Username or e-mail", "password": "Password", "remember": "Keep me signed in on this device"}
    hints = {"password": ""}  # the link to the reset stands beside the label
    attrs = {"login": {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": ""}}


class ResetPasswordForm(Worded, account.ResetPasswordForm):
    labels = {"email": "E-mail"}
    attrs = {"email": {"autofocus": ""}}


class ResetPasswordKeyForm(Worded, account.ResetPasswordKeyForm):
    labels = _NEW
    hints = {"password1": _GOOD}
    attrs = {"password1": {"autofocus": ""}}


class ChangePasswordForm(Worded, account.ChangePasswordForm):
    labels = _NEW | {"oldpassword": "Current password"}
    hints = {"oldpassword": "", "password1": _GOOD}


class ReauthenticateForm(Worded, account.ReauthenticateForm):
    hints = {"password": ""}
    attrs = {"password": {"autofocus": ""}}


class CodeForm(Worded):
    """One code, from the app or one of the recovery codes."""

    labels = {"code": "Code"}
    hints = {"code": "Six digits from your authenticator app, or one of your recovery codes."}
    attrs = {"code": _CODE | {"autofocus": ""}}


class AuthenticateForm(CodeForm, mfa.AuthenticateForm):
    pass


class ReauthenticateCodeForm(CodeForm, mfa.ReauthenticateForm):
    pass


class ActivateTOTPForm(Worded, totp.ActivateTOTPForm):
    labels = {"code": "Code from the app"}
    attrs = {"code": _CODE}

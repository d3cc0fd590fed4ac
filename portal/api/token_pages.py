"""The profile's page of API tokens: make one, see it once, revoke it."""

from __future__ import annotations

from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from isos.audit import Actor
from isos.views.requests import user_of
from portal.accounts.api_token import ApiToken, Scope
from portal.api import token_actions
from portal.kernel.errors import InvalidInput

DAYS = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")]


class TokenForm(forms.Form):
    """A token to be made."""

    name = forms.CharField(
        max_length=60,
        help_text="What it is for, so that you know which one to revoke.",
        error_messages={"required": "Enter a name.", "max_length": "Use at most %(limit_value)d characters."},
    )
    scope = forms.ChoiceField(
        label="May",
        choices=Scope.choices,
        initial=Scope.READ,
        help_text="Never more than you may yourself.",
    )
    days = forms.TypedChoiceField(label="Lasts", choices=DAYS, initial=30, coerce=int)

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if not name.isprintable():
            raise forms.ValidationError("The name has a character that can't be shown. Type it again.")
        return name


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
@reauthentication_required(allow_get=True)
@sensitive_variables("secret")
def api_tokens(request: HttpRequest) -> HttpResponse:
    """GET: the user's tokens and a form. POST, soon after the password was entered: a new one, shown this once."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    token, secret = None, ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            token, secret = token_actions.make(Actor.of(request), data["name"], Scope(data["scope"]), data["days"])
        except InvalidInput as error:
            form.add_error(error.field or None, error.message)
        else:
            form = TokenForm()
    context = {
        "form": form,
        "new_token": token,
        "secret": secret,
        "tokens": ApiToken.objects.filter(user=user_of(request), revoked_at=None),
    }
    return render(request, "account/api_tokens.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke_token(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Revoke one of the user's own tokens; others do not exist."""
    token = get_object_or_404(ApiToken, public_id=public_id, user=user_of(request))
    token_actions.revoke(Actor.of(request), token)
    messages.success(request, f"Revoked “{token.name}”. Programs that use it are refused from now on.")
    return redirect("account_api_tokens")

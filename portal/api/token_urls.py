"""The profile's pages of API tokens."""

from django.urls import path

from portal.api.token_pages import api_tokens, revoke_token

urlpatterns = [
    path("", api_tokens, name="account_api_tokens"),
    path("<uuid:public_id>/revoke/", revoke_token, name="account_revoke_token"),
]

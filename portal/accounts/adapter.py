"""How allauth behaves here."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Users are made by administrators: nobody signs up by himself."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

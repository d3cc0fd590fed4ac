"""Who uses the portal: Accounts (the tenants) and their Users."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models


class Account(models.Model):
    """The tenant: owns ISOs and has a quota."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class PortalUserManager(UserManager["User"]):
    """Gives a user that is made without an Account one of its own."""

    def _create_user_object(self, username: str, email: str | None, password: str | None, **extra: Any) -> User:
        if not extra.get("account") and not extra.get("account_id"):
            extra["account"], _ = Account.objects.get_or_create(name=username)
        return super()._create_user_object(username, email, password, **extra)  # type: ignore[misc]


class User(AbstractUser):
    """A person who signs in. Belongs to exactly one Account."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="users")

    objects = PortalUserManager()  # type: ignore[misc]

    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def initials(self) -> str:
        """One or two capitals for the avatar."""
        words = self.display_name().replace(".", " ").replace("_", " ").split() or ["?"]
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()

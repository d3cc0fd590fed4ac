"""Who uses the portal: Accounts (the tenants) and their Users."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

from portal.accounts.api_token import ApiToken as ApiToken
from portal.accounts.roles import ADMINISTRATOR, STRANGER, Right, Role, rights_of


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
    """Gives a user that is made without an Account one of its own. An Account's first user owns it."""

    def _create_user_object(self, username: str, email: str | None, password: str | None, **extra: Any) -> User:
        if not extra.get("account") and not extra.get("account_id"):
            extra["account"], _ = Account.objects.get_or_create(name=username)
        if not extra.get("role"):
            account_id = extra["account"].pk if extra.get("account") else extra["account_id"]
            extra["role"] = Role.MEMBER if self.filter(account=account_id).exists() else Role.OWNER
        return super()._create_user_object(username, email, password, **extra)  # type: ignore[misc]


class User(AbstractUser):
    """A person who signs in. Belongs to exactly one Account."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="users")
    role = models.CharField(
        max_length=10,
        choices=Role.choices,
        default=Role.MEMBER,
        help_text="Owners also make images public. Read-only users look and download. See the documentation's table.",
    )

    objects = PortalUserManager()  # type: ignore[misc]

    def rights_in(self, account_id: int) -> frozenset[Right]:
        """What this user may do to the ISOs of an account: by role in the own one, as a stranger elsewhere."""
        if self.is_staff:
            return ADMINISTRATOR
        return rights_of(self.role) if account_id == self.account_id else STRANGER

    def role_words(self) -> str:
        """The role as pages show it."""
        return "Administrator" if self.is_staff else self.get_role_display()

    def display_name(self) -> str:
        return self.get_full_name() or self.username

    def initials(self) -> str:
        """One or two capitals for the avatar."""
        words = self.display_name().replace(".", " ").replace("_", " ").split() or ["?"]
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()

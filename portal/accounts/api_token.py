"""ApiToken: lets a user's program in, without the password and only as far as its scope goes."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone


class Scope(models.TextChoices):
    """What a token is good for. Each one includes those before it; the user's role still decides."""

    READ = "read", "Look"
    WRITE = "write", "Look and change"
    DELETE = "delete", "Look, change and delete"

    def includes(self, other: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


class ApiToken(models.Model):
    """One personal token. The secret itself is not stored; see portal.accounts.tokens, the sole writer.

    Rows stay after they were revoked: they tell which token an event speaks of.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    scope = models.CharField(max_length=6, choices=Scope.choices)
    prefix = models.CharField(max_length=12, help_text="How the secret begins, to know it again.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret, which is random.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_address = models.GenericIPAddressField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                "user", Lower("name"), condition=Q(revoked_at=None), name="api_token_name_unique_for_user"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """`Active`, `Expired` or `Revoked`."""
        if self.revoked_at is not None:
            return "Revoked"
        return "Active" if self.is_valid_at(timezone.now()) else "Expired"

    def is_valid_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and moment < self.expires_at

    def allows(self, scope: Scope) -> bool:
        return Scope(self.scope).includes(scope)

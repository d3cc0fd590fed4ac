"""Zone: a place with its own storage."""

from __future__ import annotations

import json
import os
import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from encrypted_fields.fields import EncryptedTextField

from zones.validation import place_change, storage_problems

FILE_BACKEND = "django.core.files.storage.FileSystemStorage"


class Zone(models.Model):
    """A place with its own storage (and, later, compute).

    The storage is a Django STORAGES entry: `backend` is the dotted class, `options` its
    keyword arguments. Options that are secret live in `secret_options`: encrypted at rest,
    written in admin and never shown again. An option value `"env:NAME"` is read from the
    environment of the process that opens the store, so that the database need not know it.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        MAINTENANCE = "maintenance", "Maintenance"
        DISABLED = "disabled", "Disabled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(max_length=40, unique=True, help_text="Names the zone's queue. Fixed once made.")
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    state_reason = models.CharField(
        max_length=200, blank=True, help_text="Shown to users while the zone is not active."
    )
    position = models.PositiveSmallIntegerField(default=0)
    backend = models.CharField(max_length=200, default=FILE_BACKEND)
    options = models.JSONField(default=dict, blank=True)
    secret_options = EncryptedTextField(default="", blank=True, null=True)  # the field stores "" as NULL
    max_operations = models.PositiveSmallIntegerField(
        "simultaneous operations",
        null=True,
        blank=True,
        help_text="How many uploads are verified, imports fetched and copies made here at once. Empty means the "
        "portal's default, 0 any number. Deletes never wait.",
    )
    direct_downloads = models.BooleanField(
        default=True,
        help_text="Where the storage can (S3), downloads are sent to it by an address that expires. Switch it off "
        "where users can't reach the storage; downloads then pass through the portal.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # Since when the root of a zone on a directory bears the zone's marker: zones.stores.files.
    marked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Whether new work may be sent here. Work under way goes on in maintenance."""
        return self.state == self.State.ACTIVE

    @property
    def queue(self) -> str:
        """The Celery queue of workers that stand beside this zone's storage."""
        return f"zone.{self.slug}"

    @property
    def light_queue(self) -> str:
        """The queue of its deletes, which must not wait behind copies. No slug holds a dot."""
        return f"{self.queue}.light"

    @property
    def operation_limit(self) -> int:
        """How many operations may move bytes here at once; 0 means any number."""
        return settings.ZONE_MAX_OPERATIONS if self.max_operations is None else self.max_operations

    def clean(self) -> None:
        """Refuse a storage entry that can't work, with the sentence at its field."""
        problems = storage_problems(self, Zone.objects.exclude(pk=self.pk))
        if not problems and (saved := Zone.objects.filter(pk=self.pk).first()):
            problems = place_change(self, saved)
        if problems:
            raise ValidationError(problems)

    def is_needed(self) -> bool:
        """Whether rows of any app, such as replicas, keep the zone from being deleted."""
        return any(
            relation.related_model._base_manager.filter(**{relation.field.name: self}).exists()
            for relation in Zone._meta.related_objects
            if relation.on_delete is models.PROTECT
        )

    def storage_options(self) -> dict[str, Any]:
        """Options and secrets together, `env:NAME` values resolved. For stores only."""
        merged = {**self.options, **self.secrets()}
        return {key: _resolve(key, value) for key, value in merged.items()}

    def secrets(self) -> dict[str, Any]:
        """The decrypted secret options. For stores; only the names may ever be shown."""
        try:
            return json.loads(self.secret_options) if self.secret_options else {}
        except ValueError:  # the field gives what it can't decrypt back as it is
            raise ImproperlyConfigured(
                "The zone's secret options can't be decrypted with the present SECRET_KEY."
            ) from None


class ZoneCheck(models.Model):
    """What the last test of a zone's storage found. Written by zones.health only."""

    zone = models.OneToOneField(Zone, on_delete=models.CASCADE, related_name="last_check")
    checked_at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField(help_text="How long writing, reading and deleting took together.")
    ok = models.BooleanField()
    sentence = models.TextField(help_text="For administrators.")
    free_bytes = models.BigIntegerField(null=True, help_text="Empty where the storage can't tell.")

    def __str__(self) -> str:
        return f"{self.zone}: {self.sentence}"


def _resolve(key: str, value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith("env:"):
        return value
    name = value.removeprefix("env:")
    if name not in os.environ:
        raise ImproperlyConfigured(f"The storage option {key} names {name}, which is not in the environment.")
    return os.environ[name]

"""System checks of zones. Those that read rows run with `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from zones.models import FILE_BACKEND, Zone
from zones.stores import build_store
from zones.stores.base import StoreError
from zones.stores.files import FileStore
from zones.stores.oserrors import store_errors
from zones.validation import storage_problems


@register(Tags.security)
def check_salts(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """zones.E001: secrets are encrypted with keys made from SECRET_KEY and a salt."""
    salts = settings.SALT_KEY if isinstance(settings.SALT_KEY, list) else [settings.SALT_KEY]
    if salts and all(salts):
        return []
    hint = "Set ZONE_SECRETS_SALTS to one long random word, or remove it to get the built-in default."
    return [Error("There is no salt to encrypt the secrets of zones with.", hint=hint, id="zones.E001")]


@register(Tags.database)
def check_zones(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """zones.W001 to W004: each zone's storage entry can be used."""
    if not databases or "default" not in databases:
        return []
    try:
        zones = list(Zone.objects.exclude(state=Zone.State.DISABLED))
    except DatabaseError:  # before the first migration
        return []
    return [message for zone in zones for message in _zone_messages(zone, zones)]


def _zone_messages(zone: Zone, zones: list[Zone]) -> Iterator[CheckMessage]:
    others = [other for other in zones if other.pk != zone.pk]
    for sentence in storage_problems(zone, others).values():
        hint = f"Correct the storage of {zone.name} in admin, under Zones."
        yield checks.Warning(sentence, hint=hint, obj=zone, id="zones.W001")
    location = zone.options.get("location") if isinstance(zone.options, dict) else None
    if zone.backend == FILE_BACKEND and location and not Path(location).is_dir():
        hint = f"Mount or make {location} on every machine that serves this zone."
        yield checks.Warning("The zone's directory does not exist here.", hint=hint, obj=zone, id="zones.W002")
    elif zone.marked_at and (reason := _unmarked(zone)):
        hint = f"Mount the disk of {zone.name}, or see manage.py mark_zone."
        yield checks.Warning(f"The zone's directory can't be used: {reason}", hint=hint, obj=zone, id="zones.W004")
    try:
        zone.secrets()
    except ImproperlyConfigured as error:
        hint = "Put the old key into SECRET_KEY_FALLBACKS, or enter the zone's secrets again in admin."
        yield checks.Warning(str(error), hint=hint, obj=zone, id="zones.W003")


def _unmarked(zone: Zone) -> str:
    """Why the root of a marked zone can't be used here, or ""."""
    try:
        store = build_store(zone)
        if isinstance(store, FileStore):
            with store_errors(), store.root.directory():
                pass
    except StoreError as error:
        return error.reason
    return ""

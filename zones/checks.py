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
    """zones.W001 to W003: each zone's storage entry can be used."""
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
    try:
        zone.secrets()
    except ImproperlyConfigured as error:
        hint = "Put the old key into SECRET_KEY_FALLBACKS, or enter the zone's secrets again in admin."
        yield checks.Warning(str(error), hint=hint, obj=zone, id="zones.W003")

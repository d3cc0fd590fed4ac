"""What `manage.py check` says about the portal's own settings. Ids are stable: portal.E…, portal.W…."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

MIN_SECRET_KEY = 32  # characters; every session and every zone secret rests on it


@register("portal")
def check_data_folder(**_: Any) -> list[CheckMessage]:
    """The folder may be absent before the first start; then it must be possible to make it."""
    folder = Path(settings.DATA_DIR)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"The data folder {folder} is not writable.",
            hint="Give the portal's user the right to write there, or set PORTAL_DATA_DIR to another folder.",
            id="portal.E001",
        )
    ]


@register("portal")
def check_debug(**_: Any) -> list[CheckMessage]:
    if not (settings.DEBUG and settings.BEHIND_TLS):
        return []
    return [
        Error(
            "DEBUG and BEHIND_TLS are both set: error pages would show settings and code to everyone.",
            hint="Unset DEBUG where the portal is served to users.",
            id="portal.E002",
        )
    ]


@register("portal")
def check_secret_key(**_: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= MIN_SECRET_KEY:
        return []
    return [
        Error(
            f"SECRET_KEY has fewer than {MIN_SECRET_KEY} characters: sessions could be forged.",
            hint="Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(64))'",
            id="portal.E003",
        )
    ]


@register("portal")
def check_zone_queues(**_: Any) -> list[CheckMessage]:
    if not (settings.ZONE_QUEUES and _broker_is_files()):
        return []
    return [
        Error(
            "ZONE_QUEUES needs a broker that other machines can reach; CELERY_BROKER_URL is a folder on this one.",
            hint="Set CELERY_BROKER_URL to a Redis or RabbitMQ address, or unset ZONE_QUEUES.",
            id="portal.E004",
        )
    ]


@register("portal")
def check_broker(**_: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") or not _broker_is_files():
        return []
    return [
        CheckWarning(
            "The database is a server, but the broker is a folder on this machine: workers on others hear nothing.",
            hint="Set CELERY_BROKER_URL to a Redis or RabbitMQ address. With one machine alone, this is fine.",
            id="portal.W001",
        )
    ]


def _broker_is_files() -> bool:
    return str(settings.CELERY_BROKER_URL).startswith("filesystem:")

"""Whether a zone's storage entry can be meant, said field by field."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from zones.stores.base import StoreRefused
from zones.stores.names import is_secret_name

if TYPE_CHECKING:
    from zones.models import Zone

# What makes two entries of one backend the same place.
_PLACE = ("bucket_name", "location", "endpoint_url", "azure_container", "account_name", "base_url", "host", "root_path")


def storage_problems(zone: Zone, others: Iterable[Zone]) -> dict[str, str]:
    """Field name to sentence; empty where the entry is fine. Contacts nothing."""
    if problem := _backend_problem(zone):
        return {"backend": problem}
    if problem := _options_problem(zone) or _place_problem(zone, others):
        return {"options": problem}
    return {}


def _backend_problem(zone: Zone) -> str:
    from zones.stores.registry import load_backend  # imports the backends

    try:
        load_backend(zone.backend)
    except StoreRefused as error:
        return f"This backend can't be used: {error.reason}."
    return ""


def _options_problem(zone: Zone) -> str:
    from zones.stores.registry import build

    if not isinstance(zone.options, dict):
        return 'The options must be a JSON object, for example {"location": "/srv/isos"}.'
    for name, value in zone.options.items():
        if is_secret_name(name) and isinstance(value, str) and not value.startswith("env:"):
            return (
                f"Move {name} to the secret options: what stands here is not encrypted and is shown to administrators."
            )
    try:
        build(zone.backend, zone.storage_options())
    except StoreRefused as error:
        return f"These options can't be used: {error.reason}."
    except ImproperlyConfigured:
        return ""  # an env: name that only the workers beside the storage know
    return ""


def _place_problem(zone: Zone, others: Iterable[Zone]) -> str:
    """Zones must not share a place: each takes what it does not know there for a left-over."""
    for other in others:
        if (
            other.backend == zone.backend
            and isinstance(other.options, dict)
            and _same_place(zone.options, other.options)
        ):
            return f"The zone {other.name} is stored in this place already. Give each zone a place of its own."
    return ""


def _same_place(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if not any(name in options for name in _PLACE for options in (mine, theirs)):
        return mine == theirs
    apart = any(mine.get(name) != theirs.get(name) for name in _PLACE if name != "location")
    return not apart and _overlap(mine.get("location"), theirs.get("location"))


def _overlap(mine: object, theirs: object) -> bool:
    one, two = PurePath(str(mine or "")), PurePath(str(theirs or ""))
    return one.is_relative_to(two) or two.is_relative_to(one)

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


def place_change(zone: Zone, saved: Zone) -> dict[str, str]:
    """Field name to sentence where the zone would leave what it stored behind; else empty."""
    from zones.models import FILE_BACKEND

    try:
        old, new = {**saved.options, **saved.secrets()}, {**zone.options, **zone.secrets()}  # a place may be secret
    except ImproperlyConfigured:  # secrets of a lost key: they must be entered again
        old, new = saved.options, zone.options
    names = ("location",) if saved.backend == FILE_BACKEND else _PLACE
    moved = [name for name in names if _normal(name, old) != _normal(name, new)]
    if zone.backend == saved.backend and not moved:
        return {}
    if not saved.marked_at and not saved.is_needed():
        return {}
    field, what = ("backend", "The backend") if zone.backend != saved.backend else ("options", f"The {moved[0]}")
    return {
        field: f"{what} is fixed since the zone is in use: its ISO images would be left behind. To move a zone on a"
        " directory, stop the portal, copy the whole directory with its file .zone to the new disk, and mount that"
        " at the same path. For any other move, make a new zone and copy the ISO images to it."
    }


def _normal(name: str, entry: dict[str, Any]) -> object:
    value = entry.get(name)
    return PurePath(value) if name == "location" and isinstance(value, str) else value


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

"""The audit trail of one ISO in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from isos.models import Event

_Verb = Event.Verb
LONGEST = 300

# Icon and sentence of each verb; {zone} is "in Zone A" or nothing, the rest comes from the event's data.
_LINES: dict[str, tuple[str, str]] = {
    _Verb.UPLOAD_STARTED: ("upload", "Upload started{zone}{then}"),
    _Verb.UPLOAD_RECEIVED: ("download", "File received{zone}"),
    _Verb.UPLOAD_EXPIRED: ("clock", "Upload expired{zone}"),
    _Verb.IMPORT_STARTED: ("download", "Import from URL started{zone}{then}"),
    _Verb.IMPORT_EXPIRED: ("clock", "Import expired{zone}"),
    _Verb.COPY_STARTED: ("copy", "Copy started{zone}"),
    _Verb.COPY_EXPIRED: ("clock", "Copy expired{zone}"),
    _Verb.DAMAGED: ("alert-triangle", "Found damaged{zone}: {reason}"),
    _Verb.READY: ("circle-check", "Verified and ready{zone}"),
    _Verb.FAILED: ("alert-triangle", "Failed{zone}: {reason}"),
    _Verb.RETRIED: ("refresh", "Tried again{zone}"),
    _Verb.CANCELLED: ("x", "Cancelled{zone}"),
    _Verb.RENAMED: ("pencil", "Renamed from “{before}” to “{after}”"),
    _Verb.EDITED: ("pencil", "{what} changed from {before} to {after}"),
    _Verb.DELETE_STARTED: ("trash", "Delete started{zone}"),
    _Verb.DELETED: ("trash", "Deleted{zone}"),
    _Verb.DOWNLOADED: ("download", "Downloaded"),
    _Verb.LINK_MADE: ("link", "Download link made, open until {until}"),
    _Verb.LINK_REVOKED: ("link", "Download link revoked"),
    _Verb.REFUSED: ("shield-lock", "Refused: {reason}"),
    _Verb.SET: ("settings", "{subject}: {what} changed from {before} to {after}"),
}


@dataclass(frozen=True)
class ActivityLine:
    """What happened, by whom and when."""

    icon: str
    sentence: str
    who: str
    when: datetime


def lines(events: Iterable[Event]) -> list[ActivityLine]:
    return [line_of(event) for event in events]


def _words(value: object) -> str:
    """A value of an event's data for people: flags as Yes and No, long texts by their beginning."""
    text = {"True": "Yes", "False": "No", "": "nothing"}.get(str(value), str(value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"


def line_of(event: Event) -> ActivityLine:
    """One event in words."""
    icon, pattern = _LINES.get(event.verb, ("info-circle", event.get_verb_display()))
    data = {key: _words(event.data.get(key, "")) for key in ("reason", "before", "after", "until", "subject")}
    field = str(event.data.get("field", "settings"))
    data["what"] = {"os": "OS type", "file": "File to upload"}.get(
        field, field.removeprefix("is_").replace("_", " ").capitalize()
    )
    data["then"] = f", to be copied to {event.data['copies_to']}" if event.data.get("copies_to") else ""
    sentence = pattern.format(zone=f" in {event.zone_name}" if event.zone_name else "", **data)
    return ActivityLine(icon, sentence, event.actor_name or "Portal", event.created_at)

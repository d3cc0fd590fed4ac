"""Closing a zone to new images and opening it again. What is under way goes on, and what is stored can be used."""

from __future__ import annotations

from portal.kernel.errors import Conflict, InvalidInput
from zones.health import check_zone
from zones.models import Zone

BEING_EMPTIED = "This zone is being emptied."
LONGEST_REASON = Zone._meta.get_field("state_reason").max_length or 0


def close_zone(zone: Zone, reason: str = "") -> bool:
    """Put the zone into maintenance; users read `reason`. Whether it was open until now.

    A zone in maintenance keeps its reason unless a new one is given. Raises Conflict for a disabled zone.
    """
    if len(reason) > LONGEST_REASON:
        raise InvalidInput(f"The reason is too long. Write at most {LONGEST_REASON} characters.", field="reason")
    if zone.state == Zone.State.DISABLED:
        raise Conflict(f"{zone} is disabled. Set it to maintenance in admin first, with its storage at hand.")
    was_open = zone.is_active
    zone.state = Zone.State.MAINTENANCE
    zone.state_reason = reason or ("" if was_open else zone.state_reason) or BEING_EMPTIED
    zone.save(update_fields=["state", "state_reason"])
    return was_open


def open_zone(zone: Zone) -> bool:
    """Let the zone take new images again. Whether it was closed until now. Raises Conflict where its storage fails."""
    check = check_zone(zone)
    if not check.ok:
        raise Conflict(f"{zone} stays closed, because its storage does not work. {check.sentence}")
    was_closed = not zone.is_active
    zone.state, zone.state_reason = Zone.State.ACTIVE, ""
    zone.save(update_fields=["state", "state_reason"])
    return was_closed

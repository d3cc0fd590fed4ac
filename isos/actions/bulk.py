"""Copy or delete several ISOs with one confirmation. One that is refused stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from isos import audit
from isos.actions.copy_to_zones import copy_to_zones
from isos.actions.delete_from_zones import CONFIRMATION, delete_from_zones
from isos.models import Iso
from portal.kernel.errors import InvalidInput, PortalError
from zones.models import Zone


@dataclass
class Outcome:
    """`begun` are ISOs for which something was started, `refused` others with the sentence why not."""

    begun: list[Iso] = field(default_factory=list)
    refused: list[tuple[Iso, str]] = field(default_factory=list)


def copy_many(actor: audit.Actor, isos: Iterable[Iso], zones: Iterable[Zone]) -> Outcome:
    """Copy each ISO to those of the zones where nothing of it is. Raises InvalidInput without a zone."""
    chosen = _required(zones)

    def copy(iso: Iso) -> None:
        there = set(iso.replicas.values_list("zone_id", flat=True))
        missing = [zone for zone in chosen if zone.pk not in there]
        if not missing:
            raise InvalidInput("It is in all of these zones already.")
        copy_to_zones(actor, iso, missing)

    return _each(isos, copy)


def delete_many(actor: audit.Actor, isos: Iterable[Iso], zones: Iterable[Zone], *, confirmation: str) -> Outcome:
    """Delete each ISO from those of the zones where it is. Raises InvalidInput without a zone or the typed word."""
    chosen = _required(zones)
    if confirmation.strip() != CONFIRMATION:
        raise InvalidInput(f"Type the word {CONFIRMATION} to delete.", field="confirmation")

    def delete(iso: Iso) -> None:
        there = list(iso.replicas.select_related("iso", "zone").filter(zone__in=chosen))
        if not there:
            raise InvalidInput("It is in none of these zones.")
        delete_from_zones(actor, iso, there, confirmation=confirmation)

    return _each(isos, delete)


def _required(zones: Iterable[Zone]) -> list[Zone]:
    chosen = list(zones)
    if not chosen:
        raise InvalidInput("Select at least one zone.", field="zones")
    return chosen


def _each(isos: Iterable[Iso], act: Callable[[Iso], object]) -> Outcome:
    outcome = Outcome()
    for iso in isos:
        try:
            act(iso)
        except PortalError as error:
            outcome.refused.append((iso, error.message))
        else:
            outcome.begun.append(iso)
    return outcome

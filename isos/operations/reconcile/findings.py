"""What can disagree, and what was done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    # the database against a store
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    ORPHANED = "orphaned"
    STALE = "stale staging"
    FOREIGN = "not the portal's"
    AWAY = "storage away"
    # the database against itself
    RESERVATION_UNUSED = "reservation without replica"
    RESERVATION_MISSING = "replica without reservation"
    RESERVATION_WRONG = "wrong reservation"
    OPERATION_ADRIFT = "operation without work"
    STUCK = "stuck replica"
    UPLOAD_ADRIFT = "open upload of a settled replica"


LOST = (Kind.MISSING, Kind.WRONG_SIZE)


@dataclass(frozen=True)
class Outcome:
    """What was done about a finding, in words, and whether it needs somebody's care still."""

    words: str
    is_left: bool = False


NOTHING_LEFT = Outcome("gone meanwhile")


@dataclass
class Finding:
    """One disagreement. `about` is a key, a token or an id, `zone` a slug or "".

    `fix` looks a second time before it touches anything; None where nothing may be done by itself.
    It may raise a StoreError.
    """

    kind: Kind
    zone: str
    about: str
    detail: str
    fix: Callable[[], Outcome] | None = None
    outcome: Outcome | None = None

    @property
    def is_left(self) -> bool:
        return self.outcome is None or self.outcome.is_left

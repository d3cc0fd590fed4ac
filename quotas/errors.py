"""What a full quota says, with the numbers. Final: trying again by itself can't heal it.

None of them is a 409 or 423, which tus clients take as a reason to try again at once.
"""

from __future__ import annotations

from portal.kernel.errors import Conflict, PortalError
from portal.kernel.text import human_bytes


class OverQuota(PortalError):
    """The Account's limits leave no room for this."""

    code = "over_quota"
    status = 413
    default_message = "Your account's quota is used up. Delete an ISO, or ask your administrator for more."


class TooManyIsos(OverQuota):
    """One ISO more than the Account may have."""

    @classmethod
    def of(cls, used: int, limit: int) -> TooManyIsos:
        advice = "Delete one, or ask your administrator for more." if used else "Ask your administrator for more."
        return cls(f"You have {used} of {limit} ISO images. {advice}")


class OverStorage(OverQuota):
    """More bytes than the Account has left."""

    @classmethod
    def of(cls, size: int, used: int, limit: int, *, copies: int = 1) -> OverStorage:
        """`size` is what would be added in all, 0 where nobody knows it yet; `used` counts what is held too."""
        free = max(0, limit - used)
        advice = "Delete an ISO, or ask your administrator for more."
        if not free:
            return cls(f"Your storage is full: {_pair(used, limit, ' of ')} is in use. {advice}", field="file")
        needs = _pair(size, free, ", but only ")
        what = "This ISO needs" if copies == 1 else f"The {copies} copies need"
        return cls(f"{what} {needs} of your {human_bytes(limit)} is free. {advice}", field="file")

    @classmethod
    def of_zones(cls, size: int, zones: int, used: int, limit: int) -> OverStorage:
        """One zone would do, but there is no room for `zones` of them."""
        needs = _pair(size * zones, max(0, limit - used), ", but only ")
        advice = "Choose fewer zones, delete an ISO, or ask your administrator for more."
        return cls(
            f"In {zones} zones this ISO needs {needs} of your {human_bytes(limit)} is free. {advice}", field="zones"
        )


class IsoTooLarge(OverQuota):
    """Larger than any single ISO may be."""

    @classmethod
    def of(cls, size: int, limit: int) -> IsoTooLarge:
        sizes = _pair(size, limit, "; the largest allowed is ")
        return cls(f"This ISO is {sizes}. Choose a smaller one, or ask your administrator.", field="file")


class TooManyUploads(OverQuota):
    """One upload more than may be under way at a time."""

    status = 429

    @classmethod
    def of(cls, used: int, limit: int) -> TooManyUploads:
        advice = "Wait until one has finished, or cancel one." if used else "Ask your administrator for more."
        return cls(f"You have {used} of {limit} uploads under way. {advice}")


class NotReserved(Conflict):
    """No quota is held for this replica any more: it was deleted or cancelled meanwhile."""

    code = "not_reserved"
    default_message = "This ISO was cancelled or deleted meanwhile. Start it again."


def _pair(first: int, second: int, between: str) -> str:
    """Two sizes in one sentence: rounded, unless rounding would make different ones look the same."""
    if first != second and human_bytes(first) == human_bytes(second):
        return f"{first:,} bytes{between}{second:,} bytes"
    return f"{human_bytes(first)}{between}{human_bytes(second)}"

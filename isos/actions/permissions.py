"""Who may change what. Seeing is decided in isos.queries."""

from __future__ import annotations

from isos.models import Iso
from portal.accounts.models import User
from portal.kernel.errors import NotAllowed


def may_change(user: User, iso: Iso) -> bool:
    """An account's users change its ISOs; nobody else does."""
    return user.account_id == iso.account_id


def require_change(user: User, iso: Iso) -> None:
    """Raises NotAllowed for a public ISO of somebody else."""
    if not may_change(user, iso):
        raise NotAllowed("This ISO belongs to another account. You can use it, but not change it.")

"""Who may change what. Seeing is decided in isos.queries."""

from __future__ import annotations

from isos.audit import Actor
from isos.models import Iso
from portal.accounts.models import User
from portal.kernel.errors import InvalidInput, NotAllowed
from zones.models import Zone


def may_change(user: User, iso: Iso) -> bool:
    """An account's users change its ISOs; nobody else does."""
    return user.account_id == iso.account_id


def require_change(user: User, iso: Iso) -> None:
    """Raises NotAllowed for a public ISO of somebody else."""
    if not may_change(user, iso):
        raise NotAllowed("This ISO belongs to another account. You can use it, but not change it.")


def require_acting_for(actor: Actor, iso: Iso) -> None:
    """The same for whoever acts, also an operator at the command line: he changes what the account owns."""
    if actor.account.pk != iso.account_id:
        raise NotAllowed("This ISO belongs to another account. You can use it, but not change it.")


def require_may_feature(actor: Actor, is_featured: bool) -> None:
    """Raises InvalidInput where somebody else than an administrator marks an ISO as featured."""
    if is_featured and not actor.may_feature:
        raise InvalidInput("Only administrators can mark an ISO as featured.", field="is_featured")


def require_active(zone: Zone) -> None:
    """Raises InvalidInput for a zone that takes no new images now."""
    if not zone.is_active:
        raise InvalidInput(f"{zone} takes no new images now. Choose another zone.", field="zone")

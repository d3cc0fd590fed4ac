"""Who may change what. Seeing is decided in isos.queries; the rights of each role are in portal.accounts.roles."""

from __future__ import annotations

from isos import audit
from isos.audit import Actor
from isos.models import Iso
from portal.accounts.models import User
from portal.accounts.roles import ADMINISTRATOR, Right
from portal.kernel.errors import InvalidInput, NotAllowed
from zones.models import Zone

ANOTHERS = "This ISO belongs to another account. You can use it, but not change it."
FEATURED = "Only administrators can mark an ISO as featured, or take that back."
PUBLIC = "Only owners of your account can make its ISOs public or private. Ask one of them."


def rights(user: User, iso: Iso) -> frozenset[Right]:
    """Everything that `user` may do to `iso`, provided that he sees it."""
    return user.rights_in(iso.account_id)


def may(user: User, right: Right, iso: Iso) -> bool:
    return right in rights(user, iso)


def may_change(user: User, iso: Iso) -> bool:
    """Whether `user` may rename and edit it."""
    return may(user, Right.CHANGE, iso)


def may_create(user: User) -> bool:
    """Whether `user` may add ISOs to the own account."""
    return Right.CREATE in user.rights_in(user.account_id)


def refusal(user: User, right: Right) -> NotAllowed:
    """What a user reads whose role in the account does not suffice."""
    return NotAllowed(
        f"Your role in this account, {user.role_words().lower()}, does not let you {right}. Ask an owner."
    )


def require(actor: Actor, right: Right, iso: Iso) -> None:
    """Raises NotAllowed where the actor (a user, or an operator in an account's service) may not do this to `iso`."""
    if right in _rights_in(actor, iso.account_id):
        return
    if actor.account.pk != iso.account_id:
        raise NotAllowed(ANOTHERS)
    raise refusal(actor.person, right)


def require_creating(actor: Actor) -> None:
    """Raises NotAllowed for a user whose role adds nothing to the account."""
    if Right.CREATE not in _rights_in(actor, actor.account.pk):
        raise refusal(actor.person, Right.CREATE)


def require_may_feature(actor: Actor, wanted: bool, *, name: str = "", iso: Iso | None = None) -> None:
    """Raises InvalidInput where somebody else than an administrator sets this flag, which is written down.

    `wanted` tells whether the flag is to be set or, of an `iso` that exists, to be changed. Call it
    outside a transaction: the record of the refusal has to stay.
    """
    if wanted and not actor.may_feature:
        audit.record_refusal(actor, FEATURED, field="is_featured", iso=iso, name=name)
        raise InvalidInput(FEATURED, field="is_featured")


def require_may_publish(actor: Actor, wanted: bool, *, name: str = "", iso: Iso | None = None) -> None:
    """The same for what other accounts may see."""
    account_id = iso.account_id if iso is not None else actor.account.pk
    if wanted and Right.PUBLISH not in _rights_in(actor, account_id):
        audit.record_refusal(actor, PUBLIC, field="is_public", iso=iso, name=name)
        raise InvalidInput(PUBLIC, field="is_public")


def require_active(zone: Zone) -> None:
    """Raises InvalidInput for a zone that takes no new images now."""
    if not zone.is_active:
        raise InvalidInput(f"{zone} takes no new images now. Choose another zone.", field="zone")


def _rights_in(actor: Actor, account_id: int) -> frozenset[Right]:
    if actor.operates_for is not None:  # at the command line
        return ADMINISTRATOR if actor.operates_for.pk == account_id else frozenset()
    return actor.person.rights_in(account_id)

"""Writing the audit trail. Called inside the transaction of the change it records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from isos import notices
from isos.models import Event, Iso
from portal.accounts.api_token import ApiToken
from portal.accounts.models import Account, User
from portal.kernel.errors import NotAllowed
from zones.models import Zone

NAME_LENGTH = 70  # with a token's name it has to fit into Event.actor_name
LONGEST_NAME = 150  # Event.actor_name; first and last name may have as many each
OPERATOR = "Operator (command line)"
BY_LINK = "Somebody with the link"


@dataclass(frozen=True)
class Actor:
    """Who acts and from where: a user, an operator in the service of an account, somebody by a download link
    or of another account, else the portal itself.

    `on_behalf_of` names another account, of whose users nothing is told.
    """

    user: User | None = None
    address: str | None = None
    operates_for: Account | None = None
    by_link: bool = False
    on_behalf_of: str = ""
    token: str = ""  # name of the API token by which a program acts for the user

    @classmethod
    def of(cls, request: HttpRequest) -> Actor:
        """The signed-in user of a request, and the browser's address, also from behind settings.TRUSTED_PROXIES."""
        user = request.user if isinstance(request.user, User) else None
        token: ApiToken | None = getattr(request, "api_token", None)
        return cls(user, get_adapter().get_client_ip(request), token=token.name if token else "")

    @property
    def name(self) -> str:
        """As events show it; empty for the portal itself."""
        if self.user is not None:
            name = self.user.display_name()
            return f"{name[:NAME_LENGTH]} (API token {self.token})" if self.token else name[:LONGEST_NAME]
        if self.by_link:
            return BY_LINK
        if self.on_behalf_of:
            return f"Account {self.on_behalf_of}"
        return OPERATOR if self.operates_for is not None else ""

    @property
    def account(self) -> Account:
        """Whose ISOs are made and changed; raises NotAllowed where it is the portal or a stranger who acts."""
        return self.operates_for or self.person.account

    @property
    def may_feature(self) -> bool:
        """Administrators and operators decide what everybody is shown first."""
        return self.operates_for is not None or self.person.is_staff

    @property
    def person(self) -> User:
        """The user; raises NotAllowed where it is the portal or a stranger who acts."""
        if self.user is None:
            raise NotAllowed("Sign in to do this.")
        return self.user


PORTAL = Actor()


def record(verb: Event.Verb, iso: Iso, actor: Actor = PORTAL, *, zone: Zone | None = None, **data: Any) -> None:
    """Append one Event about `iso`. `data` must be JSON and hold no secret. Endings make notices too."""
    asked = notices.asked(verb, iso, zone) if verb in notices.ENDINGS else notices.NOBODY
    event = Event.objects.create(
        verb=verb,
        account_id=iso.account_id,
        iso=iso,
        iso_ref=iso.public_id,
        iso_name=iso.name,
        zone_name=zone.name if zone else "",
        asked_by_id=asked.by_id,
        asked_at=asked.at,
        data=data,
        **_who(actor),
    )
    if verb in notices.ENDINGS:
        notices.tell(event, asked)


def record_setting(
    actor: Actor, subject: str, field: str, before: str, after: str, *, account: Account | None = None, zone: str = ""
) -> None:
    """Append one Event about a setting of an account, or of the whole portal where `account` is None.

    `subject` is what was set (`Zone A`, `Quota of Demo`); values are words for people and hold no secret.
    """
    Event.objects.create(
        verb=Event.Verb.SET,
        account=account,
        zone_name=zone,
        data={"subject": subject, "field": field, "before": before, "after": after},
        **_who(actor),
    )


def _who(actor: Actor) -> dict[str, Any]:
    staff = actor.operates_for is not None or (actor.user is not None and actor.user.is_staff)
    return {"actor": actor.user, "actor_name": actor.name, "by_staff": staff, "address": actor.address}


def record_refusal(actor: Actor, reason: str, *, field: str, iso: Iso | None = None, name: str = "") -> None:
    """Append one Event about what was tried against the rules: by the actor, to `iso` or to one that was to be made.

    It belongs to the account of the ISO. Call it outside a transaction that the refusal rolls back.
    """
    Event.objects.create(
        verb=Event.Verb.REFUSED,
        account_id=iso.account_id if iso else actor.account.pk,
        iso=iso,
        iso_ref=iso.public_id if iso else None,
        iso_name=iso.name if iso else name,
        data={"field": field, "reason": reason},
        **_who(actor),
    )

"""Writing the audit trail. Called inside the transaction of the change it records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from isos.models import Event, Iso
from portal.accounts.models import User
from portal.kernel.errors import NotAllowed
from zones.models import Zone


@dataclass(frozen=True)
class Actor:
    """Who acts and from where. Without a user it is the portal itself."""

    user: User | None = None
    address: str | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Actor:
        """The signed-in user of a request, and the browser's address, also from behind settings.TRUSTED_PROXIES."""
        user = request.user if isinstance(request.user, User) else None
        return cls(user, get_adapter().get_client_ip(request))

    @property
    def person(self) -> User:
        """The user; raises NotAllowed where it is the portal or a stranger who acts."""
        if self.user is None:
            raise NotAllowed("Sign in to do this.")
        return self.user


PORTAL = Actor()


def record(verb: Event.Verb, iso: Iso, actor: Actor = PORTAL, *, zone: Zone | None = None, **data: Any) -> None:
    """Append one Event about `iso`. `data` must be JSON and hold no secret."""
    Event.objects.create(
        verb=verb,
        account_id=iso.account_id,
        actor=actor.user,
        actor_name=actor.user.display_name() if actor.user else "",
        address=actor.address,
        iso=iso,
        iso_ref=iso.public_id,
        iso_name=iso.name,
        zone_name=zone.name if zone else "",
        data=data,
    )

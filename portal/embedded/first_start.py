"""What the embedded portal holds when it opens for the first time: two zones and three sign-ins."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from portal.accounts.models import Account, User
from zones.marking import adopt
from zones.models import FILE_BACKEND, Zone
from zones.stores.base import StoreError

ZONES = (("zone-a", "Zone A"), ("zone-b", "Zone B"))
ADMIN_PASSWORD, DEMO_PASSWORD = "PORTAL_ADMIN_PASSWORD", "PORTAL_DEMO_PASSWORD"


@dataclass(frozen=True)
class SignIn:
    """A user the embedded portal makes, and the variable that may hold its password."""

    username: str
    account: str
    variable: str
    is_admin: bool = False


@dataclass(frozen=True)
class Made:
    """A user just made. `password` is None when the environment gave it: it is not repeated."""

    username: str
    password: str | None
    note: str


SIGN_INS = (
    SignIn("admin", "Administrators", ADMIN_PASSWORD, is_admin=True),
    SignIn("demo", "Demo", DEMO_PASSWORD),
    SignIn("other", "Other", DEMO_PASSWORD),
)


def make_zones(folder: Path) -> None:
    """Two zones on this machine's disk, unless the portal has any zone already. Those in `folder` get marked."""
    if not Zone.objects.exists():
        _make_zones(folder)
    for zone in Zone.objects.filter(marked_at=None, slug__in=dict(ZONES)):
        # An earlier version made it, or a start that was killed.
        if zone.backend == FILE_BACKEND and zone.options == {"location": str(folder / zone.slug)}:
            with suppress(StoreError):  # the portal starts; whoever opens the zone is told
                adopt(zone)


def _make_zones(folder: Path) -> None:
    for position, (slug, name) in enumerate(ZONES):
        location = folder / slug
        location.mkdir(parents=True, exist_ok=True)
        Zone.objects.create(slug=slug, name=name, position=position, options={"location": str(location)})


@transaction.atomic
def make_sign_ins(environment: Mapping[str, str]) -> list[Made]:
    """Makes the users of an empty portal; later only follows the environment.

    A user whom an administrator removed does not come back by himself: after the first start
    only a password that the environment names makes or changes one.
    """
    first = not User.objects.exists()
    made = []
    for entry in SIGN_INS:
        given = environment.get(entry.variable) or None
        user = User.objects.filter(username=entry.username).first()
        if user is None and (first or given):
            made.append(_make(entry, given))
        # An unchanged password is left alone: setting it again would end everybody's session.
        elif user is not None and given and not user.check_password(given):
            user.set_password(given)
            user.save(update_fields=["password"])
    return made


def _make(entry: SignIn, given: str | None) -> Made:
    password = given or secrets.token_urlsafe(12)
    account, _ = Account.objects.get_or_create(name=entry.account)
    make = User.objects.create_superuser if entry.is_admin else User.objects.create_user
    make(entry.username, "", password, account=account)
    return Made(entry.username, None if given else password, "administrator" if entry.is_admin else entry.account)

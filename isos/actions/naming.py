"""Names of ISOs: unique within the Account, case aside."""

from __future__ import annotations

from isos.errors import NameTaken
from isos.models import Iso
from portal.accounts.models import Account


def name_taken(account: Account, name: str) -> NameTaken:
    """The error to raise: it proposes a name that is free."""
    longest = Iso._meta.get_field("name").max_length or 0
    alike = Iso.objects.filter(account=account, name__istartswith=name[: longest - 6])
    taken = {other.lower() for other in alike.values_list("name", flat=True)}
    number = 2
    while (free := f"{name[: longest - 6]} ({number})").lower() in taken:
        number += 1
    return NameTaken(f"You already have an ISO with this name. Try “{free}”.", field="name")


def require_free_name(account: Account, name: str, *, besides: Iso | None = None) -> None:
    """Raises NameTaken where an ISO of the account other than `besides` has the name."""
    others = Iso.objects.filter(account=account, name__iexact=name)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if others.exists():
        raise name_taken(account, name)

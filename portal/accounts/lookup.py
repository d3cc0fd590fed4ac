"""Accounts by the names that operators type."""

from __future__ import annotations

from difflib import get_close_matches

from portal.accounts.models import Account
from portal.kernel.errors import InvalidInput

_FEW = 10


def account_named(name: str) -> Account:
    """Raises InvalidInput, which names the accounts that there are or those with a similar name."""
    if account := Account.objects.filter(name=name).first():
        return account
    names = list(Account.objects.values_list("name", flat=True))
    if not names:
        raise InvalidInput(f"There is no account “{name}”, and no other either.", field="account")
    if len(names) <= _FEW:
        raise InvalidInput(f"There is no account “{name}”. There are: {', '.join(names)}.", field="account")
    close = get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(close)}?" if close else " `quota show` lists them."
    raise InvalidInput(f"There is no account “{name}”.{hint}", field="account")


def only_account() -> Account:
    """The account where there is exactly one. Raises InvalidInput, which names the choices."""
    names = list(Account.objects.values_list("name", flat=True)[: _FEW + 1])
    if len(names) == 1:
        return Account.objects.get(name=names[0])
    if not names:
        raise InvalidInput("There is no account yet. Add one in admin.", field="account")
    choices = f"There are: {', '.join(names)}." if len(names) <= _FEW else "`quota show` lists them."
    raise InvalidInput(f"Choose an account with --account. {choices}", field="account")

"""How often an Account may do what costs others something: counted in the database, in fixed windows.

One row per Account and action, counted up by one conditional UPDATE, so that it holds across
processes and machines without a shared cache. At the edge of two windows up to twice the
limit fits into one window's length; that is enough for what it protects.
"""

from __future__ import annotations

import math
import time

from django.db.models import F, QuerySet

from portal.accounts.models import Account
from portal.kernel.errors import PortalError
from quotas.models import RateUse


class TooOften(PortalError):
    """The Account did this as often as it may for now; `retry_after` in seconds."""

    code = "too_often"
    status = 429
    retryable = True

    @classmethod
    def wait(cls, seconds: float) -> TooOften:
        whole = max(1, math.ceil(seconds))
        error = cls(
            f"Your account did this very often just now. Try again in {whole} second{'s' if whole > 1 else ''}."
        )
        error.retry_after = whole
        return error


def spend(account: Account, action: str, *, limit: int, seconds: int) -> None:
    """Count one `action`. Raises TooOften where the Account did `limit` in this window of `seconds` already.

    A limit of 0 means no limit. Counts also where the caller's own work fails later; call it
    outside a transaction that may be rolled back.
    """
    if not limit:
        return
    now = time.time()
    window = int(now // seconds)
    row = RateUse.objects.filter(account=account, action=action)
    if _counted(row, window, limit):
        return
    # Another window: whoever is first begins it, everybody else counts in it.
    if row.filter(window__lt=window).update(window=window, used=1):
        return
    _, created = RateUse.objects.get_or_create(account=account, action=action, defaults={"window": window, "used": 1})
    if created or _counted(row, window, limit):
        return
    raise TooOften.wait((window + 1) * seconds - now)


def _counted(row: QuerySet[RateUse], window: int, limit: int) -> bool:
    """Machines whose clocks differ a little count in the newest window that one of them began."""
    return bool(row.filter(window__gte=window, used__lt=limit).update(used=F("used") + 1))

"""How many slow things may go on at once in this process: for all together, and for each who asks.

A check of an address waits for somebody else's server in a thread of the web process. Without a
bound a few silent servers would take every thread, and with them the portal, from everybody.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from portal.kernel.errors import PortalError


class NoPlace(PortalError):
    """All places are taken; one is free again as soon as a check ends."""

    code = "too_many_checks"
    status = 429
    retryable = True
    retry_after = 5
    default_message = "Many addresses are being checked right now. Try again in some seconds."


class Places:
    """`total` places, of which nobody gets more than `each`."""

    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._lock = threading.Lock()
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def take(self, who: Hashable) -> Iterator[None]:
        """Hold a place. Raises NoPlace instead of waiting for one."""
        with self._lock:
            if self._taken[who] >= self._each or self._taken.total() >= self._total:
                raise NoPlace
            self._taken[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[who] -= 1
                if not self._taken[who]:
                    del self._taken[who]

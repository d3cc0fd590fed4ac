"""What was asked of the portal and what it answered, ISO by ISO: what the verdict compares with."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.mixed.images import Image


class Asked(StrEnum):
    YES = "yes"  # the portal said that it will
    PERHAPS = "perhaps"  # its answer was lost, or a cancel may have come too late


@dataclass
class Wish:
    """One ISO that somebody wanted. Only its own person changes it."""

    name: str
    image: Image
    zones: dict[str, Asked] = field(default_factory=dict)
    bad_checksum: bool = False  # it must never become Ready
    abandoned: bool = False  # its upload is never gone on with

    def unsure(self, *zones: str) -> None:
        for zone in zones:
            self.zones[zone] = Asked.PERHAPS


class Ledger:
    """All wishes, and how often the portal answered what. Used by many threads."""

    def __init__(self) -> None:
        self.wishes: dict[str, Wish] = {}
        self.answers: dict[str, Counter[str]] = {}
        self.sent_bytes = 0
        self._lock = threading.Lock()

    def wish(self, wish: Wish) -> Wish:
        with self._lock:
            self.wishes[wish.name] = wish
        return wish

    def count(self, what: str, answer: str) -> None:
        with self._lock:
            self.answers.setdefault(what, Counter())[answer] += 1

    def sent(self, count: int) -> None:
        with self._lock:
            self.sent_bytes += count

"""All the people at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.chaos.mixed.ledger import Ledger
from tests.chaos.mixed.person import Person
from tests.chaos.mixed.topology import World

USERNAMES = ("demo", "other", "demo", "other", "demo", "other", "admin", "admin")  # of three accounts
JOIN_SECONDS = 60


class People:
    """`failures` are theirs, not the portal's refusals: a page that can't be understood, an upload that is stuck."""

    def __init__(self, world: World, ledger: Ledger, seed: int) -> None:
        self.all = [Person(number, name, world, ledger, seed) for number, name in enumerate(USERNAMES)]
        self.failures: list[str] = []
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """Everybody signs in first: a storm may keep people out for longer than it lasts."""
        self.together(Person.arrive)
        self._start(Person.live)

    def stop(self) -> None:
        """Everybody leaves in the middle of whatever she does."""
        for person in self.all:
            person.stopping.set()
        self._join()

    def leave(self) -> None:
        """For good."""
        for person in self.all:
            person.leave()

    def together(self, act: Callable[[Person], None]) -> None:
        """Everybody does `act` once; returns when all are done."""
        self._start(act)
        self._join()

    def _start(self, act: Callable[[Person], None]) -> None:
        for person in self.all:
            person.stopping.clear()
        self._threads = [threading.Thread(target=self._do, args=(act, one), daemon=True) for one in self.all]
        for thread in self._threads:
            thread.start()

    def _do(self, act: Callable[[Person], None], person: Person) -> None:
        try:
            act(person)
        except Exception as error:
            self.failures.append(f"{person.prefix.strip()}: {type(error).__name__}: {error}")

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(JOIN_SECONDS)
            if thread.is_alive():
                self.failures.append(f"{thread.name} does not come to an end")

"""What only `reconcile` can find: a process that dies in the very moment in which it stages something for nobody.

A writer that slept while its ISO was deleted may begin to stage when it wakes up. It takes that away as soon as it
hears that nobody wants it; killed before that, it leaves it, and nothing in the rows tells. A store and a database
can't change in one step, so this is what operators have `manage.py reconcile --fix` for.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.chaos.mixed.stored import Stores
from tests.chaos.mixed.topology import World

SECONDS_BEFORE, SECONDS_AFTER = 3.0, 1.0


def tidy(world: World, kills: Iterable[float]) -> list[str]:
    """Let reconcile take away what was staged just before a process was killed. What that was.

    `kills` in seconds since 1970. Anything else that is staged is for the verdict to find: then nothing is done.
    """
    staged = list(Stores(world).staged_objects())
    excused = all(any(-SECONDS_AFTER < kill - one.modified < SECONDS_BEFORE for kill in kills) for one in staged)
    if not staged or not excused:
        return []
    world.first.manage("reconcile", "--fix", "--min-age", "0")
    return [f"{one.zone}: {one.key}" for one in staged]

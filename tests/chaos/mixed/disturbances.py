"""What goes wrong. Each begins at once; what has to be mended later says when and how."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from tests.chaos.mixed import machines
from tests.chaos.mixed.machines import Machine
from tests.chaos.mixed.referee import ports_at_work
from tests.chaos.mixed.rows import Away
from tests.chaos.mixed.topology import LEASE_SECONDS, UPLOAD_LOCK_SECONDS, World

LOOK_SECONDS = 1.5  # how long a busy process is looked for


@dataclass(frozen=True)
class Mending:
    """After so many seconds do this."""

    seconds: float
    mend: Callable[[], None]


Begin = Callable[[World, random.Random], Mending | None]


@dataclass(frozen=True)
class Disturbance:
    """`touches` names what must not be disturbed already: "" nothing."""

    kind: str
    touches: str
    begin: Begin


# --- the portal's processes -----------------------------------------------------------------


def kill_busy_worker(world: World, dice: random.Random) -> None:
    _signal(_busy(world, dice), psutil.Process.kill)


def kill_worker(world: World, dice: random.Random) -> None:
    _kill(dice.choice(world.machines), machines.WORKER)


def kill_light(world: World, dice: random.Random) -> None:
    _kill(dice.choice(world.machines), machines.LIGHT)


def kill_web(world: World, dice: random.Random) -> None:
    """The process that serves, or the one that keeps it."""
    machine = dice.choice(world.machines)
    if dice.random() < 0.5:
        _kill(machine, machines.WEB)
    else:
        for process in machine.pool(machines.WEB):
            _signal(process, psutil.Process.kill)


def kill_beat(world: World, dice: random.Random) -> None:
    _kill(world.first, machines.BEAT)


def kill_machine(world: World, dice: random.Random) -> Mending:
    world.second.kill()
    return Mending(dice.uniform(1, 4), world.second.start)


def pause_busy_worker(world: World, dice: random.Random) -> Mending | None:
    """Past its lease: somebody else takes its work over, then it wakes up in the middle of a step."""
    return _pause([_busy(world, dice)], LEASE_SECONDS + dice.uniform(3, 7))


def pause_web(world: World, dice: random.Random) -> Mending | None:
    """Past the lock of the uploads that it receives; they go on at the other machine."""
    return _pause(dice.choice(world.machines).pool(machines.WEB), UPLOAD_LOCK_SECONDS + dice.uniform(1, 3))


def pause_machine(world: World, dice: random.Random) -> Mending | None:
    return _pause(list(world.second.children()), UPLOAD_LOCK_SECONDS + dice.uniform(1, 3))


def _kill(machine: Machine, name: str) -> None:
    _signal(machine.program(name), psutil.Process.kill)


def _signal(process: psutil.Process | None, act: Callable[[psutil.Process], None]) -> None:
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            act(process)


def _pause(processes: list[psutil.Process | None], seconds: float) -> Mending | None:
    for process in processes:
        _signal(process, psutil.Process.suspend)

    def wake() -> None:
        for process in processes:
            _signal(process, psutil.Process.resume)

    return Mending(seconds, wake) if processes else None


def _busy(world: World, dice: random.Random) -> psutil.Process | None:
    """A worker's process that moves bytes now; any where none does for a while."""
    deadline = time.monotonic() + LOOK_SECONDS
    while True:
        pool = [process for machine in world.machines for process in machine.pool(machines.WORKER)]
        dice.shuffle(pool)
        with suppress(Away):
            ports = ports_at_work(world.rows)
            if found := next((process for process in pool if _local_ports(process) & ports), None):
                return found
        if time.monotonic() > deadline:
            return next(iter(pool), None)
        time.sleep(0.02)


def _local_ports(process: psutil.Process) -> set[int]:
    with suppress(psutil.Error):
        return {line.laddr.port for line in process.net_connections("tcp")}
    return set()


# --- servers ----------------------------------------------------------------------------------


def flush_broker(world: World, dice: random.Random) -> None:
    world.redis.flush()


def kill_broker(world: World, dice: random.Random) -> Mending:
    world.redis.kill()
    return Mending(dice.uniform(0.5, 4), world.redis.start)


def stop_database(world: World, dice: random.Random) -> Mending:
    world.postgres.stop(at_once=dice.random() < 0.6)
    return Mending(dice.uniform(0.2, 5), world.postgres.start)


def crash_database(world: World, dice: random.Random) -> None:
    world.postgres.crash()


def kill_s3(world: World, dice: random.Random) -> Mending:
    world.s3.kill()
    return Mending(dice.uniform(0.5, 6), world.s3.start)


def pause_s3(world: World, dice: random.Random) -> Mending:
    world.s3.pause()
    return Mending(dice.uniform(1, 2 * LEASE_SECONDS), world.s3.resume)


def cut_s3(world: World, dice: random.Random) -> None:
    """An answer that breaks in its middle."""
    world.line.cut_answer_after = dice.choice([0, 100, 10_000, 1_000_000, 10_000_000])


def end_cuts(world: World) -> None:
    """Rules that met no answer yet must not meet one when all is meant to be quiet."""
    world.line.cut_answer_after = world.line.lose_answer_to = None


def lose_s3_answer(world: World, dice: random.Random) -> None:
    """A request that arrives and whose answer does not: the end of an upload, a note, a part, a delete."""
    world.line.lose_answer_to = dice.choice([b"POST /", b"PUT /zones/portal/.staging", b"partNumber", b"DELETE /"])


def fill_disk(world: World, dice: random.Random) -> Mending:
    """No room is left on the small file system, but for a few bytes perhaps."""
    ballast = world.small.parent / "ballast"
    leave = dice.choice([0, 100_000, 2_000_000])
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with suppress(OSError):
        free = psutil.disk_usage(str(ballast.parent)).free
        size = ballast.stat().st_size
        with ballast.open("r+b") as file:
            file.truncate(max(0, size + min(0, free - leave)))
    return Mending(dice.uniform(2, 6), lambda: ballast.unlink(missing_ok=True))


KILLS = (kill_busy_worker, kill_worker, kill_light, kill_web, kill_machine)
ALL = [
    Disturbance("kill a busy worker process", "", kill_busy_worker),
    Disturbance("kill a busy worker process", "", kill_busy_worker),
    Disturbance("kill a worker", "", kill_worker),
    Disturbance("kill a light worker", "", kill_light),
    Disturbance("kill web", "", kill_web),
    Disturbance("kill beat", "", kill_beat),
    Disturbance("kill a machine", "second", kill_machine),
    Disturbance("pause a busy worker process", "", pause_busy_worker),
    Disturbance("pause a busy worker process", "", pause_busy_worker),
    Disturbance("pause a busy worker process", "", pause_busy_worker),
    Disturbance("pause web", "web", pause_web),
    Disturbance("pause a machine", "second", pause_machine),
    Disturbance("flush the broker", "broker", flush_broker),
    Disturbance("kill the broker", "broker", kill_broker),
    Disturbance("stop PostgreSQL", "database", stop_database),
    Disturbance("crash PostgreSQL", "database", crash_database),
    Disturbance("kill the S3 server", "s3", kill_s3),
    Disturbance("pause the S3 server", "s3", pause_s3),
    Disturbance("cut an answer of S3", "", cut_s3),
    Disturbance("lose an answer of S3", "", lose_s3_answer),
    Disturbance("fill a disk", "disk", fill_disk),
]

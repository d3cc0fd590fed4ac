"""A real portal for tests: `manage.py up` with a data folder and a port of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120  # the machine may be busy with other tests
STOP_SECONDS = 30
FAMILY = 7
# Nothing of the run's own configuration may reach the portal under test.
_OWN = ("PORTAL_", "DJANGO_", "DATABASE_", "CELERY_", "SECRET_", "ALLOWED_", "TEST_", "LOG_", "PYTEST_")


def environment_without_ours() -> dict[str, str]:
    """This run's environment without what would configure a portal."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """For states of other processes, which send no event."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {seconds} s: {what}")
        time.sleep(0.05)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run. One that ended but that nobody waited for (a zombie) does not."""
    running = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


class Portal:
    """One `manage.py up` and what it prints."""

    def __init__(self, data_dir: Path, port: int = 0, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.lines: list[str] = []
        self._more = threading.Condition()
        env = environment_without_ours()
        env |= {"PORTAL_DATA_DIR": str(data_dir), "PORTAL_BIND": f"127.0.0.1:{self.port}"} | environment
        self.environment = env
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def wait_for_line(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """The first line that matches, however long ago it was printed."""
        with self._more:
            self._more.wait_for(lambda: self._match(pattern) or not self._reader.is_alive(), seconds)
            found = self._match(pattern)
        assert found, f"No line matches {pattern!r} in:\n{self.output}"
        return found

    def _match(self, pattern: str) -> re.Match[str] | None:
        return next((found for line in self.lines if (found := re.search(pattern, line))), None)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def ready(self) -> Portal:
        self.wait_for_line(f"^Portal: {self.url}$")
        return self

    def ended(self, seconds: float = START_SECONDS) -> int:
        """The exit code, once it ended and everything it printed was read."""
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(self.url + path, timeout=30) as response:
            return response.status, response.read().decode()

    def complete(self) -> list[psutil.Process]:
        """All processes of a portal that is up, besides the supervisor: web 2, worker 3, light 1, beat 1."""
        self.ready()
        wait_until(lambda: len(self.children()) == FAMILY, f"the portal has {FAMILY} processes", 60)
        return self.children()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def program(self, *words: str) -> psutil.Process | None:
        """The supervised process whose command line holds all words."""
        for process in psutil.Process(self.process.pid).children():
            try:
                if set(words) <= set(process.cmdline()):
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.ended(STOP_SECONDS)

    def kill_everything(self) -> None:
        if self.process.poll() is None:
            processes = [*self.children(), psutil.Process(self.process.pid)]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait()
        self._reader.join(STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()


@contextmanager
def portal(data_dir: Path, port: int = 0, **environment: str) -> Iterator[Portal]:
    """A portal that is coming up; whatever the test does, nothing of it is left."""
    started = Portal(data_dir, port, **environment)
    try:
        yield started
    finally:
        started.kill_everything()

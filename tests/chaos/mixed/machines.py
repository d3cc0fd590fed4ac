"""The machines that the portal runs on: one with everything, one with web and workers alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from portal.embedded import supervise
from tests.chaos.mixed.servers import Process
from tests.running import ROOT, free_port

# How each program is known: by words of its command line.
WEB, WORKER, LIGHT, BEAT = "gunicorn", "worker@%h", "light@%h", "beat"


class Machine:
    """A data folder, a port, and a supervisor with the programs it keeps up."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.data_dir = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        own = {"PORTAL_DATA_DIR": str(self.data_dir), "PORTAL_BIND": f"127.0.0.1:{self.port}"}
        self.environment = environment | own
        self.log = folder / "portal.log"
        self._supervisor = Process(self.log)

    def start(self) -> None:
        """As docs/operations.md says for one machine."""
        self._supervisor.spawn([sys.executable, "manage.py", "up"], environment=self.environment, cwd=ROOT)

    def children(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._supervisor.pid).children(recursive=True)
        return []

    def program(self, name: str) -> psutil.Process | None:
        """The supervised process itself, without those that it started."""
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._supervisor.pid).children():
                with suppress(psutil.Error):
                    if any(name in word for word in process.cmdline()):
                        return process
        return None

    def pool(self, name: str) -> list[psutil.Process]:
        """The processes that do a program's work: pool processes, or the web process behind its master."""
        with suppress(psutil.NoSuchProcess):
            if main := self.program(name):
                return main.children()
        return []

    def kill(self) -> None:
        """All of it at once, as when the power fails."""
        processes = self.children()
        self._supervisor.end()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, 10)

    def close(self) -> None:
        for process in self.children():  # a stopped one would not hear of the end
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        self.kill()

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command beside the running portal, as an operator gives it."""
        command = [sys.executable, "manage.py", *words]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)

    def lines(self) -> Iterator[str]:
        with self.log.open(errors="replace") as log:
            yield from log


class Second(Machine):
    """A machine more: web, worker and the worker for what is quick, as docs/operations.md lists them. No beat."""

    def __init__(self, folder: Path, environment: dict[str, str], first: Machine) -> None:
        super().__init__(folder, environment)
        self.data_dir.mkdir()
        # What `collectstatic` made there serves here too.
        for shared in ("static", "assets"):
            (self.data_dir / shared).symlink_to(first.data_dir / shared)
        self._configuration = folder / "supervisord.conf"
        self._configuration.write_text(supervise.configuration(folder, _programs()))

    def start(self) -> None:
        lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR)
        try:
            command = [sys.executable, "-m", "portal.embedded.supervise", str(self._configuration), str(lock)]
            self._supervisor.spawn(command, environment=self.environment, cwd=ROOT, pass_fds=[lock])
        finally:
            os.close(lock)


def _programs() -> list[tuple[str, list[str], dict[str, str]]]:
    celery = [
        sys.executable,
        "-W",
        "ignore::UserWarning:celery.platforms",
        "-m",
        "celery",
        "--quiet",
        "--app",
        "portal",
    ]
    light = ["--hostname", LIGHT, "--pool", "threads", "--concurrency", "2", "--queues", "portal.light"]
    stop = {"stopsignal": "KILL"}
    return [
        ("web", [sys.executable, "-m", "gunicorn", "-c", "portal/gunicorn_conf.py", "portal.wsgi"], {}),
        ("worker", [*celery, "worker", "--loglevel", "INFO", "--hostname", WORKER, "--queues", "portal"], stop),
        ("light", [*celery, "worker", "--loglevel", "INFO", *light], stop),
    ]

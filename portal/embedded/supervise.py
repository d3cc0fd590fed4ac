"""The supervisor: runs web, worker and beat, and starts again what ends.

`python -m portal.embedded.supervise <configuration> <descriptor of the lock>`. It is
supervisord with a few changes, and imports neither Django nor Celery: it lives as long as
the portal does.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from supervisor import events
from supervisor.events import ProcessLogEvent
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor

from portal.kernel.processes import die_with_parent

PLAIN = "url"  # the program whose one line is for people: no prefix
STOP_SECONDS = 6  # then SIGKILL; longer than gunicorn's graceful_timeout


class Options(ServerOptions):
    """supervisord's options, and what it asks of the operating system."""

    def realize(self, *args: object, **kwargs: object) -> None:
        self.own_pid = os.getpid()
        super().realize(*args, **kwargs)

    def setpgrp(self) -> None:
        """The first thing a forked child does. Should the supervisor be killed, its children go too."""
        super().setpgrp()
        die_with_parent(self.own_pid)


class Output:
    """Passes on what the programs print, line by line, each line with its program's name.

    To the standard output itself and not to `/dev/fd/1`: that can't be opened when it is a
    socket (systemd), and written twice when it is a file.
    """

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.begun: dict[str, bytes] = {}  # lines not yet at their end

    def __call__(self, event: ProcessLogEvent) -> None:
        name = event.process.config.name
        *lines, self.begun[name] = (self.begun.get(name, b"") + event.data).split(b"\n")
        prefix = b"" if name == PLAIN else f"{name:6} ".encode()
        with contextlib.suppress(OSError):  # a terminal that was closed must not stop the portal
            self.out.write(b"".join(prefix + line + b"\n" for line in lines))
            self.out.flush()


class Portal(Supervisor):
    def runforever(self) -> None:
        """As supervisord does, which forgets all subscriptions just before."""
        events.subscribe(ProcessLogEvent, Output(sys.stdout.buffer))
        with contextlib.suppress(ExitNow):
            super().runforever()


def configuration(folder: Path, programs: Sequence[tuple[str, list[str], dict[str, str]]]) -> str:
    """supervisord's configuration. `programs`: name, command, settings that differ from the usual ones.

    No control server: who may stop the portal is who may signal its process.
    """
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "loglevel=warn",
        f"logfile={_escaped(str(folder / 'supervisor.log'))}",
        "logfile_maxbytes=1MB",
        "logfile_backups=1",
        f"pidfile={_escaped(str(folder / 'supervisor.pid'))}",
        f"childlogdir={_escaped(str(folder))}",
    ]
    if os.getuid() == 0:
        lines.append("user=root")  # said out loud, so that supervisord does not warn of it
    for name, command, changes in programs:
        usual = {
            "command": " ".join(_quoted(word) for word in command),
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "1000000",  # it waits longer each time; giving up would need a person
            "stopwaitsecs": str(STOP_SECONDS),
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": "NONE",
            "stdout_events_enabled": "true",
        }
        lines += ["", f"[program:{name}]", *(f"{key}={value}" for key, value in (usual | changes).items())]
    # One group: supervisord stops the groups one after the other, but a group's programs at once.
    lines += ["", "[group:portal]", f"programs={','.join(name for name, _, _ in programs)}"]
    return "\n".join(lines) + "\n"


def _quoted(word: str) -> str:
    """As supervisord splits a command: by shlex, after expanding %(names)s."""
    return _escaped('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"')


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def main() -> None:
    path, lock = sys.argv[1], int(sys.argv[2])
    os.set_inheritable(lock, False)  # held by this process alone, so that it ends with it
    options = Options()
    options.realize(["--configuration", path])
    options.first, options.test = True, False  # supervisord's own main() sets these
    Portal(options).main()


if __name__ == "__main__":
    main()

"""Servers that can be stopped, killed, paused and started again, each with its files in one folder.

They end with this process. The kernel ends them with the thread that started them, so `start` belongs to
the main thread.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import redis

from portal.kernel.processes import die_with_parent
from tests.running import free_port, wait_until
from tests.services import missing
from tests.tools.rgw import Daemons, S3Server

UP_SECONDS = 120  # a busy machine replays its log slowly


class Process:
    """One process of ours and where it writes."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: list[str], *, environment: Mapping[str, str] | None = None, **how: object) -> None:
        parent = os.getpid()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with_parent(parent),
                **how,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Idempotent; waits until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()


def unprivileged() -> dict[str, object]:
    """How a process that refuses to run as root is started; {} where nobody is root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    missing("PostgreSQL does not run as root, and there is no user postgres or nobody.")


class Postgres:
    """A cluster of its own. Its locks and commits are real; only the power never fails, so it need not sync."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._programs = _postgres_programs()
        self._as = unprivileged()
        self._data = folder / "data"
        folder.mkdir()
        if self._as:
            os.chown(folder, self._as["user"], self._as["group"])
        self.log = folder.parent / "postgres.log"
        self._server = Process(self.log)
        command = [self._programs / "initdb", "-D", self._data, "-U", "portal", "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run([*command, "--locale=C"], check=True, capture_output=True, cwd="/", **self._as)
        self.start()
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=portal dbname=postgres", autocommit=True) as admin:
            admin.execute("CREATE DATABASE portal")

    @property
    def url(self) -> str:
        return f"postgres://portal@127.0.0.1:{self.port}/portal"

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *words]
        self._server.spawn(command, cwd="/", **self._as)
        wait_until(self.answers, "PostgreSQL answers", UP_SECONDS)

    def answers(self) -> bool:
        with suppress(psycopg.Error):
            psycopg.connect(f"host=127.0.0.1 port={self.port} user=portal dbname=postgres", connect_timeout=5).close()
            return True
        return False

    def stop(self, *, at_once: bool = False) -> None:
        """In order, ending every connection; or `at_once`, which leaves recovery to the next start."""
        self._server.end(signal.SIGQUIT if at_once else signal.SIGINT)

    def crash(self) -> None:
        """Kill one connection's process: PostgreSQL then ends all others too and recovers by itself."""
        for process in psutil.Process(self._server.pid).children():
            with suppress(psutil.NoSuchProcess):  # connections come and go
                if "127.0.0.1(" in " ".join(process.cmdline()):
                    process.kill()
                    return

    def close(self) -> None:
        self._server.end(signal.SIGQUIT)


def _postgres_programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb") or (installed[-1] if installed else None)
    if found is None:
        missing("PostgreSQL's server programs (initdb, postgres) are not installed.")
    return Path(found).parent


class Redis:
    """A broker that keeps everything in memory: killed, it forgets all."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            missing("redis-server is not installed.")
        self.port = free_port()
        folder.mkdir()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command = [program, *options]
        self._server = Process(folder.parent / "redis.log")
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server.spawn(self._command)
        wait_until(self.answers, "Redis answers", UP_SECONDS)

    def answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis(port=self.port, socket_timeout=2) as client:
            return bool(client.ping())
        return False

    def flush(self) -> None:
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            client.flushall()

    def kill(self) -> None:
        self._server.end()

    def close(self) -> None:
        self._server.end()


class S3Gateway:
    """The gateway of a running S3 cluster. The objects are with the other daemons, which stay."""

    def __init__(self, server: S3Server) -> None:
        self.server = server
        self._daemons = Daemons(Path(server.root), Path(server.run))
        [self._gateway] = [one for one in psutil.Process().children() if _is_gateway(one, server.run)]

    def kill(self) -> None:
        self._gateway.kill()
        self._gateway.wait()

    def start(self) -> None:
        self._daemons.start("radosgw", "-f", "-n", "client.rgw.a")
        self._gateway = max(
            (one for one in psutil.Process().children() if _is_gateway(one, self.server.run)),
            key=psutil.Process.create_time,
        )
        wait_until(self.answers, "the S3 server answers", UP_SECONDS)

    def pause(self) -> None:
        self._gateway.suspend()

    def resume(self) -> None:
        self._gateway.resume()

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(self.server.endpoint_url, timeout=5).close()
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._daemons.stop()


def _is_gateway(process: psutil.Process, run: str) -> bool:
    with suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.name() == "radosgw" and process.environ().get("CEPH_CONF", "").startswith(f"{run}/")
    return False

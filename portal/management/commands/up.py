"""`manage.py up`: sets the portal up and runs all of it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from portal.embedded import first_start, preflight, static, supervise
from portal.environment import BASE_DIR, environment
from zones.models import Zone

_HEAVY = ["--hostname", "worker@%h", "--queues"]
# Threads of one process are enough for what is quick, and cost less memory than a pool of processes.
_LIGHT = ["--hostname", "light@%h", "--pool", "threads", "--concurrency", "2", "--queues"]


class Command(BaseCommand):
    help = "Set up and run the whole portal on this machine: web, worker and beat. Ctrl-C stops it."

    def handle(self, *args: Any, **options: Any) -> None:
        lock = preflight.held_lock()
        if lock is None:
            raise CommandError("Start the portal with: manage.py up")  # called from code, nothing was checked
        self._make_folders()
        self._make_rows()
        static.collect()
        address = preflight.parse_bind(settings.BIND)
        self._become_supervisor(address, lock)

    def _make_folders(self) -> None:
        shutil.rmtree(_temporary_folder(), ignore_errors=True)  # what a killed process left; nobody else runs now
        transport = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        broker = [Path(transport[key]) for key in ("data_folder_in", "control_folder") if key in transport]
        for folder in (_run_folder(), _temporary_folder(), *broker):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = settings.DATABASES["default"]
        if database["ENGINE"].endswith("sqlite3"):
            Path(str(database["NAME"])).touch(mode=0o600)  # SQLite gives its -wal and -shm the same mode

    def _make_rows(self) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            first_start.make_zones(settings.DATA_DIR / "zones")
            made = first_start.make_sign_ins(environment)
        except OperationalError as error:
            raise CommandError(
                f"The database does not answer as it should ({str(error).strip().splitlines()[0]}). "
                "Check DATABASE_URL and that its server runs."
            ) from None
        finally:
            connection.close()
        if made:
            self.stdout.write("Sign-ins made at this first start. Generated passwords are shown only now:")
        for entry in made:
            self.stdout.write(f"  {entry.username:6} {entry.password or '(as set in the environment)'}  ({entry.note})")

    def _become_supervisor(self, address: preflight.Address, lock: int) -> None:
        """Leaves Django's memory behind: this process turns into the supervisor, lock and all."""
        path = _run_folder() / "supervisord.conf"
        path.write_text(supervise.configuration(_run_folder(), _programs(address)))
        search = [str(BASE_DIR), os.environ.get("PYTHONPATH", "")]
        os.environ |= {
            "PYTHONPATH": os.pathsep.join(filter(None, search)),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(_temporary_folder()),  # not /tmp, where others could look on
        }
        self.stdout.flush()
        os.set_inheritable(lock, True)
        os.execv(  # noqa: S606  no shell
            sys.executable, [sys.executable, "-m", "portal.embedded.supervise", str(path), str(lock)]
        )


def _run_folder() -> Path:
    return Path(settings.DATA_DIR / "run")


def _temporary_folder() -> Path:
    return Path(settings.DATA_DIR / "tmp")


def _programs(address: preflight.Address) -> list[tuple[str, list[str], dict[str, str]]]:
    python = sys.executable
    # In a container root is who there is; the messages are ids, so Celery's fear of pickles does not apply.
    celery = [python, "-W", "ignore::UserWarning:celery.platforms", "-m", "celery", "--quiet"]
    level = ["--loglevel", settings.LOG_LEVEL]
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]  # no other workers to talk to
    worker = [*celery, "--app", "portal", "worker", *alone, *level]
    return [
        ("web", [python, "-m", "gunicorn", "-c", str(BASE_DIR / "portal" / "gunicorn_conf.py"), "portal.wsgi"], {}),
        # Every operation resumes from its rows after a kill, so a stop need not wait for hours of copying.
        ("worker", [*worker, *_HEAVY, _queues(settings.CELERY_TASK_DEFAULT_QUEUE, "queue")], {"stopsignal": "KILL"}),
        ("light", [*worker, *_LIGHT, _queues(settings.LIGHT_QUEUE, "light_queue")], {"stopsignal": "KILL"}),
        ("beat", [*celery, "--app", "portal.beat", "beat", "--pidfile=", "--loglevel", "WARNING"], {}),
        (
            supervise.PLAIN,
            [python, "-m", "portal.embedded.announce", address.url],
            {"autorestart": "false", "startsecs": "0", "startretries": "0"},
        ),
    ]


def _queues(common: str, own: str) -> str:
    """Zones that are made later have their work in the common one too, unless ZONE_QUEUES parts them."""
    zones = [getattr(zone, own) for zone in Zone.objects.all()] if settings.ZONE_QUEUES else []
    return ",".join([common, *zones])

"""Whether the portal lives (`/healthz`) and whether it can serve (`/readyz`)."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse

from portal.celery import app

logger = logging.getLogger(__name__)
BROKER_TIMEOUT_SECONDS = 2
_migrated: set[str] = set()  # databases seen up to date; code and schema do not part while a process lives


class NotReady(Exception):
    """A check failed; the message is safe to show to a stranger."""


class HealthMiddleware:
    """Answers the probes before anything else looks at the request.

    Load balancers and container runtimes ask by address and over plain HTTP: the Host check
    and the redirect to HTTPS that follow would refuse them.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = PROBES.get(request.path_info)
        if view is None:
            return self.get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = view(request)
        response["Cache-Control"] = "no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response


def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check holds, else 503; one sentence each, without secrets, in either case."""
    checks = {name: _outcome(name, check) for name, check in CHECKS.items()}
    ready = all(outcome["ok"] for outcome in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def _outcome(name: str, check: Callable[[], str]) -> dict[str, bool | str]:
    try:
        return {"ok": True, "message": check()}
    except NotReady as error:
        return {"ok": False, "message": str(error)}
    except Exception:
        # Drivers put addresses and user names into their errors: those are for the log alone.
        logger.exception("The readiness check %s failed", name)
        return {"ok": False, "message": FAILED[name]}


def check_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "The database answers."


def check_migrations() -> str:
    if connection.alias not in _migrated:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if waiting:
            raise NotReady(f"{len(waiting)} migrations are not applied. Run manage.py migrate.")
        _migrated.add(connection.alias)
    return "All migrations are applied."


def check_broker() -> str:
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        _write_into(Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["data_folder_out"])))
        return "The broker's folder is writable."
    with app.connection_for_write(settings.CELERY_BROKER_URL, connect_timeout=BROKER_TIMEOUT_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_TIMEOUT_SECONDS)
    return "The broker answers."


def check_data_folder() -> str:
    _write_into(settings.DATA_DIR)
    return "The data folder is writable."


def _write_into(folder: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".probe-", dir=folder)
    os.close(descriptor)
    Path(name).unlink()


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": healthz, "/readyz": readyz}
CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "migrations": check_migrations,
    "broker": check_broker,
    "data_folder": check_data_folder,
}
FAILED = {
    "database": "The database does not answer. Check DATABASE_URL and that its server runs.",
    "migrations": "The migrations could not be read, since the database does not answer.",
    "broker": "The broker can't be reached. Check CELERY_BROKER_URL and that its server runs.",
    "data_folder": "The data folder is not writable. Check PORTAL_DATA_DIR and the disk's free space.",
}

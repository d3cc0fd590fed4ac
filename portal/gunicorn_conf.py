"""How gunicorn serves the portal: `gunicorn -c portal/gunicorn_conf.py portal.wsgi`.

One process with threads: a request body of many GB is read by its thread in pieces, and
nothing here limits its size or its duration. `timeout` watches the process, not a request:
the worker's main thread reports while the others are busy.
"""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from portal.embedded.preflight import parse_bind
from portal.kernel.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")  # read before portal.wsgi is
bind = str(parse_bind(settings.BIND))
worker_class = "gthread"
workers = 1
threads = settings.WEB_THREADS
preload_app = True  # a killed worker is forked again at once, and shares its memory with the master
timeout = 60
graceful_timeout = 3  # seconds for requests to end when the portal stops; uploads resume
keepalive = 5
control_socket_disable = True
if Path("/dev/shm").is_dir():  # noqa: S108  its place in memory, so that a slow disk is no dead worker
    worker_tmp_dir = "/dev/shm"  # noqa: S108
# The portal's own logging, in which gunicorn's every request and every start is too much.
logconfig_dict = settings.LOGGING | {
    "loggers": {"gunicorn.error": {"level": "WARNING"}, "gunicorn.access": {"level": "WARNING"}}
}


def post_fork(server: object, worker: object) -> None:
    """A killed master must not leave a worker that holds the port."""
    die_with_parent(os.getppid())

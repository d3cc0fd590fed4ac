"""Running things at the same moment, each in a thread with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

WAIT = 20  # seconds, and only when something is wrong


def in_parallel(*jobs: Callable[[], object]) -> list[object]:
    """Run each job in its own thread, all from the same moment on; what each returned or raised."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        try:
            connection.ensure_connection()
            start.wait(WAIT)
            return job()
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))

"""The portal's rows, read past it: what people see in their list, and what the verdict compares."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

REPLICAS = """
    SELECT r.id, i.public_id AS iso, i.name, z.slug AS zone, r.public_id AS replica, r.state, r.error_code,
           r.error_message, i.size, i.sha256, a.name AS account, u.public_id AS upload, u.state AS upload_state,
           (m.id IS NOT NULL) AS is_import, i.ready_at
    FROM isos_replica r JOIN isos_iso i ON i.id = r.iso_id JOIN zones_zone z ON z.id = r.zone_id
    JOIN accounts_account a ON a.id = i.account_id
    LEFT JOIN isos_upload u ON u.replica_id = r.id LEFT JOIN isos_urlimport m ON m.replica_id = r.id
"""


class Away(Exception):
    """The database does not answer now."""


class Rows:
    """Reads, from any thread, one at a time. Raises Away while PostgreSQL is down."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def query(self, sql: str, *parameters: object) -> list[Any]:
        """Rows with their columns as attributes."""
        return self._done(sql, parameters).fetchall()

    def execute(self, sql: str, *parameters: object) -> None:
        """Change rows behind the portal's back."""
        self._done(sql, parameters)

    def _done(self, sql: str, parameters: tuple[object, ...]) -> psycopg.Cursor[Any]:
        with self._lock:
            try:
                return self._execute(sql, parameters)
            except psycopg.OperationalError:  # a line of before the server was started again says so only now
                self._drop()
            try:
                return self._execute(sql, parameters)
            except psycopg.OperationalError as error:
                self._drop()
                raise Away(str(error)) from error

    def _execute(self, sql: str, parameters: tuple[object, ...]) -> psycopg.Cursor[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url, autocommit=True, row_factory=namedtuple_row, connect_timeout=5
            )
        return self._connection.execute(sql, parameters or None)

    def replicas(self, prefix: str = "") -> list[Any]:
        """One row for each replica of the ISOs whose names begin with `prefix`."""
        return self.query(f"{REPLICAS} WHERE i.name LIKE %s ORDER BY i.id, z.slug", f"{prefix}%")

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def close(self) -> None:
        self._drop()

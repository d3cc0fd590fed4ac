"""A small client of a running portal: signs in and uploads by tus. For process tests and benchmarks.

It costs little (bodies go by sendfile), so that what is measured is the portal.
"""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
import time
import urllib.parse
from contextlib import closing
from pathlib import Path
from typing import IO

from tests.running import Portal

REQUEST_BYTES = 64 << 20
FORM = "application/x-www-form-urlencoded"


class Client:
    """One signed-in user with one connection at a time, closed at the end of a `with`."""

    def __init__(self, portal: Portal, username: str, password: str) -> None:
        self.portal = portal
        self.cookies: dict[str, str] = {}
        self.connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=600)
        _, page = self.request("GET", "/accounts/login/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token, "no sign-in form"
        form = {"login": username, "password": password, "csrfmiddlewaretoken": token[1].decode()}
        self.request("POST", "/accounts/login/", urllib.parse.urlencode(form), {"Content-Type": FORM})
        assert "sessionid" in self.cookies, "could not sign in"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def request(
        self, method: str, url: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self.connection.request(method, url, body, self._headers(headers or {}))
        return self.answer()

    def reconnect(self) -> None:
        """Forget the connection, which may have idled too long or be broken."""
        self.connection.close()

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        own = {"Cookie": cookie, "X-CSRFToken": self.cookies.get("csrftoken", ""), "Referer": self.portal.url}
        return own | {"Tus-Resumable": "1.0.0"} | headers

    def answer(self) -> tuple[http.client.HTTPResponse, bytes]:
        """What the portal says to what was sent; keeps its cookies."""
        response = self.connection.getresponse()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        return response, response.read()

    def start(self, path: Path, name: str, *zones: str) -> dict[str, str]:
        """Post the form, which creates the rows. Returns the addresses it answers with."""
        chosen = zones or ("zone-a",)
        fields = {"filename": path.name, "size": path.stat().st_size, "os_type": "other", "name": name, "zones": chosen}
        headers = {"Content-Type": FORM, "Accept": "application/json"}
        response, body = self.request("POST", "/isos/upload/", urllib.parse.urlencode(fields, doseq=True), headers)
        assert response.status == 201, body
        addresses: dict[str, str] = json.loads(body)
        return addresses

    def offset(self, url: str) -> int:
        response, _ = self.request("HEAD", url)
        assert response.status == 200, response.status
        return int(response.headers["Upload-Offset"])

    def send(self, path: Path, url: str, offset: int = 0, request_bytes: int = REQUEST_BYTES) -> None:
        """All bytes from `offset` on, in tus PATCH requests. Raises OSError when the line breaks."""
        size = path.stat().st_size
        with path.open("rb") as file:
            while offset < size:
                response, body = self.patch(file, url, offset, min(request_bytes, size - offset))
                assert response.status == 204, body
                offset = int(response.headers["Upload-Offset"])

    def patch(self, file: IO[bytes], url: str, offset: int, length: int) -> tuple[http.client.HTTPResponse, bytes]:
        self.begin_patch(url, offset, length)
        self.connection.sock.sendfile(file, offset, length)
        return self.answer()

    def begin_patch(self, url: str, offset: int, length: int) -> None:
        """The request up to its body, for whoever sends that in a way of his own."""
        self.connection.putrequest("PATCH", url)
        content = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        }
        for name, value in self._headers(content).items():
            self.connection.putheader(name, value)
        self.connection.endheaders()

    def upload(self, path: Path, name: str, request_bytes: int = REQUEST_BYTES) -> float:
        """Form, bytes, verification. Returns the seconds until the replica is Ready."""
        self.reconnect()
        begin = time.perf_counter()
        started = self.start(path, name)
        self.send(path, started["upload_url"], request_bytes=request_bytes)
        wait_until_ready(self.portal, started["iso"])
        return time.perf_counter() - begin


def wait_until_ready(portal: Portal, iso: str, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while (state := replica_state(portal, iso))[0] != "ready":
        assert state[0] != "failed", state[1]
        assert time.monotonic() < deadline, f"still {state[0]}"
        time.sleep(0.005)


def query(portal: Portal, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    """Rows of the portal's own database, read beside it."""
    with closing(sqlite3.connect(f"file:{portal.data_dir}/portal.sqlite3?mode=ro", uri=True)) as database:
        return database.execute(sql, parameters).fetchall()


def replica_state(portal: Portal, iso: str) -> tuple[str, str]:
    """State and error sentence of the ISO's only replica."""
    found = query(
        portal,
        "SELECT r.state, r.error_message FROM isos_replica r JOIN isos_iso i ON i.id = r.iso_id WHERE i.public_id = ?",
        iso.replace("-", ""),
    )
    return str(found[0][0]), str(found[0][1])

"""One person's browser: signs in at one machine, goes to the other when that does not answer."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.mixed.images import Image
from tests.chaos.mixed.machines import Machine
from tests.uploading import FORM, Client

PIECE = 64 << 10
PATIENCE_SECONDS = 15
SIGN_IN_SECONDS = 3


class Unanswered(Exception):
    """No answer, or one of the kind "not now". Whether it was done, nobody knows."""


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any = field(repr=False)

    @property
    def is_refusal(self) -> bool:
        return 400 <= self.status < 500


class Session:
    def __init__(self, machines: list[Machine], username: str, password: str) -> None:
        self._machines = machines
        self._who = username, password
        self._client: Client | None = None

    def elsewhere(self) -> None:
        """The next request goes to the other machine, as a load balancer has it."""
        self._machines = [*self._machines[1:], self._machines[0]]
        if self._client is not None:
            self._client.connection.close()
            self._client.portal = self._machines[0]
            self._client.connection = http.client.HTTPConnection("127.0.0.1", self._machines[0].port)
            self._client.connection.timeout = PATIENCE_SECONDS

    def get(self, url: str) -> Answer:
        return self._ask("GET", url)

    def head(self, url: str) -> Answer:
        return self._ask("HEAD", url)

    def post(self, url: str, /, *, json: bool = False, **fields: object) -> Answer:
        """A form. Raises Unanswered."""
        body = urllib.parse.urlencode(fields, doseq=True)
        headers = {"Content-Type": FORM} | ({"Accept": "application/json"} if json else {})
        return self._ask("POST", url, body, headers)

    def _ask(self, method: str, url: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        def ask(client: Client) -> Answer:
            response, content = client.request(method, url, body, headers)
            return Answer(response.status, content, response.headers)

        return self._answered(ask)

    def patch(self, url: str, image: Image, offset: int, length: int, pace: Callable[[int], None]) -> Answer:
        """One tus request. `pace` is called with the bytes sent so far and may wait; or raise, to break off."""

        def send(client: Client) -> Answer:
            client.begin_patch(url, offset, length)
            done = 0
            with image.path.open("rb") as file:
                file.seek(offset)
                while done < length:
                    piece = file.read(min(PIECE, length - done))
                    client.connection.sock.sendall(piece)
                    done += len(piece)
                    pace(done)
            response, content = client.answer()
            return Answer(response.status, content, response.headers)

        return self._answered(send)

    def _answered(self, act: Callable[[Client], Answer]) -> Answer:
        try:
            answer = act(self._signed_in())
        except (OSError, http.client.HTTPException) as error:
            self.elsewhere()
            raise Unanswered(type(error).__name__) from error
        if answer.status == 401 or "/accounts/login/" in (answer.headers.get("Location") or ""):
            self.close()
            raise Unanswered("signed out")
        if answer.status in (500, 503):
            self.elsewhere()
            raise Unanswered(str(answer.status))
        return answer

    def _signed_in(self) -> Client:
        if self._client is None:
            try:
                self._client = Client(self._machines[0], *self._who)
            except AssertionError as error:
                self._machines = [*self._machines[1:], self._machines[0]]
                time.sleep(SIGN_IN_SECONDS)  # whoever tries more often is kept out
                raise Unanswered(str(error)) from error
            self.elsewhere()
        else:
            self._client.reconnect()  # an idle line may be dead by now
        return self._client

    def drop(self) -> None:
        """Break the line off."""
        if self._client is not None:
            self._client.connection.close()

    def close(self) -> None:
        """Forget the sign-in too."""
        self.drop()
        self._client = None


class BrokenOff(Exception):
    """Sending was ended on purpose."""


class Pace:
    """Sends no faster than so many bytes a second, notes what was sent, and breaks off when told."""

    def __init__(self, rate: float, note: Callable[[int], None], stopped: Callable[[int], bool]) -> None:
        self._rate, self._note, self._stopped = rate, note, stopped
        self._begin = time.monotonic()
        self._noted = 0

    def __call__(self, done: int) -> None:
        """`done`: bytes of this request so far. Raises BrokenOff."""
        self._note(done - self._noted)
        self._noted = done
        if self._stopped(done):
            raise BrokenOff
        if (ahead := done / self._rate - (time.monotonic() - self._begin)) > 0:
            time.sleep(min(ahead, 1))

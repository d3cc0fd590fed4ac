"""One person who uploads, imports, copies, cancels, retries and deletes, as the pages let her."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.mixed.images import MIB, Image
from tests.chaos.mixed.ledger import Asked, Ledger, Wish
from tests.chaos.mixed.mirror import MOODS
from tests.chaos.mixed.rows import Away
from tests.chaos.mixed.session import Answer, BrokenOff, Pace, Session, Unanswered
from tests.chaos.mixed.topology import PASSWORD, World

MOST_ISOS = 6
PAUSE_SECONDS = 0.15
STUCK_SECONDS = 90
SIGN_INS = 3
UNFINISHED = ("queued", "waiting", "receiving", "verifying")


class Stuck(Exception):
    """An upload that does not get on although the portal answers."""


class Person:
    """`number` tells her from the others; her decisions follow from the seed, her luck does not."""

    def __init__(self, number: int, username: str, world: World, ledger: Ledger, seed: int) -> None:
        self.dice = random.Random(f"{seed} person {number}")
        self.prefix = f"p{number} "
        self.stopping = threading.Event()
        self._world, self.ledger = world, ledger
        self._session = Session(world.machines[:: self.dice.choice((1, -1))], username, PASSWORD)
        self._count = 0

    # --- the load -----------------------------------------------------------------------

    def arrive(self) -> None:
        """Sign in, once more where many do so at the same moment. Raises Unanswered."""
        for _ in range(SIGN_INS):
            try:
                self._session.get("/isos/")
                return
            except Unanswered:
                self._wait()
        self._session.get("/isos/")

    def live(self) -> None:
        """One thing after the other until `stopping`. What goes wrong with her, and not with the portal, raises."""
        acts = {self._upload: 5, self._import: 4, self._copy: 5, self._delete: 2, self._cancel: 2, self._retry: 4}
        acts |= {self._look: 2, self._go_on: 2}
        while not self.stopping.is_set():
            act = self.dice.choices(list(acts), list(acts.values()))[0]
            try:
                act()
            except (Unanswered, Away):
                self._wait()
            self._wait()

    def _wait(self) -> None:
        self.stopping.wait(self.dice.uniform(0, 2 * PAUSE_SECONDS))

    def replicas(self) -> list[Any]:
        """Her ISOs, zone by zone, as her list shows them."""
        return self._world.rows.replicas(self.prefix)

    def _upload(self) -> None:
        if len({row.iso for row in self.replicas()}) >= MOST_ISOS:
            self._delete()
            return
        wish = self._new("upload")
        size, checksum = wish.image.size, wish.image.sha256 if self.dice.random() < 0.3 else ""
        fields = {"filename": wish.image.path.name, "size": size, "os_type": "other", "checksum": checksum}
        answer = self._begin(wish, "upload", **fields)
        if answer is not None:
            fate = self.dice.choices(["finish", "cancel", "abandon"], [84, 8, 8])[0]
            self._send(wish, json.loads(answer.body)["upload_url"], fate)

    def _import(self) -> None:
        if len({row.iso for row in self.replicas()}) >= MOST_ISOS:
            self._delete()
            return
        wish = self._new("import")
        wish.bad_checksum = self.dice.random() < 0.08
        checksum = "0" * 64 if wish.bad_checksum else wish.image.sha256 if self.dice.random() < 0.3 else ""
        url = self._world.mirror.url(wish.image, self.dice.choice(MOODS))
        self._begin(wish, "import", source="url", url=url, os_type="other", checksum=checksum)

    def _new(self, kind: str) -> Wish:
        self._count += 1
        return Wish(f"{self.prefix}{kind} {self._count}", self.dice.choice(self._world.images))

    def _begin(self, wish: Wish, what: str, **fields: object) -> Answer | None:
        """Post the upload form for one zone or several. None where it was refused."""
        slugs = [zone.slug for zone in self._world.zones]
        zones = self.dice.sample(slugs, self.dice.choices([1, 2, 3], [6, 2, 1])[0])
        self.ledger.wish(wish).unsure(*zones)
        answer = self._counted(
            what, lambda: self._session.post("/isos/upload/", json=True, name=wish.name, zones=zones, **fields)
        )
        accepted = answer.status == 201
        wish.zones = dict.fromkeys(zones, Asked.YES) if accepted else {}
        return answer if accepted else None

    def _copy(self) -> None:
        rows = self.replicas()
        ready = [row for row in rows if row.state == "ready"]
        if not ready:
            return
        row = self.dice.choice(ready)
        there = {other.zone for other in rows if other.iso == row.iso}
        free = [zone.slug for zone in self._world.zones if zone.slug not in there]
        if not free:
            return
        chosen = self.dice.sample(free, self.dice.randint(1, len(free)))
        wish = self.ledger.wishes[row.name]
        before = dict(wish.zones)
        wish.unsure(*chosen)
        answer = self._counted("copy", lambda: self._session.post(f"/isos/{row.iso}/copy/", zones=chosen))
        wish.zones |= dict.fromkeys(chosen, Asked.YES)
        if answer.status != 302:
            wish.zones = before

    def _delete(self) -> None:
        if rows := self.replicas():
            row = self.dice.choice(rows)
            zones = [other.zone for other in rows if other.iso == row.iso and self.dice.random() < 0.6]
            self._remove(row, zones or [row.zone])

    def _cancel(self) -> None:
        if rows := [row for row in self.replicas() if row.state in UNFINISHED]:
            self._cancel_one(self.dice.choice(rows))

    def _cancel_one(self, row: Any) -> None:
        wish = self.ledger.wishes[row.name]
        wish.unsure(row.zone)  # it may be Ready by the time the cancel comes
        self._unsure_elsewhere(wish, row.iso)
        self._counted("cancel", lambda: self._session.post(f"/isos/{row.iso}/cancel/", zone=row.zone))

    def _remove(self, row: Any, zones: list[str]) -> None:
        wish = self.ledger.wishes[row.name]
        self._unsure_elsewhere(wish, row.iso)
        before = dict(wish.zones)
        wish.unsure(*zones)
        url = f"/isos/{row.iso}/delete/"
        answer = self._counted("delete", lambda: self._session.post(url, zones=zones, confirmation="confirm"))
        wish.zones = before
        if answer.status == 302:
            wish.zones = {zone: asked for zone, asked in before.items() if zone not in zones}

    def _unsure_elsewhere(self, wish: Wish, iso: Any) -> None:
        """What waits for bytes that are taken away goes too: only Ready replicas are sure to stay."""
        rows = {row.zone: row for row in self.replicas() if row.iso == iso}
        wish.unsure(*(zone for zone in wish.zones if zone not in rows or rows[zone].state != "ready"))

    def _retry(self) -> None:
        if rows := [row for row in self.replicas() if row.state == "failed"]:
            self.retry(self.dice.choice(rows))

    def _go_on(self) -> None:
        self.resume_open(at_most=1)

    def _look(self) -> None:
        self._counted("look", lambda: self._session.get("/isos/"))
        if rows := self.replicas():
            url = f"/isos/{self.dice.choice(rows).iso}/"
            self._counted("look", lambda: self._session.get(url))

    def leave(self) -> None:
        self._session.close()

    # --- what is also done when all is quiet again ----------------------------------------

    def retry(self, row: Any) -> None:
        """Press Retry; send the file again where that is asked for."""
        answer = self._counted("retry", lambda: self._session.post(f"/isos/{row.iso}/retry/", zone=row.zone))
        if "/resume/" in (answer.headers.get("Location") or ""):
            self.ledger.wishes[row.name].abandoned = False
            self.resume_open(row.name)

    def resume_open(self, name: str = "", at_most: int = MOST_ISOS) -> None:
        """Go on with open uploads, with all of them or that of one ISO; but not with those she has given up."""
        open_uploads = [row for row in self.replicas() if row.state == "receiving" and row.upload_state == "receiving"]
        mine = [row for row in open_uploads if name in ("", row.name) and not self.ledger.wishes[row.name].abandoned]
        for row in mine[:at_most]:
            self._send(self.ledger.wishes[row.name], f"/uploads/{row.upload}")

    def _send(self, wish: Wish, url: str, fate: str = "finish") -> None:
        """As the page's script does: ask for the offset, go on from there, wait and ask again when the line breaks."""
        size = wish.image.size
        wish.abandoned = fate == "abandon"
        stop_at = size if fate == "finish" else int(self.dice.uniform(0.2, 0.9) * size)
        try:
            self._send_until(wish.image, url, stop_at)
        except BrokenOff:
            self._session.drop()
        if fate == "cancel":
            for row in self.replicas():
                if row.name == wish.name:
                    self._cancel_one(row)

    def _send_until(self, image: Image, url: str, stop_at: int) -> None:
        """Send until all is there or nothing more is taken. Raises BrokenOff at `stop_at` bytes, or when she goes."""
        rate = self.dice.choice([8, 16, 64]) * MIB
        furthest, moved = 0, time.monotonic()
        while not self.stopping.is_set():
            if time.monotonic() - moved > STUCK_SECONDS:
                raise Stuck(f"{url} stays at {furthest} of {image.size} bytes although it is gone on with")
            try:
                offset = self._offset(url)
                if offset is None or offset >= image.size:
                    return
                if offset > furthest:
                    furthest, moved = offset, time.monotonic()
                answer = self._send_once(image, url, offset, rate, stop_at)
            except Unanswered:
                self._wait()
                continue
            if answer.status not in (204, 409, 423):
                return

    def _send_once(self, image: Image, url: str, offset: int, rate: float, stop_at: int) -> Answer:
        length = min(image.size - offset, self.dice.choice([1 * MIB, 8 * MIB, image.size]))

        def stopped(done: int) -> bool:
            return self.stopping.is_set() or offset + done > stop_at

        pace = Pace(rate, self.ledger.sent, stopped)
        return self._counted("send", lambda: self._session.patch(url, image, offset, length, pace))

    def _offset(self, url: str) -> int | None:
        """The durable offset; None where the upload has ended."""
        answer = self._session.head(url)
        if answer.status == 200:
            return int(answer.headers["Upload-Offset"])
        if answer.status in (404, 410):
            return None
        raise Unanswered(str(answer.status))

    def _counted(self, what: str, ask: Callable[[], Answer]) -> Answer:
        try:
            answer = ask()
        except Unanswered as error:
            self.ledger.count(what, f"no answer ({error})")
            raise
        self.ledger.count(what, str(answer.status))
        return answer

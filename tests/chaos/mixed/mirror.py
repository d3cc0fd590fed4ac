"""The web server that people import from: it cuts lines, falls silent, is busy or slow."""

from __future__ import annotations

import random
import time
from collections import Counter

from tests.chaos.mixed.images import MIB, Image
from tests.isos.fetching.site import Request, Site

PIECE = 64 << 10
MOODS = ("honest", "cuts", "stalls", "busy", "slow")
SLOW_BYTES_PER_SECOND, BYTES_PER_SECOND = 6 * MIB, 40 * MIB
STALL_SECONDS = 6  # longer than the portal waits, see topology.QUICK
FIRST_FAULT = 1 * MIB  # what looks at the first bytes only meets an honest server


class Mirror:
    """`/<mood>/<name>` for each image. `bytes` counts what was sent."""

    def __init__(self, images: list[Image]) -> None:
        self._images = {image.path.name: image for image in images}
        self._site = Site()
        self._site.routes["*"] = self._serve
        self._dice = random.Random()  # when requests come is up to the portal: no seed would repeat it
        self.host, self.port = self._site.host, self._site.port
        self.faults: Counter[str] = Counter()
        self.bytes = 0

    def url(self, image: Image, mood: str) -> str:
        return self._site.url(f"/{mood}/{image.path.name}")

    def close(self) -> None:
        self._site.close()

    def _serve(self, request: Request) -> None:
        _, mood, name = f"{request.path}//".split("/", 2)
        image = self._images.get(name.strip("/"))
        if image is None or mood not in MOODS:
            request.answer(b"nothing here", "404 Not Found")
            return
        if mood == "busy" and self._dice.random() < 0.3:
            self.faults["busy"] += 1
            request.answer(b"", "503 Service Unavailable", Retry_After="1")
            return
        self._send(request, image, mood)

    def _send(self, request: Request, image: Image, mood: str) -> None:
        etag = f'"{image.sha256[:16]}"'
        first, last = request.range
        if request.headers.get("if-range", etag) != etag:
            first = None
        start, end = first or 0, image.size if first is None or last is None else min(last + 1, image.size)
        headers = {"Content_Length": end - start, "ETag": etag, "Accept_Ranges": "bytes"}
        if first is not None:
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{image.size}"
        request.head("200 OK" if first is None else "206 Partial Content", **headers)
        stop = end
        if mood in ("cuts", "stalls") and end - start > FIRST_FAULT and self._dice.random() < 0.6:
            stop = self._dice.randrange(start + FIRST_FAULT, end)
            self.faults[mood] += 1
        self._pour(request, image, start, stop, SLOW_BYTES_PER_SECOND if mood == "slow" else BYTES_PER_SECOND)
        if stop < end and mood == "stalls":
            request.wait(STALL_SECONDS)

    def _pour(self, request: Request, image: Image, start: int, stop: int, rate: int) -> None:
        begin = time.monotonic()
        with image.path.open("rb") as file:
            file.seek(start)
            done = 0
            while done < stop - start:
                piece = file.read(min(PIECE, stop - start - done))
                request.send(piece)
                done += len(piece)
                self.bytes += len(piece)
                if (ahead := done / rate - (time.monotonic() - begin)) > 0:
                    time.sleep(ahead)

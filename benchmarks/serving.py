"""A web server for benchmarks: one file by sendfile, ranges and If-Range, in processes of its own.

    python -m benchmarks.serving FILE PORT [--rate BYTES_PER_SECOND] [--total BYTES_PER_SECOND]

`--rate` is what one connection gets at most, as mirrors throttle; `--total` is what all of them get
together, as a line throttles. Says when it is up, then serves until it is ended.
"""

from __future__ import annotations

import argparse
import os
import re
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ADDRESS = "127.0.0.2"
STEP = 4 << 20
THROTTLED_STEP = 64 << 10


class Throttle:
    """Lets `rate` bytes a second pass, however many threads ask."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def take(self, count: int) -> None:
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - 0.05) + count / self._rate
            wait = self._free_at - now
        if wait > 0:
            time.sleep(wait)


def handler(path: Path, rate: int, total: Throttle) -> type[socketserver.BaseRequestHandler]:
    size = path.stat().st_size

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data = b""
            while b"\r\n\r\n" not in data:
                got = self.request.recv(65536)
                if not got:
                    return
                data += got
            if not data.startswith(b"GET /image.iso "):
                self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            asked = re.search(rb"(?mi)^Range: bytes=(\d+)-(\d*)\r?$", data)
            first = int(asked[1]) if asked else 0
            last = min(int(asked[2]), size - 1) if asked and asked[2] else size - 1
            head = f'HTTP/1.1 {"206 Partial Content" if asked else "200 OK"}\r\nETag: "v1"\r\nAccept-Ranges: bytes\r\n'
            head += f"Content-Range: bytes {first}-{last}/{size}\r\n" if asked else ""
            head += f"Content-Length: {last - first + 1}\r\nConnection: close\r\n\r\n"
            with suppress(OSError):
                self.request.sendall(head.encode())
                self.body(first, last)

        def body(self, first: int, last: int) -> None:
            own = Throttle(rate)
            step = THROTTLED_STEP if rate else STEP
            with path.open("rb") as file:
                while first <= last:
                    count = min(step, last + 1 - first)
                    own.take(count)
                    total.take(count)
                    sent = 0
                    while sent < count:
                        sent += os.sendfile(self.request.fileno(), file.fileno(), first + sent, count - sent)
                    first += count

    return Handler


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def serving(path: Path, port: int, rate: int = 0, total: int = 0) -> Iterator[str]:
    """The file's address, served by another process."""
    limits = ["--rate", str(rate), "--total", str(total)]
    command = [sys.executable, "-m", "benchmarks.serving", str(path), str(port), *limits]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield f"http://{ADDRESS}:{port}/image.iso"
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=int, default=0)
    parser.add_argument("--total", type=int, default=0)
    options = parser.parse_args()
    with Server((ADDRESS, options.port), handler(options.file, options.rate, Throttle(options.total))) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

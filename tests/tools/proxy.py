"""A TCP proxy that breaks connections: a bad network between the portal and a server."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on until told otherwise. Each rule works once for each time it is set."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_answer_after: int | None = None  # bytes of the next answers that still pass
        self.lose_answer_to: bytes | None = None  # the request arrives, its answer does not
        self.cuts = 0
        self._counting = threading.Lock()
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connections.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self._target) as server:
            losing = False
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        losing = losing or self._is_to_lose(data)
                        server.sendall(data)
                    elif data.startswith(b"HTTP/1.1 100"):
                        client.sendall(data)  # not yet the answer: the server asks for the body
                    elif losing or not self._pass_on(client, data):
                        self.cuts += 1
                        return

    def _is_to_lose(self, data: bytes) -> bool:
        if self.lose_answer_to and self.lose_answer_to in data:
            self.lose_answer_to = None
            return True
        return False

    def _pass_on(self, client: socket.socket, data: bytes) -> bool:
        with self._counting:  # of one connection only, where there are several
            passes, left = data, self.cut_answer_after
            if left is not None:
                passes = data[:left]
                self.cut_answer_after = left - len(data) if left > len(data) else None
        client.sendall(passes)
        return left is None or left > len(data)

    def go_down(self) -> None:
        """Break every connection and take no new ones."""
        # shutdown wakes the thread that waits in accept; close alone would not.
        for each in (self._listener, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def proxy(target: str) -> Iterator[Proxy]:
    running = Proxy(target)
    try:
        yield running
    finally:
        running.go_down()

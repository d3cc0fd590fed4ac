"""A line between browser and server that a test can cut, as a cable or a server that restarts would be."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Line:
    """Forwards every connection to `url` from an address of its own."""

    def __init__(self, url):
        self.far = (urlsplit(url).hostname, urlsplit(url).port)
        self._open, self._listener = set(), None
        self.port = 0
        self.mend()

    @property
    def url(self):
        return f"http://localhost:{self.port}"

    def mend(self):
        """Take connections (again), on the same port."""
        self._listener = socket.create_server(("localhost", self.port), reuse_port=True)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self):
        """Break every connection and refuse new ones."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.far)
                self._open |= {near, far}
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=[source, target], daemon=True).start()

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            self._open.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            source.close()

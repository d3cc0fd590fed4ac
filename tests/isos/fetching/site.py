"""A web server that misbehaves on demand: every answer is written by the test, byte by byte."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email.utils import format_datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.2"  # not 127.0.0.1: that stays forbidden, for what must not be contacted
OLD = "Mon, 06 Jan 2025 10:00:00 GMT"


@dataclass
class Request:
    """One request and the line to answer on."""

    path: str
    headers: dict[str, str]
    line: socket.socket
    stopping: threading.Event

    @property
    def range(self):
        """The first and last byte asked for; None and None without a Range."""
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        return (int(match[1]), int(match[2]) if match[2] else None) if match else (None, None)

    def send(self, data):
        self.line.sendall(data)

    def head(self, status="200 OK", **headers):
        lines = [f"HTTP/1.1 {status}", f"Date: {format_datetime(datetime.datetime.now(datetime.UTC), usegmt=True)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join([*lines, "Connection: close", "", ""])).encode())

    def answer(self, body=b"", status="200 OK", **headers):
        self.head(status, **({"Content_Length": len(body)} | headers))
        self.send(body)

    def wait(self, seconds=30):
        """Be silent, but not longer than the test."""
        self.stopping.wait(seconds)


@dataclass
class File:
    """A file as an honest server sends it, with the faults that a test asks for.

    `cuts` are absolute offsets at which the line breaks, one for each connection in turn;
    `claim` is a Content-Length that is a lie.
    """

    data: bytes
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    honour_if_range: bool = True
    cuts: list[int] = field(default_factory=list)
    claim: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    declare: bool = True

    def __call__(self, request):
        first, last = request.range if self.ranges else (None, None)
        condition = request.headers.get("if-range")
        if condition and self.honour_if_range and condition not in (self.etag, self.modified):
            first = None
        start = first or 0
        if first is not None and start >= len(self.data):
            request.answer(status="416 Range Not Satisfiable", Content_Range=f"bytes */{len(self.data)}")
            return
        end = min(len(self.data), len(self.data) if first is None or last is None else last + 1)
        request.head("200 OK" if first is None else "206 Partial Content", **self._headers(first, start, end))
        stop = self.cuts.pop(0) if self.cuts else end
        request.send(self.data[start : min(stop, end)])

    def _headers(self, first, start, end):
        headers = {"Content_Type": "application/octet-stream", **self.headers}
        if self.declare:
            headers["Content_Length"] = end - start if self.claim is None else self.claim
        if self.etag:
            headers["ETag"] = self.etag
        if self.modified:
            headers["Last_Modified"] = self.modified
        if self.ranges:
            headers["Accept_Ranges"] = "bytes"
        if first is not None:
            headers["Content_Range"] = f"bytes {start}-{end - 1}/{len(self.data)}"
        return headers


class Site:
    """Serves `routes`, path to callable; what is not there is 404. Remembers every request."""

    def __init__(self, address=ADDRESS, context=None):
        site = self
        self.routes = {}
        self.requests = []
        self.connections = 0
        self.stopping = threading.Event()

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                site.connections += 1
                # A client that gives up is what many tests are about.
                with contextlib.suppress(OSError, ValueError):
                    if not context:
                        site.serve(self.request)
                        return
                    with context.wrap_socket(self.request, server_side=True) as line:
                        site.serve(line)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server((address, 0), Handler)
        self.host = address
        self.port = self.server.server_address[1]
        self.scheme = "https" if context else "http"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def serve(self, line):
        line.settimeout(30)
        data = b""
        while b"\r\n\r\n" not in data:
            got = line.recv(65536)
            if not got:
                return
            data += got
            if data.startswith(b"\x16"):  # a TLS handshake, where none is spoken
                line.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                return
        first, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
        request = Request(first.split(" ")[1], headers, line, self.stopping)
        self.requests.append(request)
        self.routes.get(request.path, self.routes.get("*", not_found))(request)
        with contextlib.suppress(OSError):
            (line.unwrap() if isinstance(line, ssl.SSLSocket) else line).shutdown(socket.SHUT_WR)

    def url(self, path="/image.iso", host=None):
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    def paths(self):
        return [request.path for request in self.requests]

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


def not_found(request):
    request.answer(b"nothing here", "404 Not Found")


def redirect(to, status="302 Found"):
    return lambda request: request.answer(status=status, Location=to)


class Trap:
    """Listens where nobody may connect."""

    def __init__(self, address="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.bind((address, 0))
        self.socket.listen()
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def was_contacted(self):
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self):
        self.socket.close()


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.certificate = self._sign(self.name, self.key.public_key(), authority=True)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, *names, authority=False, days=1):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        return builder.sign(self.key, hashes.SHA256())

    def context(self, *names, days=1):
        """A server's TLS context with a certificate for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test server")])
        certificate = self._sign(subject, key.public_key(), *names, days=days)
        path = self.folder / f"{names[0].replace(':', '-')}.{days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _general(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

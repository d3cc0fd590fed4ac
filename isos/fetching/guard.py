"""Fetcher: the one session through which every request to a user's address goes.

A name is resolved once, at the moment of connecting; when any answer is not allowed, nothing
is contacted, else the connection goes to exactly one of the answers that were checked. TLS and
the Host header know only the name, so certificates are checked as ever. It sits below requests
and urllib3, in the class that opens sockets: whatever they do, no other way leads out.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urljoin
from weakref import WeakSet

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from isos.fetching.addresses import Address, parse_address
from isos.fetching.errors import (
    BadAnswer,
    InsecureRedirect,
    NameNotFound,
    ProxyTrouble,
    RedirectProblem,
    RefusedAddress,
    TimedOut,
    Unreachable,
)
from isos.fetching.policy import Policy
from isos.fetching.troubles import typed_errors
from isos.fetching.urls import Target, parse

MAX_REDIRECTS = 5
MAX_HEADER_BYTES = 32 << 10
MAX_ADDRESSES = 4  # tried one after the other, each for the whole connect timeout
USER_AGENT = "iso-portal"
_REDIRECTS = (301, 302, 303, 307, 308)

Resolver = Callable[[str, int], list[tuple[str, int]]]
"""Host name and port to the addresses and ports to connect to. Raises OSError."""

Rewrite = Callable[[requests.Response], str | None]
"""The address to go on with after an answer that is no redirect by the book, or None."""


def resolve(host: str, port: int) -> list[tuple[str, int]]:
    """All that the system's resolver knows, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found))


class Fetcher:
    """Gets addresses under a Policy. For one thread at a time, but for `abort`.

    Sends no cookies, no credentials and nothing of the environment; follows at most five
    redirects, each checked like the first address, and none from https to http.
    """

    def __init__(self, policy: Policy | None = None, resolver: Resolver = resolve) -> None:
        self.policy = policy or Policy.from_settings()
        self.resolver = resolver
        self._dialer = _Dialer(self.policy, resolver)
        self._session = _session(self.policy, self._dialer)

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(
        self, url: str, headers: Mapping[str, str] | None = None, rewrite: Rewrite | None = None
    ) -> requests.Response:
        """GET, redirects followed; the body is still to be read, `response.url` is where it comes from.

        Whatever the status is, it is the caller's to judge. Raises FetchErrors.
        """
        target = parse(url)
        seen = {target.url}
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(target, headers)
            following = self._following(response, target) or (rewrite and rewrite(response))
            if not following:
                return response
            response.close()
            target = parse(following)
            if target.url in seen:
                raise RedirectProblem("This address leads in a circle back to itself. Use the file's own address.")
            seen.add(target.url)
        raise RedirectProblem

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """All that is done inside ends after `seconds`, with TimedOut."""
        late = None
        try:
            with _alarm(seconds, self.abort) as late:
                yield
        finally:
            if late is not None and late.is_set():
                self._dialer.aborted = False  # the next request has its own time

    def abort(self) -> None:
        """End whatever another thread waits for in here; it gets an error at once."""
        self._dialer.abort()

    def close(self) -> None:
        self._session.close()

    def _get(self, target: Target, headers: Mapping[str, str] | None) -> requests.Response:
        with typed_errors(target.host):
            response = self._session.get(
                target.url,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(self.policy.connect_seconds, self.policy.read_seconds),
            )
        if sum(len(name) + len(value) for name, value in response.headers.items()) > MAX_HEADER_BYTES:
            response.close()
            raise BadAnswer
        return response

    def _following(self, response: requests.Response, target: Target) -> str | None:
        """Where a redirect leads; None for any other answer."""
        if response.status_code not in _REDIRECTS:
            return None
        try:
            location = self._session.get_redirect_target(response)
            if not location:
                return None
            following = urljoin(target.url, location)
        except ValueError:  # half a bracket, say, or bytes that are no text
            response.close()
            raise RedirectProblem(
                "This address leads on to one that does not exist. Use the file's own address."
            ) from None
        if target.scheme == "https" and following.lower().startswith("http:"):
            response.close()
            raise InsecureRedirect
        return following


class _Session(requests.Session):
    def resolve_redirects(self, *args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        """None: requests would look one redirect ahead, and read all of this one's body for it."""
        yield from ()


def _session(policy: Policy, dialer: _Dialer) -> requests.Session:
    session = _Session()
    session.trust_env = False  # no proxies, netrc or CA bundles that nobody named for imports
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"})
    session.verify = policy.ca_file or True
    session.proxies = {"http": policy.proxy, "https": policy.proxy} if policy.proxy else {}
    session.adapters.clear()
    for prefix in ("http://", "https://"):
        session.mount(prefix, _Adapter(policy, dialer))
    return session


class _Adapter(HTTPAdapter):
    """Checks the address once more and hands out pools whose connections are dialled by us."""

    def __init__(self, policy: Policy, dialer: _Dialer) -> None:
        self._policy = policy
        self._dialer = dialer
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._dialer.connect, self._dialer)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _pools(self._dialer.connect_to_proxy, self._dialer)
        return manager

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self._policy.check(parse(request.url or ""))
        return super().send(request, *args, **kwargs)


Connect = Callable[[str, int, Any], socket.socket]


class _Dialer:
    """Opens every socket of a Fetcher, and can shut them all down."""

    def __init__(self, policy: Policy, resolver: Resolver) -> None:
        self.aborted = False
        self._policy = policy
        self._resolver = resolver
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def connect(self, host: str, port: int, timeout: Any) -> socket.socket:
        """A connection to one of the host's addresses, after all of them passed the check."""
        literal = parse_address(host.strip("[]"))
        places = [(str(literal), port)] if literal else self._resolved(host, port)
        for text, _ in places:
            address = parse_address(text)
            if address is None:
                raise RefusedAddress
            self._policy.check_address(address)
        return self._first_to_answer(places, host, timeout)

    def connect_to_proxy(self, host: str, port: int, timeout: Any) -> socket.socket:
        """The operator's own proxy may stand anywhere."""
        try:
            found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
            return self._first_to_answer([(str(to[0]), int(to[1])) for *_, to in found], host, timeout)
        except (OSError, Unreachable, TimedOut):
            raise ProxyTrouble from None

    def _resolved(self, host: str, port: int) -> list[tuple[str, int]]:
        try:
            places = self._resolver(host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise Unreachable.host(host) from None
            raise NameNotFound(
                f"There is no server with the name {host}. Check the address for typing errors."
            ) from None
        except (OSError, UnicodeError):
            raise NameNotFound from None
        if not places:
            raise NameNotFound
        return places

    def _first_to_answer(self, places: list[tuple[str, int]], host: str, timeout: Any) -> socket.socket:
        last: OSError | None = None
        for address, port in places[:MAX_ADDRESSES]:
            if self.aborted:
                break
            try:
                return self._open(parse_address(address), port, timeout)
            except OSError as error:
                last = error
        raise TimedOut if isinstance(last, TimeoutError) else Unreachable.host(host)

    def _open(self, address: Address | None, port: int, timeout: Any) -> socket.socket:
        if address is None:
            raise OSError("not an IP address")
        opened = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            opened.settimeout(timeout if isinstance(timeout, int | float) else self._policy.connect_seconds)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.connect((str(address), port))
        except BaseException:
            opened.close()
            raise
        return opened

    @contextmanager
    def watch(self, opened: socket.socket | None) -> Iterator[None]:
        """Make the socket one that `abort` ends, and end it by itself where the headers take too long.

        A read timeout alone does not help against a server that sends one byte at a time.
        """
        if opened is None:
            yield
            return
        self._sockets.add(opened)
        if self.aborted:
            _shut(opened)
        with _alarm(self._policy.head_seconds, lambda: _shut(opened)):
            yield

    def abort(self) -> None:
        self.aborted = True
        for opened in list(self._sockets):
            _shut(opened)


@contextmanager
def _alarm(seconds: float, act: Callable[[], None]) -> Iterator[threading.Event]:
    """Act when `seconds` have passed; an error that comes of it leaves as TimedOut."""
    late = threading.Event()

    def ring() -> None:
        late.set()
        act()

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except Exception:
        if late.is_set():
            raise TimedOut from None
        raise
    finally:
        timer.cancel()


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _pools(dial: Connect, dialer: _Dialer) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's connection pools, with connections that are dialled by `dial`."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return dial(self._dns_host, self.port, self.timeout)

        def getresponse(self) -> Any:
            with dialer.watch(self.sock):
                return super().getresponse()

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return dial(self._dns_host, self.port, self.timeout)

        def getresponse(self) -> Any:
            with dialer.watch(self.sock):
                return super().getresponse()

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}

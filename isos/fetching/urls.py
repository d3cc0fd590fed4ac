"""One spelling for every address that a user may write, and the form in which it is shown.

What is checked must be what is contacted. So an address is taken apart once, strictly, and put
together again from the parts: what two parsers could read in two ways is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote, unquote, urlsplit

import idna
from requests.utils import requote_uri

from isos.fetching.addresses import Address, parse_address
from isos.fetching.errors import BadUrl

MAX_URL = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL)
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]*))?", re.ASCII)
_NAMED = re.compile(r"([^:\[\]]+)(?::([0-9]*))?", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029]")
_PATH_PARAMETER = re.compile(r"(;[^/;=]*=)[^/;]+")  # `;jsessionid=…`
_HIDDEN = "…"

_EXAMPLE = "Write all of it, for example https://example.org/image.iso."


@dataclass(frozen=True)
class Target:
    """A web address in its one spelling. `host` is ASCII, lower case, without brackets or a last dot."""

    scheme: str
    host: str
    port: int
    path: str
    query: str
    address: Address | None

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """What is requested."""
        return f"{self.scheme}://{self.netloc}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def file_name(self) -> str:
        """The last part of the path, decoded; empty where the path ends in a slash."""
        return unquote(self.path.rpartition("/")[2])


def parse(text: str) -> Target:
    """Take an http or https address apart. Raises BadUrl with the reason."""
    text = text.strip()
    if len(text) > MAX_URL:
        raise BadUrl(f"This address is longer than {MAX_URL} characters. Use a shorter one.")
    match = _URL.fullmatch(text)
    if match is None:
        raise BadUrl
    scheme, authority, path, query = match[1].lower(), match[2], match[3], match[4] or ""
    if scheme not in DEFAULT_PORTS:
        raise BadUrl("Only http and https addresses can be fetched. Use an address that begins with https://.")
    if _CONTROL.search(text) or "\\" in authority or " " in authority:
        raise BadUrl(f"This address holds characters that no web address has. {_EXAMPLE}")
    if "@" in authority:
        raise BadUrl("This address holds a user name or password. Use an address that opens without signing in.")
    host, port = _host_and_port(authority, scheme)
    address = parse_address(host)
    return Target(scheme, host, port, _quoted(path) or "/", _quoted(query), address)


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    if match := _BRACKETED.fullmatch(authority):
        address = parse_address(match[1])
        if not isinstance(address, IPv6Address):
            raise BadUrl("The IP address in this web address is not written as IP addresses are. Check it.")
        return address.compressed, _port(match[2], scheme)
    match = _NAMED.fullmatch(authority)
    if match is None:
        raise BadUrl
    return normal_host(match[1]), _port(match[2], scheme)


def _port(text: str | None, scheme: str) -> int:
    if not text:
        return DEFAULT_PORTS[scheme]
    port = int(text) if len(text) <= 5 else 0
    if not 0 < port < 65536:
        raise BadUrl("The port in this address does not exist. Ports go from 1 to 65535.")
    return port


def normal_host(host: str) -> str:
    """A host name in ASCII, or an IPv4 address in dotted decimal. Raises BadUrl.

    Decimal, octal, hexadecimal and short IPv4 addresses are refused: programs disagree about
    what they mean, and nobody needs them.
    """
    host = _ascii(host).lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl(f"The name of the server in this address can't exist. {_EXAMPLE}")
    if _NUMBER.fullmatch(labels[-1]) and parse_address(host) is None:
        raise BadUrl("The IP address in this web address is not written as IP addresses are, like 192.0.2.1. Check it.")
    return host


def _ascii(host: str) -> str:
    """International names as DNS has them (IDNA 2008 with the mapping of UTS 46)."""
    if host.isascii():
        return host
    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        return mapped if mapped.isascii() else idna.encode(mapped).decode("ascii")
    except idna.IDNAError:
        raise BadUrl(f"The name of the server in this address can't exist. {_EXAMPLE}") from None


def _quoted(text: str) -> str:
    """Percent-encode what may not stand in a request line; what is encoded already stays."""
    return requote_uri(text.encode("utf-8", "replace").decode("utf-8"))


def redact(url: str) -> str:
    """The address for pages and logs: no user name, no password, no value of a query, no fragment.

    Nor anything that makes it look like another one: the host stands there as DNS has it, and
    hidden characters are percent-encoded.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _HIDDEN
    if not parts.scheme or not host:
        return _HIDDEN
    netloc = (f"[{host}]" if ":" in host else _plain_host(host)) + (f":{port}" if port else "")
    shown = "&".join(_without_value(each) for each in parts.query.split("&") if each)
    path = _PATH_PARAMETER.sub(rf"\1{_HIDDEN}", parts.path)
    return _printable(f"{parts.scheme}://{netloc}{path}" + (f"?{shown}" if shown else ""))


def _without_value(parameter: str) -> str:
    """`name=…`. What has no value (`?token`, `?dG9rZW4=`) is no name: it is hidden too."""
    name, _, value = parameter.partition("=")
    return f"{name}={_HIDDEN}" if value.strip("=") else _HIDDEN


def _plain_host(host: str) -> str:
    try:
        return normal_host(host)
    except BadUrl:
        return host


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() and c != " " else quote(c, errors="replace") for c in text)


def quoted_path(path: str) -> str:
    """A path made of raw names, percent-encoded."""
    return quote(path, safe="/~")

"""System checks of URL imports: what an operator misspelt is said at the start, not by the first import."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from isos.fetching.policy import denied
from portal.kernel.errors import PortalError

MOST_CONNECTIONS = 16
_TIMES = ("CONNECT_SECONDS", "READ_SECONDS", "SLOW_SECONDS", "CHECK_SECONDS", "CHECKSUM_SECONDS")


@register()
def check_denied_hosts(**_: Any) -> list[CheckMessage]:
    """isos.E001: every entry is a host name, an address or a network."""
    return [
        Error(
            f"IMPORT_DENIED_HOSTS holds {entry!r}, which is no host name, no address and no network.",
            hint=f"Write {_meant(entry)}.",
            id="isos.E001",
        )
        for entry in settings.IMPORT_DENIED_HOSTS
        if not _is_denied_host(entry)
    ]


def _is_denied_host(entry: str) -> bool:
    try:
        denied(entry)
    except (ValueError, PortalError):
        return False
    return True


def _meant(entry: str) -> str:
    """What the entry could have meant: 10.1.2.3/8 is the network 10.0.0.0/8, an address holds a host's name."""
    for guess in _guesses(entry):
        if guess and _is_denied_host(guess):
            return f"{guess!r}, or another name, address or network"
    return "a name like 'example.org', an address like '192.0.2.1' or a network like '192.0.2.0/24'"


def _guesses(entry: str) -> Iterator[str]:
    with suppress(ValueError):
        yield str(ip_network(entry, strict=False))
    with suppress(ValueError):
        yield urlsplit(entry if "://" in entry else f"//{entry}").hostname or ""


@register()
def check_authorities(**_: Any) -> list[CheckMessage]:
    """isos.E002: the authorities' file can be read and holds certificates."""
    path = settings.IMPORT_CA_FILE
    if not path:
        return []
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        problem = "holds no certificate in PEM form"
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    else:
        return []
    return [
        Error(
            f"IMPORT_CA_FILE is {path!r}, which {problem}.",
            hint="Name a file of '-----BEGIN CERTIFICATE-----' blocks that the portal's user may read, "
            "or unset it to trust the public authorities.",
            id="isos.E002",
        )
    ]


@register()
def check_proxy(**_: Any) -> list[CheckMessage]:
    """isos.E003: the proxy is an http or https address. What it is stays unsaid: it may hold a password."""
    try:
        parts = urlsplit(settings.IMPORT_PROXY)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if fine or not settings.IMPORT_PROXY:
        return []
    return [
        Error(
            "IMPORT_PROXY is not the address of a proxy.",
            hint="Write it as 'http://proxy.example.org:3128' or 'http://user:password@proxy.example.org:3128', "
            "with %40 for an @ in the password.",
            id="isos.E003",
        )
    ]


@register()
def check_times(**_: Any) -> list[CheckMessage]:
    """isos.E004: a time of zero would end every import as it begins."""
    return [
        Error(
            f"IMPORT_{name} is {value}. It must be above zero.",
            hint=f"Set IMPORT_{name} to a number of seconds, or remove it to get the built-in default.",
            id="isos.E004",
        )
        for name in _TIMES
        if not (value := getattr(settings, f"IMPORT_{name}")) > 0
    ]


@register()
def check_connections(**_: Any) -> list[CheckMessage]:
    """isos.E005: at least one connection, and not so many that mirrors shut the portal out."""
    if 1 <= settings.IMPORT_CONNECTIONS <= MOST_CONNECTIONS:
        return []
    return [
        Error(
            f"IMPORT_CONNECTIONS is {settings.IMPORT_CONNECTIONS}. It must be between 1 and {MOST_CONNECTIONS}.",
            hint="Set it to 1 to fetch over one connection alone, or remove it to get the built-in default.",
            id="isos.E005",
        )
    ]

"""What the operator allows, and how long the portal waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from django.conf import settings

from isos.fetching.addresses import Address, Network, may_contact, parse_address
from isos.fetching.errors import RefusedAddress
from isos.fetching.urls import Target, normal_host

STANDARD_PORTS = frozenset({80, 443})
_LOOPBACK = ip_address("127.0.0.1")
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa")
_LOOPBACK_NAMES = ("localhost", "localdomain", "ip6-localhost", "ip6-loopback")


@dataclass(frozen=True)
class Policy:
    """The rules of one Fetcher. Times in seconds, sizes in bytes."""

    ports: frozenset[int] = STANDARD_PORTS
    allowed_networks: tuple[Network, ...] = ()
    denied_networks: tuple[Network, ...] = ()
    denied_hosts: tuple[str, ...] = ()
    proxy: str = ""
    ca_file: str = ""
    connect_seconds: float = 10
    read_seconds: float = 30
    head_seconds: float = 30
    slow_seconds: float = 60
    slow_bytes_per_second: int = 10_000

    @classmethod
    def from_settings(cls) -> Policy:
        hosts, networks = _sorted_out(settings.IMPORT_DENIED_HOSTS)
        return cls(
            ports=STANDARD_PORTS | frozenset(settings.IMPORT_PORTS),
            allowed_networks=tuple(ip_network(text) for text in settings.IMPORT_ALLOWED_NETWORKS),
            denied_networks=networks,
            denied_hosts=hosts,
            proxy=settings.IMPORT_PROXY,
            ca_file=settings.IMPORT_CA_FILE,
            connect_seconds=settings.IMPORT_CONNECT_SECONDS,
            read_seconds=settings.IMPORT_READ_SECONDS,
            head_seconds=settings.IMPORT_READ_SECONDS,
            slow_seconds=settings.IMPORT_SLOW_SECONDS,
            slow_bytes_per_second=settings.IMPORT_SLOW_BYTES_PER_SECOND,
        )

    def check(self, target: Target) -> None:
        """All that can be said without resolving the name. Raises RefusedAddress."""
        if target.port not in self.ports:
            ports = ", ".join(str(port) for port in sorted(self.ports))
            raise RefusedAddress(
                f"The portal does not contact port {target.port}. Use an address on one of these ports: {ports}."
            )
        if any(target.host == name or target.host.endswith(f".{name}") for name in self.denied_hosts):
            raise RefusedAddress("Your administrator has closed this server for imports. Use another mirror.")
        if target.address is not None:
            self.check_address(target.address)
        elif _ends_in(target.host, _LOOPBACK_NAMES) and not self.allows(_LOOPBACK):
            raise RefusedAddress
        elif self.proxy and ("." not in target.host or _ends_in(target.host, _LOCAL_NAMES)):
            raise RefusedAddress  # the proxy resolves: all that can be judged here is the name

    def check_address(self, address: Address) -> None:
        if not self.allows(address):
            raise RefusedAddress

    def allows(self, address: Address) -> bool:
        return may_contact(address, self.allowed_networks, self.denied_networks)


def _ends_in(host: str, names: tuple[str, ...]) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in names)


def _sorted_out(entries: Sequence[str]) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    """IMPORT_DENIED_HOSTS as names and networks."""
    found = [denied(entry) for entry in entries]
    return (
        tuple(one for one in found if isinstance(one, str)),
        tuple(one for one in found if not isinstance(one, str)),
    )


def denied(entry: str) -> str | Network:
    """One of IMPORT_DENIED_HOSTS: a name, which stands for all below it, or a network. Raises ValueError or BadUrl."""
    if "/" in entry or parse_address(entry) is not None:
        return ip_network(entry)
    return normal_host(entry.removeprefix("*").removeprefix("."))

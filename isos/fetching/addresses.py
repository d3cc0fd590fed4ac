"""Which IP addresses the portal may contact on a user's behalf.

`ipaddress.is_global` alone is not enough: Python calls NAT64, 6to4 and IPv4-mapped addresses
global whatever IPv4 address they carry, and its tables follow the registry by years. So IPv6
is refused unless it lies in the part of the address space that is routed at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# RFC 6052's well-known prefix may only stand for public IPv4 addresses: what networks with
# DNS64 answer for every site that has no IPv6.
NAT64 = IPv6Network("64:ff9b::/96")
_ROUTED_V6 = IPv6Network("2000::/3")

# Never contacted, whatever IMPORT_ALLOWED_NETWORKS says: they reach the portal's own machine,
# or many machines at once.
_NEVER: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32", "::/128", "ff00::/8")
)

# IANA special-purpose registries (October 2025), where is_global of some Python versions errs.
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "100.64.0.0/10",  # carrier-grade NAT, also the inside of some clouds
        "240.0.0.0/4",
        "168.63.129.16/32",  # the host agent of Azure, from inside every machine there
        "2001::/23",  # Teredo, ORCHID, benchmarking and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: ends at the IPv4 address inside
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Whether the address, and every IPv4 address inside it, belongs to the public internet."""
    if not _is_public_itself(address):
        return False
    return all(_is_public_itself(inner) for inner in inner_addresses(address))


def _is_public_itself(address: Address) -> bool:
    if not address.is_global or address.is_multicast or within(address, (*_NEVER, *_SPECIAL)):
        return False
    return address.version == 4 or within(address, (NAT64, _ROUTED_V6))


def inner_addresses(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for or leads to."""
    if isinstance(address, IPv4Address):
        return []
    number = int(address)
    last = IPv4Address(number & 0xFFFFFFFF)
    found: list[IPv4Address] = []
    compatible = 0xFFFF < number <= 0xFFFF_FFFF  # below it are :: and ::1, which stand for themselves
    if address.ipv4_mapped or compatible or address in NAT64:
        found.append(last)
    if address.sixtofour:
        found.append(address.sixtofour)
    if address.teredo:
        found.extend(address.teredo)
    if (number >> 32) & 0xFDFF_FFFF == 0x5EFE:  # ISATAP (RFC 5214), its universal bit set or not
        found.append(last)
    return found


def may_contact(address: Address, allowed: Iterable[Network], denied: Iterable[Network]) -> bool:
    """The operator's denied networks first, then the allowed ones, then what is public."""
    if getattr(address, "scope_id", None):
        return False
    every = (address, *inner_addresses(address))
    if any(within(one, _NEVER) or within(one, denied) for one in every):
        return False
    return within(address, allowed) or is_public(address)


def within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """The address in its one canonical spelling, None for anything else."""
    try:
        return ip_address(text)
    except ValueError:
        return None

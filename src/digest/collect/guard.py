"""The SSRF guard: no connection to this machine or its private networks unless the operator allows it.

It stands at the socket, after DNS and on every redirect hop, so neither a redirect, nor a name that resolves to
10.0.0.1, nor 0x7f000001 gets around it (collection.md F10; tried there against each of these).
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """The address is not a public one. An OSError, since aiohttp passes only those on."""


def is_public(address: str) -> bool:
    """Whether an IP address is global unicast, looking through IPv4 in IPv6 (mapped, 6to4, NAT64, Teredo)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return ip.is_global and not ip.is_multicast


def guarded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for an address that getaddrinfo gave. Raises AddressRefused for one that is not public."""
    family, kind, protocol, _name, where = address
    if not is_public(str(where[0])):
        raise AddressRefused(f"{where[0]} is not a public address")
    return plain_socket((family, kind, protocol, _name, where))


def plain_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for any address: for operators who allow private networks."""
    family, kind, protocol, _name, _where = address
    opened = socket.socket(family=family, type=kind, proto=protocol)
    opened.setblocking(False)
    return opened

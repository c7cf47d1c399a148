"""The SSRF guard: no connection to this machine or its private networks unless the operator allows it.

It stands at the socket, after DNS and on every redirect hop, so neither a redirect, nor a name that resolves to
10.0.0.1 (now, or only at its second look-up), nor 0x7f000001 gets around it (collection.md F10; tried there against
each of these).
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: The only block of IPv6 that unicast addresses have been given out from (RFC 4291 §2.4, IANA registry).
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_USUAL_PORTS = frozenset({80, 443})


class AddressRefused(OSError):
    """The address is not one we connect to. An OSError, since aiohttp passes only those on."""


class PortRefused(AddressRefused):
    """The port is not one that web servers for the public listen on."""


def is_public(address: str) -> bool:
    """Whether an IP address is global unicast, looking through IPv4 in IPv6 (mapped, 6to4, NAT64, Teredo)."""
    ip = _plain(address)
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
        return ip in _GLOBAL_V6 and ip.is_global
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be connected to: public addresses on the usual ports, and what the operator allows.

    ``networks`` are allowed with any port; ``allows_private`` allows every address that is not public.
    """

    allows_private: bool = False
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = frozenset()

    def check(self, address: str, port: int) -> None:
        """Raise AddressRefused, or PortRefused, for what may not be connected to."""
        if self._is_allowed(address):
            return
        if not is_public(address):
            raise AddressRefused(f"{address} is not a public address")
        if port not in _USUAL_PORTS and port not in self.ports:
            raise PortRefused(f"port {port} is not a usual one")

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that getaddrinfo gave. Raises as `check`."""
        family, kind, protocol, _name, where = address
        self.check(str(where[0]), int(where[1]))
        opened = socket.socket(family=family, type=kind, proto=protocol)
        opened.setblocking(False)
        return opened

    def _is_allowed(self, address: str) -> bool:
        ip = _plain(address)
        inner = _inner(ip) if isinstance(ip, IPv6Address) else None
        if any(one in network for network in self.networks for one in (ip, inner) if one is not None):
            return True
        return self.allows_private and not is_public(address)


def _plain(address: str) -> IPv4Address | IPv6Address:
    return ipaddress.ip_address(address.partition("%")[0])


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to ``ip`` ends at."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)

"""The network somebody comes from, as a prefix: enough to count by and to prove consent with, nobody's address."""

from __future__ import annotations

import ipaddress

_PREFIX = {4: 24, 6: 48}


def network_of(address: str) -> str:
    """``192.0.2.0/24`` or ``2001:db8::/48``; an IPv4 address inside IPv6 counts as itself. ``""`` for what is none."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, _PREFIX[parsed.version]), strict=False))

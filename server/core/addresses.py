"""Addresses of clients: what counts as one client."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

#: Of an IPv6 address, the part that stands for one client: whoever has one address has its /64.
IPV6_PREFIX = 64
CACHED_ADDRESSES = 1024


@lru_cache(CACHED_ADDRESSES)
def client_network(host: str) -> str:
    """Return what all addresses of one client have in common; anything but IPv6 stays as it is."""
    if ":" not in host:
        return host
    parsed = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.ip_network((int(parsed), IPV6_PREFIX), strict=False))

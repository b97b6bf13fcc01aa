"""Who sent a request that came through a reverse proxy: `X-Forwarded-For` and `-Proto`.

Both count only on connections from `http.trusted_proxies`. `Forwarded` (RFC 7239) and
`X-Forwarded-Host` never do: a proxy that sets the others passes these on as its client wrote them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from tornado.httpserver import _HTTPRequestContext
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: How many proxies a request may have passed; what is further to the left is not looked at.
MOST_HOPS = 32
#: The longest text that can be an address: IPv6 with brackets, zone and port.
LONGEST = 100
#: How many texts are remembered: the same clients come again and again.
REMEMBERED = 4096


class TrustedProxies:
    """The addresses and networks of `http.trusted_proxies`."""

    def __init__(self, written: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(each) for each in written]
        self._look_up = lru_cache(REMEMBERED)(self._looked_up)

    def trust(self, host: str) -> bool:
        """Return whether the other end of a connection is one of the proxies."""
        return bool(self._networks) and self._look_up(host)[1]

    def client(self, peer: str, forwarded_for: str) -> str:
        """Return the address that a request of a proxy comes from: the nearest that is no proxy.

        Each proxy adds the address of its own client at the end, so that whatever stands before the
        first one that is not trusted is that one's word. What is no address ends the search.
        """
        nearest = peer
        for written in reversed(forwarded_for.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
            address, trusted = self._look_up(written.strip()[: LONGEST + 1])
            if address is None:
                break
            nearest = address
            if not trusted:
                break
        return nearest

    def _looked_up(self, written: str) -> tuple[str | None, bool]:
        """Return the address in a text, None if there is none, and whether it is a proxy's."""
        address = address_of(written)
        if address is None:
            return None, False
        return str(address), any(address in network for network in self._networks)


class ClientContext(_HTTPRequestContext):
    """Where the requests of one connection come from, and by which protocol."""

    def __init__(self, stream: IOStream, address: tuple[str, int], proxies: TrustedProxies) -> None:
        super().__init__(stream, address, None)
        self._proxies = proxies
        self._from_proxy = proxies.trust(self.remote_ip)

    def begin_request(self, headers: HTTPHeaders) -> None:
        """Take the client and the protocol of the next request from its headers."""
        if not self._from_proxy:
            return
        forwarded_for = headers.get("X-Forwarded-For", "")
        self.remote_ip = self._proxies.client(self._orig_remote_ip, forwarded_for)
        protocol = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        self.protocol = protocol if protocol in ("http", "https") else self._orig_protocol


def address_of(written: str) -> Address | None:
    """Return the IP address in a text, which may have brackets, a zone and a port around it."""
    if len(written) > LONGEST:
        return None
    text = written.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address

"""Access rules: which hosts and origins are accepted. Knows headers, not handlers.

With an unknown `Host`, a foreign page reaches a local server by DNS rebinding; with a foreign
`Origin`, it makes a browser write there.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.config.sections import Http

#: How many values of `Host` are cached; most requests come with the same few.
CACHED_HOSTS = 128
#: A `Host` whose name and port are beyond doubt, for us and for whoever reads it after us.
_WELL_FORMED = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:[0-9]{0,5})?", re.ASCII)
DEFAULT_PORTS = {"http": "80", "https": "443"}


class AccessRules:
    """The rules of `http` in the configuration, prepared so that each check is cheap."""

    def __init__(self, http: Http) -> None:
        hosts = {"localhost", "127.0.0.1", "::1", http.host, *http.allowed_hosts}
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._any_address = http.host in {"0.0.0.0", "::"}
        self.knows_host = lru_cache(CACHED_HOSTS)(self._knows_host)  # asked by every request
        self.origins = frozenset(origin.lower() for origin in http.allowed_origins)

    def _knows_host(self, host: str) -> bool:
        """Return whether the `Host` of a request names this server; one without a port has any."""
        name = host_name(host)
        if host.lower() in self._hosts:
            return True
        if not _WELL_FORMED.fullmatch(host):
            return False
        if name in self._hosts:
            return True
        # A server that listens on every address has all those of the machine. DNS cannot rebind a
        # literal address.
        return self._any_address and _is_address(name)

    def knows_origin(self, origin: str, scheme: str, host: str) -> bool:
        """Return whether a page of this origin may write here: our own or an allowed one."""
        return self.is_own(origin, scheme, host) or self.shares_with(origin)

    def is_own(self, origin: str, scheme: str, host: str) -> bool:
        """Return whether a page of this origin is one of ours, asked by `scheme` for `host`."""
        return _is_own(origin.lower(), scheme, host.lower())

    def shares_with(self, origin: str) -> bool:
        """Return whether pages of this other origin may read our answers (CORS)."""
        return origin.lower() in self.origins


def host_name(host: str) -> str:
    """Return the name or address in a `Host` header, in lower case and without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_own(origin: str, asked_by: str, host: str) -> bool:
    scheme, _, address = origin.partition("://")
    # Who can answer in our place by plain HTTP must not write to us by HTTPS. The other way round,
    # an https page may be ours: a proxy that we are not told to trust can have taken off the TLS.
    if scheme not in DEFAULT_PORTS or (asked_by == "https" and scheme != "https"):
        return False
    port = ":" + DEFAULT_PORTS[scheme]
    return bool(address) and address.removesuffix(port) == host.removesuffix(port)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True

"""What stands between clients and the server: TLS, a prefix of all paths, reverse proxies."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from pathlib import Path

from server.config.rules import Rule, is_path, list_of, nullable, setting, text

#: One or more parts, none of which can be mistaken for `.` or `..`.
PREFIX = re.compile(r"(/[A-Za-z0-9_~@+-][A-Za-z0-9._~@+-]*)+", re.ASCII)
LONGEST_PREFIX = 200

FILE = nullable(text("the path of a file", is_path), "plain HTTP")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tls:
    """The certificate with which the server speaks HTTPS; both files or none."""

    certificate: Path | None = setting(
        None,
        FILE,
        "certificate and its intermediates in PEM, with which the port speaks HTTPS",
    )
    key: Path | None = setting(None, FILE, "private key of the certificate in PEM, not encrypted")

    @property
    def enabled(self) -> bool:
        """Whether the server speaks HTTPS."""
        return self.certificate is not None


def is_prefix(written: str) -> bool:
    """Tell whether paths of requests can begin with this; an empty one is none."""
    return not written or (len(written) <= LONGEST_PREFIX and bool(PREFIX.fullmatch(written)))


def is_network(written: str) -> bool:
    """Tell whether this is an IP address or a network such as 10.0.0.0/8."""
    try:
        ipaddress.ip_network(written)
    except ValueError:
        return False
    return "%" not in written


prefix_rule = text("empty, or a path such as /heliograph without a slash at its end", is_prefix)
prefix_rule = dataclasses.replace(prefix_rule, show=lambda prefix: prefix or "(empty)")
proxies_rule: Rule = list_of(text("IP addresses and networks such as 10.0.0.0/8", is_network))

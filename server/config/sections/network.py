"""How the server is reached: addresses, callers, connections, websockets."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import urlsplit

from server.config.rules import integer, list_of, nullable, number, path_of_a_file, setting, text
from server.config.sections.front import Tls, prefix_rule, proxies_rule
from server.config.sections.times import DAY_SECONDS

HOST_NAME = re.compile(r"[A-Za-z0-9._:%\[\]-]{1,255}", re.ASCII)
TOKEN = re.compile(r"[!-~]{16,1024}", re.ASCII)


def is_origin(written: str) -> bool:
    """Tell whether this is a web origin (RFC 6454): scheme, host, perhaps a port, nothing else."""
    try:
        parts = urlsplit(written)
        port = parts.port
    except ValueError:
        return False
    origin = f"{parts.scheme}://{parts.netloc}"
    plain = origin == written.lower() and "@" not in written and port != 0
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Http:
    """Where the server listens and whom it answers."""

    host: str = setting(
        "127.0.0.1",
        text("a host name or an IP address", HOST_NAME.fullmatch),
        "address to listen on; any but loopback needs a token",
    )
    port: int = setting(8642, integer(0, 65535), "port to listen on; 0 takes any free one")
    tls: Tls = dataclasses.field(default_factory=Tls)
    prefix: str = setting(
        "", prefix_rule, "what the paths of all requests begin with, as a proxy passes them on"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), proxies_rule, "proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        list_of(text("host names, with or without a port", HOST_NAME.fullmatch)),
        "further names that requests may give as their `Host`, such as that of a reverse proxy",
    )
    allowed_origins: tuple[str, ...] = setting(
        (),
        list_of(text("origins such as https://observatory.example", is_origin)),
        "web pages from elsewhere that may call this server",
    )
    tokens: tuple[str, ...] = setting(
        (),
        list_of(
            text("secrets of 16 to 1024 visible ASCII characters", TOKEN.fullmatch, secret=True)
        ),
        "secrets of admins; once there is any token, a request must give one",
    )
    tokens_file: Path | None = setting(
        None,
        nullable(path_of_a_file(), "no file"),
        "file with more such secrets, one a line, read again when it changes",
    )
    connections: int | None = setting(
        None,
        nullable(integer(1), "the limit of open files less 256"),
        "most connections at the same time; further ones are closed at once",
    )
    connections_per_address: int = setting(
        2_000,
        integer(1),
        "most connections at the same time from one address (behind a proxy, the forwarded one)",
    )
    header_seconds: float = setting(
        20.0, number(1, DAY_SECONDS), "time in which the headers of a request must come"
    )
    idle_seconds: float = setting(
        75.0, number(1, DAY_SECONDS), "time for which a connection may be silent; not a websocket"
    )
    body_seconds: float = setting(
        30.0, number(1, DAY_SECONDS), "time for which nothing of a request's body may come"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Websockets:
    """How long a websocket may stay silent or slow."""

    write_seconds: float = setting(
        10.0, number(0.1, 3600), "time in which a viewer must take a write, else it is closed"
    )
    ping_seconds: float = setting(10.0, number(0.1, 3600), "time between two pings")

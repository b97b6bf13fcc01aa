"""The sections of the configuration: every key with its default, its rule and its meaning.

`config` puts them together; the kinds of rules are in `rules`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from urllib.parse import urlsplit

from server.config.rules import choice, integer, list_of, nullable, number, setting, size, text

DAY_SECONDS = 86400
YEAR_SECONDS = 366 * DAY_SECONDS

HOST_NAME = re.compile(r"[A-Za-z0-9._:%\[\]-]{1,255}", re.ASCII)
TOKEN = re.compile(r"[!-~]{16,1024}", re.ASCII)
DATABASE = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)


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
        "address to listen on; any but loopback needs `http.tokens`",
    )
    port: int = setting(8642, integer(0, 65535), "port to listen on; 0 takes any free one")
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
        "secrets of which a request must give one, once there are any",
    )
    connections: int | None = setting(
        None,
        nullable(integer(1), "the limit of open files less 256"),
        "most connections at the same time; further ones are closed at once",
    )
    connections_per_address: int = setting(
        2_000, integer(1), "most connections at the same time from one address"
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
class MongoDB:
    """Which database keeps the records."""

    uri: str | None = setting(
        None,
        nullable(
            text(
                "a text that starts with mongodb:// or mongodb+srv://",
                lambda uri: uri.startswith(("mongodb://", "mongodb+srv://")),
                secret=True,
            ),
            "the embedded engine",
        ),
        "MongoDB to keep everything in; the embedded engine keeps it in the data folder",
    )
    database: str = setting(
        "heliograph",
        text("1 to 63 ASCII letters, digits, _ and -", DATABASE.fullmatch),
        "name of the database in MongoDB",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """Where the bytes of data products are stored."""

    url: str | None = setting(
        None,
        nullable(
            text(
                "an fsspec URL such as s3://bucket/folder, or an absolute path",
                lambda url: url.startswith("/") or re.match(r"[a-z0-9+.-]+:/", url),
                secret=True,
            ),
            "the folder `files` in the data folder",
        ),
        "storage of the files",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uploads:
    """What an upload may be."""

    limit_bytes: int = setting(2 * 1024**3, size(), "largest file that can be uploaded")
    limit_parts: int = setting(100, integer(1, 10_000), "most parts that one upload can have")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """How many pipelines run at once on this server."""

    workers: int | None = setting(
        None,
        nullable(integer(1, 10_000), "the number of cores"),
        "pipelines that run at the same time",
    )

    @property
    def slots(self) -> int:
        """Return the number configured, else one for each core that this process may use."""
        if self.workers is not None:
            return self.workers
        if hasattr(os, "sched_getaffinity"):  # not on macOS
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Queue:
    """How many processes may wait."""

    limit: int = setting(
        10_000, integer(1), "most processes that can wait; further submits get 503"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timelapse:
    """How the built-in timelapse renders its films."""

    format: str = setting("webm", choice("webm", "mp4", "gif"), "format of the film")
    fps: int = setting(10, integer(1, 60), "frames per second")
    size: int = setting(
        500, integer(16, 4096), "longer side of the film in pixels; nothing is enlarged"
    )
    crop_scale: float = setting(
        0.5,
        number(0, 1, above=True),
        "part of each side, around the centre, that is left by the flag `crop`",
    )
    stretch: str = setting(
        "asinh",
        choice("asinh", "zscale", "linear", "sqrt", "log"),
        "stretch of films for which no flag chooses one",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may use."""

    timeout_seconds: float | None = setting(
        float(DAY_SECONDS),
        nullable(number(0, YEAR_SECONDS, above=True), "no limit"),
        "seconds after which a run is stopped",
    )
    log_bytes: int = setting(1024**3, size(), "longest log of a process")
    address_space_bytes: int | None = setting(
        None, nullable(size(), "no limit"), "address space of a run's OS process"
    )
    cpu_seconds: int | None = setting(
        None, nullable(integer(1), "no limit"), "processor time of a run's OS process"
    )
    file_size_bytes: int | None = setting(
        None, nullable(size(), "no limit"), "largest file that a run can write"
    )
    open_files: int | None = setting(
        None, nullable(integer(16, 2**20), "the server's own limit"), "files open at the same time"
    )
    nice: int = setting(
        0, integer(0, 19), "how much a run yields to everything else on the machine"
    )
    log_level: str = setting(
        "info",
        choice("debug", "info", "warning", "error"),
        "the least level of a run's `logging` that is kept in its log",
    )
    import_seconds: float = setting(
        30.0, number(0.1, 3600), "seconds that importing a pipeline to describe it may take"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leases:
    """How servers on one database see that one of them is gone."""

    heartbeat_seconds: float = setting(
        5.0, number(0.05, 3600), "time between two heartbeats of a server"
    )
    lease_seconds: float = setting(
        20.0,
        number(0.1, DAY_SECONDS),
        "time without heartbeat until a run counts as lost; over twice the heartbeat's",
    )
    check_seconds: float = setting(2.0, number(0.05, 3600), "time between two looks for lost runs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Websockets:
    """How long a websocket may stay silent or slow."""

    write_seconds: float = setting(
        10.0, number(0.1, 3600), "time in which a viewer must take a write, else it is closed"
    )
    ping_seconds: float = setting(10.0, number(0.1, 3600), "time between two pings")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
    """What is kept to answer faster."""

    log_bytes: int = setting(64 * 1024**2, size(0), "memory for the logs read last")
    preview_bytes: int = setting(
        1024**3, size(0), "disk for pictures of data products; those unused for longest go first"
    )

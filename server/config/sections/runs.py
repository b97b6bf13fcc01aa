"""How pipelines run: how many, for how long, with what limits."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from server.config.compat import SETTINGS
from server.config.rules import (
    choice,
    computed,
    integer,
    list_of,
    nullable,
    number,
    setting,
    size,
    text,
)
from server.config.sections.times import DAY_SECONDS, YEAR_SECONDS

VARIABLE = re.compile(r"(?!HELIOGRAPH_)[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)


def is_name_for_runs(name: str) -> bool:
    """Tell whether a variable of this name can be given to runs."""
    return VARIABLE.fullmatch(name) is not None


def is_place(path: str) -> bool:
    """Tell whether a path leads to the same place from any working folder."""
    return path.startswith(("/", "~/"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """How many pipelines run at once on this server."""

    workers: int | None = setting(
        None,
        nullable(integer(1, 10_000), "the number of cores, or of threads of the Dask cluster"),
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


#: Where runs have their processes.
RUNNER = choice("local", "dask")
_CONTACT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]@]+)(:\d{1,5})?")
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]@]+):\d{1,5}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Security:
    """The files of TLS, in PEM: for the scheduler, and for the port where workers connect."""

    ca: str | None = setting(
        None,
        nullable(text("the path of a file", bool), "no TLS"),
        "certificate of the authority that has signed all certificates of the cluster",
    )
    certificate: str | None = setting(
        None,
        nullable(text("the path of a file", bool), "no TLS"),
        "certificate of this server, as a client of Dask and for its workers",
    )
    key: str | None = setting(
        None, nullable(text("the path of a file", bool), "no TLS"), "private key of that"
    )

    @property
    def given(self) -> bool:
        """Return whether TLS is used."""
        return None not in (self.ca, self.certificate, self.key)

    @property
    def partly_given(self) -> bool:
        """Return whether some files are named, but not all."""
        return not self.given and {self.ca, self.certificate, self.key} != {None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runner:
    """Where runs have their processes: on this machine, or on those of a Dask cluster."""

    type: str = setting("local", RUNNER, "where runs have their processes")
    address: str | None = setting(
        None,
        nullable(
            text("an address such as tcp://host:8786 or tls://host:8786", _ADDRESS.fullmatch),
            "none",
        ),
        "address of the Dask scheduler",
    )
    security: Security = dataclasses.field(default_factory=Security)
    listen_host: str = setting(
        "127.0.0.1",
        text("an address or a host name", bool),
        "address on which the server waits for the workers' connections",
    )
    listen_port: int = setting(0, integer(0, 65535), "port for these; 0 for any free one")
    contact: str | None = setting(
        None,
        nullable(
            text("host or host:port, an IPv6 address in brackets", _CONTACT.fullmatch),
            "runner.listen_host and the port",
        ),
        "where workers reach this server, if that is not where it listens",
    )
    cache_bytes: int = setting(
        10 * 1024**3, size(), "input files that each Dask worker keeps for later runs"
    )
    silence_seconds: float = setting(
        10.0,
        number(0.5, 3600),
        "time without a sign of life after which a worker ends its run; at most half the lease",
    )


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
    environment: tuple[str, ...] | None = setting(
        None,
        nullable(
            list_of(text("names of variables but those of Heliograph", is_name_for_runs)),
            "all of the server's but what looks like a secret",
        ),
        "variables of the server's environment that a run gets",
    )
    writable: tuple[str, ...] | None = setting(
        None,
        nullable(
            list_of(text("absolute paths, or paths that start with ~/", is_place)), "no confinement"
        ),
        "folders that a run may write to beside its own and the temporary one, where the kernel has"
        " Landlock; it then reads nothing of the data folder but its inputs",
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
class Compat:
    """What is kept for pipelines that were written for tom_education."""

    settings: Mapping[str, Any] = computed(
        dict, SETTINGS, "what pipelines of tom_education read as `runners.compat.settings`"
    )

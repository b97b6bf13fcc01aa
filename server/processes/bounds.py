"""The bounds of runs, of the configuration: environment, folders, and what is in force of them."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runners.confinement import landlock
from runners.confinement.confine import Confinement, InForce, holds
from runners.confinement.environment import of_runs, withheld
from runners.confinement.landlock import LandlockError
from runners.execution.registry import Bounds
from server.config import Config
from server.processes.receipt import Isolation

log = logging.getLogger(__name__)

UNSET = "limits.writable is not set"
UNKNOWN = "the run has not reported it"


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence about the isolation of runs; `wanting` if something that was set is not there."""

    sentence: str
    wanting: bool = False


def bounds_of(config: Config, pipeline: str, folder: Path | None = None) -> Bounds:
    """Return the bounds of a pipeline's runs; `folder` is that of one run, None to describe it."""
    limits = config.limits_of(pipeline)
    chosen = (config.limits.environment, limits.environment)
    return Bounds(
        compat=compat_settings(config),
        environment=None if chosen == (None, None) else of_runs(os.environ, limits.environment),
        confinement=None
        if limits.writable is None
        else Confinement(
            own=None if folder is None else str(folder),
            writable=list(limits.writable),
            hidden=hidden(config),
        ),
    )


def compat_settings(config: Config) -> dict[str, Any]:
    """Return what `runners.compat.settings` gives runs: of the configuration, nothing else."""
    timelapse = dataclasses.asdict(config.timelapse)
    return {"TOM_EDUCATION_TIMELAPSE_SETTINGS": timelapse, **config.compat.settings}


def hidden(config: Config) -> list[str]:
    """Return the real paths that no confined run may read: what is stored, and secrets."""
    paths = [config.data, *config.secret_files()]
    parts = urlsplit(config.storage_url)
    if parts.scheme in ("", "file") and parts.path.startswith("/"):
        paths.append(Path(parts.path))
    found = [os.path.realpath(path.expanduser()) for path in paths]
    return [path for path in dict.fromkeys(found) if not _is_in_another(path, found)]


def _is_in_another(path: str, paths: list[str]) -> bool:
    return any(path != each and holds(each, [path]) for each in paths)


def isolation_of(config: Config, pipeline: str, force: InForce | None) -> Isolation:
    """Return what a receipt says of a run's isolation; the run reports what is in force."""
    limits = config.limits_of(pipeline)
    reason = UNSET if limits.writable is None else UNKNOWN
    return Isolation(
        environment=None if limits.environment is None else list(limits.environment),
        withheld=withheld(os.environ) if limits.environment is None else [],
        writable=None if limits.writable is None else list(limits.writable),
        landlock=None if force is None else force.landlock,
        reason=reason if force is None else force.reason,
    )


def isolation_in_force(config: Config) -> list[Finding]:
    """Return what keeps runs within bounds here, and what does not, for `check`."""
    return [
        *_environment(config),
        *_confinement(config),
        *_privileges(),
    ]


def warn_of_missing_isolation(config: Config) -> None:
    """Log what was set but is not in force, once at the start."""
    for finding in isolation_in_force(config):
        if finding.wanting:
            log.warning("%s", finding.sentence, extra={"action": "isolation_wanting"})


def _environment(config: Config) -> Iterator[Finding]:
    if config.limits.environment is not None:
        names = ", ".join(config.limits.environment) or "nothing"
        yield Finding(f"Of the environment, runs get {names} (limits.environment)")
        return
    names = ", ".join(withheld(os.environ))
    yield Finding(
        f"Of this environment, runs get all but {names}"
        if names
        else "Of this environment, runs get everything: nothing in it looks like a secret"
    )


def _confinement(config: Config) -> Iterator[Finding]:
    set_for = [name for name in config.pipelines if config.limits_of(name).writable is not None]
    if config.limits.writable is None and not set_for:
        yield Finding(f"Runs may read and write what the server's user may: {UNSET}")
        return
    who = "Runs" if config.limits.writable is not None else f"Runs of {', '.join(set_for)}"
    try:
        version = landlock.version()
    except LandlockError as error:
        yield Finding(f"{who} are not confined although limits.writable is set: {error}", True)
        return
    yield Finding(f"{who} are confined by Landlock, version {version}")
    if version < landlock.SCOPES_ABI:
        yield Finding("They can send signals to other processes of the user (before Linux 6.12)")
    yield from _folders(config)


def _folders(config: Config) -> Iterator[Finding]:
    listed = [config.limits.writable or ()]
    listed += [config.limits_of(name).writable or () for name in config.pipelines]
    for folder in dict.fromkeys(each for folders in listed for each in folders):
        if not Path(folder).expanduser().exists():
            yield Finding(f"limits.writable: there is no folder {folder}", True)
    data = os.path.realpath(config.data)
    if config.folder is not None and os.path.realpath(config.folder) == data:
        yield Finding(
            "Pipelines cannot be imported from the folder of config.yml, as that is the data folder"
            " too, which confined runs do not read: choose another with --data",
            True,
        )
    elif config.folder is not None and holds(os.path.realpath(config.folder), [data]):
        yield Finding(
            "Confined runs can list the names of files in the data folder, as that is in the folder"
            " that they import from, the one of config.yml"
        )


def _privileges() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding(
            "The server runs as root, so runs do too: they can read its memory and environment",
        )

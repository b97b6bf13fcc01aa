"""The pipelines that this server knows: built in, installed by entry point, configured.

Each run imports its pipeline as it is then. What must be known before a run, such as flags and
suffixes, is read again when a file of a class has changed. A class that cannot be described has an
error, and its mistake is nobody else's: the others are described all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from runners.execution.pool import Pool
from runners.execution.registry import BUILT_IN, describe, installed_pipelines
from server.config import Config
from server.core.records import PipelineDescription
from server.processes.bounds import bounds_of

log = logging.getLogger(__name__)

#: Between two checks of the source files.
CHECK_SECONDS = 1.0
#: The most files that are watched for one pipeline.
MOST_WATCHED = 100
#: How many classes are described at once: each takes a process, and descriptors of the server.
AT_ONCE = 8

#: The modification time and size of each file, None for a missing one.
_Versions = dict[str, tuple[int, int] | None]


async def find_pipelines(config: Config, pool: Pool) -> dict[str, PipelineDescription]:
    """Describe all pipelines, by name. One that cannot be described has an error."""
    configured = {name: entry.path for name, entry in config.pipelines.items()}
    paths = BUILT_IN | installed_pipelines() | configured
    turns = asyncio.Semaphore(AT_ONCE)

    async def described(name: str, path: str) -> PipelineDescription:
        async with turns:
            return await _describe(config, pool, name, path)

    found = await asyncio.gather(*(described(*pair) for pair in paths.items()))
    for each in found:
        if each.error and each.name in configured:
            log.warning(
                "The pipeline %s cannot run: %s",
                each.name,
                each.error,
                extra={"action": "pipeline_broken", "pipeline": each.name},
            )
    return {each.name: each for each in found}


class PipelineWatch:
    """Keeps descriptions up to date while authors write; a broken class gets its error."""

    def __init__(
        self, config: Config, pool: Pool, pipelines: dict[str, PipelineDescription]
    ) -> None:
        self._config = config
        self._pool = pool
        self._pipelines = pipelines
        self._seen: _Versions = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch for changes from now on."""
        await self._find_changed()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            changed = await self._find_changed()
            for start in range(0, len(changed), AT_ONCE):
                batch = changed[start : start + AT_ONCE]
                await asyncio.gather(*(self._update_or_log(name) for name in batch))

    async def _update_or_log(self, name: str) -> None:
        try:
            await self._update(name)
        except Exception:
            log.exception(
                "The pipeline %s could not be described",
                name,
                extra={"action": "describing_failed", "pipeline": name},
            )

    async def _find_changed(self) -> list[str]:
        """Return the pipelines of which a file has changed since the last call."""
        built_in = set(BUILT_IN.values())
        files = {
            name: each.files for name, each in self._pipelines.items() if each.path not in built_in
        }
        every = {file for names in files.values() for file in names}
        versions = await asyncio.to_thread(_versions, every)
        before, self._seen = self._seen, versions
        changed = {file for file in before.keys() & every if before[file] != versions[file]}
        return [name for name in files if not changed.isdisjoint(files[name])]

    async def _update(self, name: str) -> None:
        known = self._pipelines[name]
        found = await _describe(self._config, self._pool, name, known.path)
        if found.error:
            log.warning(
                "The pipeline %s can no longer run: %s",
                name,
                found.error,
                extra={"action": "pipeline_broken", "pipeline": name},
            )
            # What it was made of is to be watched as well until it is repaired.
            files = list(dict.fromkeys([*found.files, *known.files]))[:MOST_WATCHED]
            found = msgspec.structs.replace(found, files=files)
        if found != known:
            log.info(
                "The pipeline %s has changed",
                name,
                extra={"action": "pipeline_changed", "pipeline": name},
            )
            self._pipelines[name] = found


async def _describe(config: Config, pool: Pool, name: str, path: str) -> PipelineDescription:
    folder = None if config.folder is None else str(config.folder)
    seconds = config.limits_of(name).import_seconds
    bounds = bounds_of(config, name)
    found = _description(name, path, await describe(pool, path, folder, seconds, bounds))
    if found.process_type != "timelapse":
        return found
    # A timelapse's identifier ends in the format of its film.
    return msgspec.structs.replace(found, extension=f".{config.timelapse.format}")


def _description(name: str, path: str, fields: dict[str, Any]) -> PipelineDescription:
    """Make a description of the fields that a child has sent, which may be anything."""
    try:
        return msgspec.convert({**fields, "name": name, "path": path}, PipelineDescription)
    except msgspec.ValidationError as error:
        return PipelineDescription(name=name, path=path, error=str(error))


def _versions(files: Iterable[str]) -> _Versions:
    """Return the versions of the files."""
    versions: _Versions = {}
    for file in files:
        versions[file] = None
        with contextlib.suppress(OSError, ValueError):
            found = Path(file).stat()
            versions[file] = (found.st_mtime_ns, found.st_size)
    return versions

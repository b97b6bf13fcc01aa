"""The pipelines that this server knows: built in, installed by entry point, configured.

Each run imports its pipeline as it is then. What must be known before a run, such as flags and
suffixes, is read again when the source file of a class has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any

import msgspec

from runners.execution.pool import Pool
from runners.execution.registry import BUILT_IN, describe, installed_pipelines
from server.config import Config
from server.core.errors import StartError
from server.core.records import PipelineDescription

log = logging.getLogger(__name__)

#: Between two checks of the source files.
CHECK_SECONDS = 1.0


async def find_pipelines(config: Config, pool: Pool) -> dict[str, PipelineDescription]:
    """Describe all pipelines, by name.

    Raises StartError, which names the key, when a configured one is bad.
    """
    configured = {name: entry.path for name, entry in config.pipelines.items()}
    paths = BUILT_IN | installed_pipelines() | configured
    found = await asyncio.gather(*(_describe(config, pool, *pair) for pair in paths.items()))
    bad = [each for each in found if each.error and each.name in configured]
    if bad:
        raise StartError(
            "\n".join(f"pipelines.{each.name}: {each.path}: {each.error}" for each in bad)
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
        self._seen: dict[str, tuple[int, int] | None] = {}
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
            for name in await self._find_changed():
                try:
                    await self._update(name)
                except Exception:
                    log.exception(
                        "The pipeline %s could not be described",
                        name,
                        extra={"action": "describing_failed", "pipeline": name},
                    )

    async def _find_changed(self) -> list[str]:
        """Return the pipelines whose source files changed since the last call."""
        sources = {
            name: each.source for name, each in self._pipelines.items() if name not in BUILT_IN
        }
        versions = await asyncio.to_thread(_versions, sources)
        before, self._seen = self._seen, versions
        return [name for name in versions if name in before and before[name] != versions[name]]

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
            # The file to watch until it is repaired.
            found = msgspec.structs.replace(found, source=known.source)
        if found != known:
            log.info(
                "The pipeline %s has changed",
                name,
                extra={"action": "pipeline_changed", "pipeline": name},
            )
            self._pipelines[name] = found


async def _describe(config: Config, pool: Pool, name: str, path: str) -> PipelineDescription:
    folder = None if config.folder is None else str(config.folder)
    found = _description(name, path, await describe(pool, path, folder))
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


def _versions(sources: dict[str, str | None]) -> dict[str, tuple[int, int] | None]:
    """Return the modification time and size of each file, None for a missing one."""
    versions: dict[str, tuple[int, int] | None] = {}
    for name, source in sources.items():
        versions[name] = None
        with contextlib.suppress(OSError):
            found = Path(source or "").stat()
            versions[name] = (found.st_mtime_ns, found.st_size)
    return versions

"""The pipelines that this server knows: built in, installed by entry point, configured."""

from __future__ import annotations

import asyncio

import msgspec

from runners.pool import Pool
from runners.registry import BUILT_IN, describe, installed_pipelines
from server.config import Config
from server.errors import StartError
from server.records import PipelineDescription


async def find_pipelines(config: Config, pool: Pool) -> dict[str, PipelineDescription]:
    """All pipelines by name. Raises StartError, naming the key, for a bad configured one."""
    folder = None if config.folder is None else str(config.folder)
    configured = {name: entry.path for name, entry in config.pipelines.items()}
    paths = BUILT_IN | installed_pipelines() | configured
    found = await asyncio.gather(
        *(describe(pool, name, path, folder) for name, path in paths.items())
    )
    bad = [each for each in found if each.error and each.name in configured]
    if bad:
        raise StartError(
            "\n".join(f"pipelines.{each.name}: {each.path}: {each.error}" for each in bad)
        )
    return {each.name: _named(each, config) for each in found}


def _named(description: PipelineDescription, config: Config) -> PipelineDescription:
    """A timelapse's identifier ends in the format of its film."""
    if description.process_type != "timelapse":
        return description
    return msgspec.structs.replace(description, extension=f".{config.timelapse.format}")

"""Runs of scripts: a server whose pipelines execute the script that a process's target holds."""

from __future__ import annotations

import asyncio
import contextlib
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from server.config import Config, PipelineEntry
from tests.integration.conftest import FAULTS, Client, make_config

ATTEMPT = re.compile(r"Attempt \d+ begins$")


def scripted_config(data: Path, limits: dict[str, dict[str, Any]] | None = None) -> Config:
    """Make a configuration with the pipeline `Scripted`, and one more for each set of limits."""
    entries = {
        name: PipelineEntry(path="scripted.Scripted", limits=given)
        for name, given in {"Scripted": {}, **(limits or {})}.items()
    }
    return replace(make_config(data), pipelines=entries)


@dataclass(frozen=True)
class Scripts:
    """Submits scripts and reports what became of them."""

    client: Client

    async def submit(self, script: str, pipeline: str = "Scripted", **flags: bool) -> int:
        """Submit a script; return the PK of its process."""
        fields = {"extra_fields": {"script": textwrap.dedent(script)}}
        target = await self.client.make_target("Script", **fields)
        products = await self.client.upload(target, ("input.fits", b"x"))
        return int((await self.client.submit(pipeline, target, products, **flags))["pk"])

    async def run(self, script: str, pipeline: str = "Scripted") -> dict[str, Any]:
        """Run a script to its end; return its record."""
        return await self.client.ended(await self.submit(script, pipeline))

    async def texts(self, pk: int) -> list[str]:
        """Return the texts of its log, without the first ones if a fault lost a claim."""
        said = [entry[3] for entry in await self.client.lines(pk)]
        while FAULTS is not None and said and ATTEMPT.match(said[0]):
            del said[0]
        return said

    async def said(self, pk: int, word: str) -> str:
        """Wait for a log line that begins with this word; return the rest of it."""
        async with asyncio.timeout(20):
            while True:
                for text in await self.texts(pk):
                    if text.startswith(f"{word} "):
                        return text.removeprefix(f"{word} ")
                await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Return whether an OS process exists and is not a zombie."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)

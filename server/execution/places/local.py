"""Runs on this machine: children of the pool's template."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runners.execution import worker
from runners.execution.pool import Pool, Run
from runners.pipeline.inputs import InputData, InputProduct
from runners.pipeline.own_copies import InputSource
from runners.supervision import oom_kills, termination
from runners.supervision.input_changes import examine_inputs
from runners.supervision.live_preview import read_frame, read_picture
from runners.supervision.resource_usage import Usage
from server.archive.outputs import OutputFile
from server.core.records import DataProduct
from server.execution.places.place import PipeReader, SentOutput

INPUTS = "inputs"


class LocalRun:
    """A run on this machine; `kills` is how often memory had been short when it began."""

    lost: str | None = None

    def __init__(self, run: Run, folder: Path, kills: int) -> None:
        self._run = run
        self._folder = folder
        self._kills = kills

    @property
    def readers(self) -> Mapping[str, PipeReader]:
        """The pipes `messages`, `out` and `err`."""
        return self._run.readers

    @property
    def orphaned(self) -> bool:
        """Whether the template ended, and the run with it."""
        return self._run.orphaned

    @property
    def facts(self) -> Mapping[str, Any]:
        """Nothing: the server's own machine is no news."""
        return {}

    async def wait(self) -> int:
        """Wait for the child's end and return its exit code, negative for a signal."""
        return await self._run.wait()

    def was_out_of_memory(self, code: int) -> bool:
        """Return whether the kernel killed processes for lack of memory while the run lasted."""
        return oom_kills.count() > self._kills if code == -9 else False

    async def measure(self, usage: Usage) -> None:
        """Keep the usage up to date, until cancelled."""
        await usage.measure(self._run.pid)

    async def sample(self, usage: Usage) -> None:
        """Take the last sample before the run is ended."""
        usage.sample(self._run.pid)

    async def terminate(self) -> None:
        """End the run by the ladder: ask, SIGTERM, SIGKILL."""
        await termination.terminate(self._run)

    async def kill(self) -> None:
        """Kill what is left of the run's process group, and verify that nothing is."""
        await termination.kill(self._run)

    def close(self) -> None:
        """Close the pipes."""
        self._run.close()

    async def picture(self, frame: int | None = None) -> bytes | None:
        """Return the picture that the run shows of its work, or a frame of its film, if any."""
        if frame is None:
            return await asyncio.to_thread(read_picture, self._folder)
        return await asyncio.to_thread(read_frame, self._folder, frame)

    async def escaped(
        self, usage: Usage, parent: int | None, pk: int, identifier: str
    ) -> dict[int, str]:
        """Return the PIDs and names of processes that outlive the run that started them."""
        return await usage.escaped(parent, pk, identifier)

    async def examine_inputs(
        self, inputs: Sequence[DataProduct]
    ) -> tuple[list[tuple[str, str]], set[int]]:
        """Return what the run did to its copies, by name, and the PKs of the verified inputs."""
        folder = self._folder / INPUTS
        copies = [input_of(product, folder) for product in inputs]
        return await asyncio.to_thread(examine_inputs, copies, folder)

    async def fetch(
        self, outputs: Sequence[SentOutput], within: Sequence[str] | None
    ) -> list[OutputFile]:
        """Return the outputs where they are."""
        return [each.stored_at(Path(each.path), within) for each in outputs]

    async def release(self) -> None:
        """Do nothing: the attempt's folder is the server's to remove."""


class LocalPlace:
    """The pool of this server."""

    sends_inputs = False

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def slots(self) -> int:
        """Return how many runs can go on here at the same time."""
        return self._pool.workers

    def problem(self, pipeline: str) -> str | None:
        """Return None: a start that fails is tried again."""
        return None

    async def launch(
        self,
        pipeline: str,
        spec: worker.RunSpec,
        products: Sequence[DataProduct],
        folder: Path,
        stopped: asyncio.Event,
    ) -> LocalRun:
        """Start a child."""
        kills = oom_kills.count()
        run = await self._pool.launch(worker.run, msgspec.json.encode(spec))
        return LocalRun(run, folder, kills)


def input_of(product: DataProduct, folder: Path, stored: Path | None = None) -> InputProduct:
    """Return an input: where its stored file is, and the run's own copy of it in this folder."""
    copy = str(folder / str(product.pk))
    source = InputSource(str(stored or ""), copy, product.size, product.sha256)
    return InputProduct(
        product.pk, product.name, InputData(source, product.name), product.data_product_type
    )

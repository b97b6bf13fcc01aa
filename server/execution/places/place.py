"""What a place of runs promises, wherever it is: the two protocols of `local` and `dask`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from runners.execution.worker import RunSpec
from runners.supervision.resource_usage import Usage
from server.archive.outputs import OutputFile
from server.core.errors import HeliographError
from server.core.records import DataProduct


class PlaceAway(HeliographError):
    """A place takes no runs at this moment; the sentence says why."""


class RunLost(HeliographError):
    """A run cannot be reached any more, and is not running any more either."""


class Stopped(Exception):
    """A start was given up, as the attempt is to be stopped."""


class PipeReader(Protocol):
    """The end of a run's pipe that is read."""

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end."""

    def read_present(self, limit: int) -> bytes:
        """Return what is there now, at most `limit` bytes."""

    def present_bytes(self) -> int:
        """Return how many bytes are there now."""


class SentOutput(NamedTuple):
    """An output as the run sends it: where it is, what it is called, its types."""

    path: str
    name: str
    output_type: str
    main: bool = False
    data_product_type: str = ""

    def stored_at(self, path: Path, within: Sequence[str] | None = None) -> OutputFile:
        """Return the output as a file at a path of this machine."""
        kind = self.data_product_type
        return OutputFile(path, self.name, self.output_type, within, self.main, kind)


class PlacedRun(Protocol):
    """A started run. All of it has ended once `kill` has returned."""

    @property
    def readers(self) -> Mapping[str, PipeReader]:
        """The pipes `messages`, `out` and `err`."""

    @property
    def orphaned(self) -> bool:
        """Whether the process that starts the runs ended, and the run with it."""

    @property
    def lost(self) -> str | None:
        """Why the run cannot be reached any more, in a sentence, None while it can."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the receipt says of the machine that it runs on; empty for this one."""

    async def wait(self) -> int:
        """Wait for the child's end and return its exit code, negative for a signal."""

    def was_out_of_memory(self, code: int) -> bool:
        """Return whether the kernel killed processes for lack of memory while the run lasted."""

    async def measure(self, usage: Usage) -> None:
        """Keep the usage up to date, until cancelled."""

    async def sample(self, usage: Usage) -> None:
        """Take the last sample before the run is ended."""

    async def terminate(self) -> None:
        """End the run by the ladder: ask, SIGTERM, SIGKILL."""

    async def kill(self) -> None:
        """Kill what is left of the run's process group, and verify that nothing is."""

    def close(self) -> None:
        """Close the pipes."""

    async def picture(self, frame: int | None = None) -> bytes | None:
        """Return the picture that the run shows of its work, or a frame of its film, if any."""

    async def escaped(
        self, usage: Usage, parent: int | None, pk: int, identifier: str
    ) -> dict[int, str]:
        """Return the PIDs and names of processes that outlive the run that started them."""

    async def examine_inputs(
        self, inputs: Sequence[DataProduct]
    ) -> tuple[list[tuple[str, str]], set[int]]:
        """Return what the run did to its copies, by name, and the PKs of the verified inputs."""

    async def fetch(
        self, outputs: Sequence[SentOutput], within: Sequence[str] | None
    ) -> list[OutputFile]:
        """Return the outputs as files of this machine.

        They must be in one of the folders `within`, unless that is None.

        :raises RunLost: the machine that has them cannot be reached any more.
        :raises ValueError: there is no such file any more.
        """

    async def release(self) -> None:
        """Give up what the place still holds of the run."""


class Place(Protocol):
    """Where runs are started."""

    #: whether inputs are sent, so that their stored files need not be at hand
    sends_inputs: bool

    def slots(self) -> int:
        """Return how many runs this server can have there at the same time, 0 while it is away."""

    def problem(self, pipeline: str) -> str | None:
        """Return why no run of a pipeline can be started there now, in a clause, or None."""

    async def launch(
        self,
        pipeline: str,
        spec: RunSpec,
        products: Sequence[DataProduct],
        folder: Path,
        stopped: asyncio.Event,
    ) -> PlacedRun:
        """Start a run; `folder` is the attempt's on this machine.

        :raises PlaceAway: the place takes no runs now.
        :raises Stopped: `stopped` was set first.
        """

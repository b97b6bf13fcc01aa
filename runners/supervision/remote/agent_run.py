"""One run on a worker's machine: its process, and all that is said about it to the server.

The process is started by the same pool, and ended by the same ladder, as on the server's machine.
When the connection ends, in whatever way, so does the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from runners.confinement.confine import Confinement
from runners.confinement.environment import of_runs
from runners.confinement.wording import in_words
from runners.execution import worker
from runners.execution.pipes import Reader
from runners.execution.pool import Pool, Run
from runners.pipeline.inputs import InputData, InputProduct
from runners.pipeline.own_copies import InputSource
from runners.supervision import oom_kills, termination
from runners.supervision.input_changes import examine_inputs
from runners.supervision.live_preview import read_frame, read_picture
from runners.supervision.remote.file_transfer import send_file
from runners.supervision.remote.input_cache import Damaged, InputCache
from runners.supervision.remote.wire import (
    FIRST_FILE,
    MESSAGES,
    PIPES,
    SIGNS,
    WINDOW_BYTES,
    Wire,
    WireBroken,
    decoded,
)
from runners.supervision.resource_usage import SAMPLE_SECONDS, Usage


class _InputMissing(Exception):
    """The server could not send an input, and knows why."""


class _InputDamaged(Exception):
    """An input is not what its record says; the PK is that of its data product."""

    def __init__(self, pk: int) -> None:
        super().__init__(pk)
        self.pk = pk


class _Window:
    """How much of a pipe the server has room for."""

    def __init__(self) -> None:
        self._left_bytes = WINDOW_BYTES
        self._open = asyncio.Event()
        self._open.set()

    async def wait(self) -> None:
        """Wait until there is any room."""
        await self._open.wait()

    def take(self, count: int) -> None:
        """Use room; the last piece may be larger than what is left."""
        self._left_bytes -= count
        if self._left_bytes <= 0:
            self._open.clear()

    def give(self, count: int) -> None:
        """Take note of new room."""
        self._left_bytes += count
        if self._left_bytes > 0:
            self._open.set()


class AgentRun:
    """A run, from the server's order to the server's goodbye or the end of the connection."""

    def __init__(
        self, wire: Wire, pool: Pool, cache: InputCache, folder: Path, cache_bytes: int
    ) -> None:
        self._wire = wire
        self._pool = pool
        self._cache = cache
        self._cache_bytes = cache_bytes
        self._folder = folder
        self._run: Run | None = None
        self._usage = Usage()
        self._windows = {name: _Window() for name in PIPES}
        self._unended = set(PIPES)
        self._kill_ordered = asyncio.Event()
        self._channels = itertools.count(FIRST_FILE)
        #: by channel: what takes the pieces of an input, and what its end is told to
        self._inputs: dict[int, tuple[Callable[[bytes], None], asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def carry_out(self) -> None:
        """Run what the server orders; nothing of it is left when this returns."""
        order = await self._wire.receive_message()
        if order["kind"] != "run":
            return
        spec = msgspec.convert(order["spec"], worker.RunSpec)
        if order["environment"] is not None:
            given = of_runs(os.environ, order["environment"])
            spec = msgspec.structs.replace(spec, environment=given)
        silence_seconds = float(order["silence_seconds"])
        receiving = asyncio.create_task(self._receive())
        self._begin(self._wire.keep_alive(silence_seconds))
        self._begin(self._supervise(spec, silence_seconds))
        try:
            await receiving
        finally:
            await self._clear()

    async def _clear(self) -> None:
        """Kill what is left of the run, and remove its folder."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._run is not None:
            await termination.kill(self._run)
            self._run.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _begin(self, work: Any) -> None:
        """Do this beside the rest; any failure of it ends the connection, and so the run."""

        async def guarded() -> None:
            try:
                await work
            except WireBroken:
                self._wire.abort()
            except Exception:
                self._wire.abort()
                raise

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)  # a long run is asked for many pictures

    # What the server says

    async def _receive(self) -> None:
        """Do what the server says until it says goodbye. Raise WireBroken."""
        while True:
            channel, data = await self._wire.receive()
            if channel != MESSAGES:
                self._take_input(channel, data)
                continue
            message = decoded(data)
            if message["kind"] == "bye":
                return
            self._heed(message)

    def _heed(self, message: dict[str, Any]) -> None:
        match message:
            case {"kind": "room", "pipe": str(name), "bytes": int(count)}:
                self._windows[name].give(count)
            case {"kind": "sent", "channel": int(channel), "problem": problem}:
                self._end_input(channel, problem)
            case {"kind": "terminate"} if self._run is not None:
                self._begin(self._terminate(self._run))
            case {"kind": "kill"}:
                self._begin(self._kill())
            case {"kind": "get", "path": str(path), "channel": int(channel), "within": within}:
                self._begin(send_file(self._wire, channel, Path(path), follow=True, within=within))
            case {"kind": "picture", "channel": int(channel)}:
                self._begin(self._send_picture(channel, read_picture))
            case {"kind": "frame", "number": int(number), "channel": int(channel)}:
                self._begin(self._send_picture(channel, partial(read_frame, number=number)))

    async def _terminate(self, run: Run) -> None:
        await self._sample(run)
        await termination.terminate(run)

    async def _kill(self) -> None:
        if self._run is not None and not self._run.ended:
            await self._sample(self._run)
            await termination.kill(self._run)
        self._kill_ordered.set()

    async def _send_picture(self, channel: int, read: Callable[[Path], bytes | None]) -> None:
        picture = await asyncio.to_thread(read, self._folder)
        if picture is not None:
            await self._wire.send_data(channel, picture)
        await self._wire.send("sent", channel=channel, problem=None)

    # Inputs

    async def _with_inputs(
        self, spec: worker.RunSpec, stack: contextlib.AsyncExitStack
    ) -> worker.RunSpec:
        """Return the specification with files and folders of this machine."""
        for name in ("work", "inputs"):
            (self._folder / name).mkdir(parents=True, mode=0o700)
        return msgspec.structs.replace(
            spec,
            inputs=[await self._input(each, stack) for each in spec.inputs],
            folder=str(self._folder / "work"),
            confinement=self._confined(spec.confinement),
        )

    def _confined(self, confinement: Confinement | None) -> Confinement | None:
        """Return what a run is confined to, with folders of this machine."""
        if confinement is None:
            return None
        # The inputs of all runs and the folders of the others are in the agent's folder.
        hidden = [*confinement.hidden, os.path.realpath(self._folder.parent.parent)]
        return msgspec.structs.replace(confinement, own=str(self._folder), hidden=hidden)

    async def _input(self, product: InputProduct, stack: contextlib.AsyncExitStack) -> InputProduct:
        source = product.data.source
        sha256, size = source.sha256 or "", source.size or 0

        async def fetch(take: Callable[[bytes], None]) -> None:
            await self._fetch(product.pk, take)

        held = self._cache.held(sha256, size, self._cache_bytes, fetch)
        try:
            path = await stack.enter_async_context(held)
        except Damaged as error:
            raise _InputDamaged(product.pk) from error
        copy = str(self._folder / "inputs" / str(product.pk))
        here = InputSource(str(path), copy, source.size, source.sha256)
        return InputProduct(
            product.pk, product.name, InputData(here, product.name), product.data_product_type
        )

    async def _fetch(self, pk: int, take: Callable[[bytes], None]) -> None:
        channel = next(self._channels)
        ended = asyncio.get_running_loop().create_future()
        self._inputs[channel] = (take, ended)
        try:
            await self._wire.send("need", input=pk, channel=channel)
            await ended
        finally:
            del self._inputs[channel]

    def _take_input(self, channel: int, data: bytes) -> None:
        if (found := self._inputs.get(channel)) is None:
            return
        take, ended = found
        try:
            take(data)
        except OSError as error:
            if not ended.done():
                ended.set_exception(error)

    def _end_input(self, channel: int, problem: object) -> None:
        found = self._inputs.get(channel)
        if found is None or found[1].done():
            return
        if problem is None:
            found[1].set_result(None)
        else:
            found[1].set_exception(_InputMissing())

    # The run

    async def _supervise(self, spec: worker.RunSpec, silence_seconds: float) -> None:
        async with contextlib.AsyncExitStack() as stack:
            kills = oom_kills.count()
            run = await self._launch(spec, silence_seconds, stack)
            if run is None:
                return
            await self._wire.send("started", pid=run.pid)
            watchers = [asyncio.create_task(self._measure(run, silence_seconds))]
            for name, reader in run.readers.items():
                watchers.append(asyncio.create_task(self._forward(name, reader)))
            try:
                code = await run.wait()
                killed = code == -9 and oom_kills.count() > kills
                await self._wire.send("ended", code=code, orphaned=run.orphaned, oom_kills=killed)
                await self._kill_ordered.wait()
                # What the child left behind in its group would keep its pipes open.
                await termination.kill(run)
            finally:
                for task in watchers:
                    task.cancel()
                await asyncio.wait(watchers)
            await self._drain(run)
            await self._report(spec)
            await asyncio.Event().wait()  # the inputs are held until the server says goodbye

    async def _launch(
        self, spec: worker.RunSpec, silence_seconds: float, stack: contextlib.AsyncExitStack
    ) -> Run | None:
        """Start the child; tell the server if that fails."""
        try:
            here = await self._with_inputs(spec, stack)
            here = msgspec.structs.replace(here, silence_seconds=silence_seconds)
            run = await self._pool.launch(worker.run, msgspec.json.encode(here))
        except _InputMissing:
            await self._wire.send("failed", reason="an input is missing")
        except _InputDamaged as error:
            await self._wire.send("failed", reason="an input is damaged", damaged=error.pk)
        except (EOFError, ConnectionError):
            reason = "the process that starts the runs on the worker's machine has ended"
            await self._wire.send("failed", reason=reason)
        except OSError as error:
            reason = f"the worker's machine reports: {in_words(error)}"
            await self._wire.send("failed", reason=reason)
        else:
            self._run = run
            return run
        return None

    async def _measure(self, run: Run, silence_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        alive = 0.0
        while True:
            if loop.time() - alive >= silence_seconds / SIGNS:
                alive = loop.time()
                run.keep_alive()
            await asyncio.sleep(min(SAMPLE_SECONDS, silence_seconds / SIGNS))
            await self._sample(run)

    async def _sample(self, run: Run) -> None:
        # There may be hundreds of processes, each of which takes three files to read.
        await asyncio.to_thread(self._usage.sample, run.pid)
        with contextlib.suppress(WireBroken):
            await self._wire.send("usage", cpu=self._usage.cpu_seconds, rss=self._peak)

    @property
    def _peak(self) -> int | None:
        return self._usage.peak_rss_bytes

    async def _forward(self, name: str, reader: Reader) -> None:
        """Send a pipe on to its end, leaving in it what the server has no room for."""
        with contextlib.suppress(WireBroken):
            while True:
                await self._windows[name].wait()
                data = await reader.read()
                # Nothing may interrupt between taking from the pipe and writing.
                self._windows[name].take(len(data))
                if not data:
                    self._unended.discard(name)
                await self._wire.send_data(PIPES[name], data)
                if not data:
                    return

    async def _drain(self, run: Run) -> None:
        """Send what is in the pipes now; who left the run's group may write to them for ever."""
        for name, reader in run.readers.items():
            left = reader.present_bytes() if name in self._unended else 0
            while left > 0:
                await self._windows[name].wait()
                if not (data := reader.read_present(left)):
                    break
                left -= len(data)
                self._windows[name].take(len(data))
                await self._wire.send_data(PIPES[name], data)
            if name in self._unended:
                await self._wire.send_data(PIPES[name], b"")

    async def _report(self, spec: worker.RunSpec) -> None:
        escaped = await self._usage.escaped(self._pool.template_pid, spec.pk, spec.identifier)
        folder = self._folder / "inputs"
        copies = [_copy(each, folder) for each in spec.inputs]
        changes, _ = await asyncio.to_thread(examine_inputs, copies, folder)
        await self._wire.send(
            "over",
            cpu=self._usage.cpu_seconds,
            rss=self._peak,
            escaped=list(escaped.items()),
            changes=changes,
        )


def _copy(product: InputProduct, folder: Path) -> InputProduct:
    """Return an input with the place of the run's own copy."""
    source = product.data.source
    here = InputSource("", str(folder / str(product.pk)), source.size, source.sha256)
    return InputProduct(
        product.pk, product.name, InputData(here, product.name), product.data_product_type
    )

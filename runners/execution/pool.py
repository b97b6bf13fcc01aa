"""The in-process executor pool: starts each run as a fresh child of a warm template process.

It knows OS processes, pipes and signals; what the messages mean is left to its callers, and what
the child does with them to `runners.execution.worker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import multiprocessing
import os
import signal
import sys
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from runners.execution import worker

#: Imported once by the template, so that no run pays for them. Never an author's module.
WARM_MODULES = [
    "runners.execution.template",
    "runners.execution.worker",
    "numpy",
    "astropy.io.fits",
    "astropy.visualization",
]
PIPE_BYTES = 262_144
READ_BYTES = 131_072
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class TemplateLost(Exception):
    """The process that starts the runs is gone, and with it all runs."""


class Run:
    """A started child: its pipes to read, its end to wait for, its group to signal."""

    def __init__(self, process: ForkServerProcess, readers: dict[str, Reader], control: int):
        self._process = process
        self._control = control
        self.readers = readers
        self.pid: int = process.pid or 0
        self._gone = False
        #: nobody was left to tell how the child ended
        self.orphaned = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._on_end)

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self.orphaned = _present_bytes(self._process.sentinel) == 0
        self._process.join()
        code = self._process.exitcode
        if not self._ended.done():
            self._ended.set_result(255 if code is None else code)

    async def wait(self) -> int:
        """The exit code, once the child has ended; negative for the signal that killed it."""
        return await asyncio.shield(self._ended)

    @property
    def ended(self) -> bool:
        """Whether the child has ended."""
        return self._ended.done()

    def ask(self) -> None:
        """Ask the pipeline to stop where it is safe."""
        with contextlib.suppress(OSError):
            os.write(self._control, worker.CANCEL)

    def signal_group(self, number: signal.Signals) -> bool:
        """Send a signal to the child and all in its group; False when nobody is left."""
        if self._gone:  # its number may be another group's by now
            return False
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            self._gone = self.ended
            # Between fork and setsid there is no such group yet, only the child.
            return self._signal_child(number)
        except PermissionError:  # macOS says so of a group of zombies
            return False
        return True

    def kill(self) -> None:
        """Kill the child and its group at once."""
        self.signal_group(signal.SIGKILL)

    def _signal_child(self, number: signal.Signals) -> bool:
        if self.ended:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def close(self) -> None:
        """Give back the descriptors."""
        for reader in self.readers.values():
            reader.close()
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
        if not self._ended.done():
            asyncio.get_running_loop().remove_reader(self._process.sentinel)
        with contextlib.suppress(ValueError):
            self._process.close()


class Reader:
    """The server's end of a pipe. What nobody reads stays in the pipe and holds the writer back."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """The next bytes, at most `READ_BYTES`; empty at the end."""
        while True:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                await self._readable()

    def read_present(self, limit: int) -> bytes:
        """At most so many bytes of those that are in the pipe."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._descriptor, min(limit, READ_BYTES))
        return b""

    def present_bytes(self) -> int:
        """How many bytes are in the pipe."""
        return _present_bytes(self._descriptor)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._descriptor, wake)
        try:
            await ready
        finally:
            if self._descriptor >= 0:
                loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Close the pipe."""
        if self._descriptor >= 0:
            # Its number may soon be another's, which would not be watched then.
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def _present_bytes(descriptor: int) -> int:
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


@dataclass
class _Pipe:
    """The two ends of a pipe, as long as they are ours."""

    ours: int
    theirs: Connection

    @classmethod
    def reading(cls) -> _Pipe:
        ours, theirs = os.pipe()
        if _SET_PIPE_SIZE is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(ours, _SET_PIPE_SIZE, PIPE_BYTES)
        return cls(ours, Connection(theirs, readable=False))

    @classmethod
    def writing(cls) -> _Pipe:
        theirs, ours = os.pipe()
        return cls(ours, Connection(theirs, writable=False))


class Pool:
    """Starts runs. `workers` is how many there may be at once; the dispatcher keeps to it."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._context = multiprocessing.get_context("forkserver")
        # Starting a process blocks, and the template's own start is not safe from two threads.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")

    async def start(self) -> None:
        """Start the template and wait until it is warm."""
        self._context.set_forkserver_preload(WARM_MODULES)
        run = await self.launch(_nothing)
        try:
            await run.wait()
        finally:
            run.close()

    async def launch(self, entry: Callable[..., None], *arguments: Any) -> Run:
        """Start a child that calls `entry(*arguments, messages, out, err, control)`."""
        pipes = {name: _Pipe.reading() for name in ("messages", "out", "err")}
        control = _Pipe.writing()
        ends = [pipe.theirs for pipe in (*pipes.values(), control)]
        process = self._context.Process(target=entry, args=(*arguments, *ends), daemon=False)
        starting = asyncio.get_running_loop().run_in_executor(self._starter, process.start)
        try:
            await asyncio.shield(starting)
        except BaseException:
            # It is not to be disturbed, but what comes of it is not wanted any more.
            await asyncio.wait([starting])
            if not starting.cancelled() and starting.exception() is None:
                process.kill()
            for pipe in (*pipes.values(), control):
                os.close(pipe.ours)
            raise
        finally:
            for end in ends:
                end.close()
        readers = {name: Reader(pipe.ours) for name, pipe in pipes.items()}
        return Run(process, readers, control.ours)

    def close(self) -> None:
        """Take no more work. The template ends by itself when the server does."""
        self._starter.shutdown(wait=False, cancel_futures=True)


def _nothing(*ends: Connection) -> None:
    """What the first child does: its start warms the template."""

"""The agent on a worker's machine: the parent of all runs that one Dask worker has taken.

It is an OS process of its own, which warms up once and ends with the worker, and so end its runs.
By its standard input come tickets, one JSON object a line; for each, when nothing of its run is
left, a line goes to its standard output. All else is said to the servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import secrets
import shutil
import socket
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from runners.confinement import memory
from runners.confinement.environment import withheld
from runners.execution.pool import Pool, WarmUpFailed
from runners.supervision.remote.agent_run import AgentRun
from runners.supervision.remote.authentication import Ticket, introduce, tls_of
from runners.supervision.remote.input_cache import InputCache
from runners.supervision.remote.wire import Wire, WireBroken

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
#: How often it is checked that the worker is still there, beside the end of standard input.
PARENT_SECONDS = 1.0
#: How long the runs may take to be killed when the worker has ended.
END_SECONDS = 5.0
#: What runs must not find in their environment: it may hold secrets of a server.
PREFIX = "HELIOGRAPH_"


class Order(msgspec.Struct, frozen=True):
    """A line of standard input."""

    number: int
    ticket: Ticket


class Agent:
    """The runs of a worker, each with the connection to its server."""

    def __init__(self, folder: Path, answers: int) -> None:
        self._folder = folder
        # An agent that was killed has left the folders of its runs.
        shutil.rmtree(folder / "runs", ignore_errors=True)
        self._answers = answers
        self._cache = InputCache(folder / "inputs")
        self._pool = Pool(0)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take tickets until the worker has ended."""
        parent = os.getppid()
        await self._pool.start()
        lines = await _standard_input()
        gone = asyncio.create_task(_wait_for_end(parent))
        reading = asyncio.create_task(self._take_orders(lines))
        await asyncio.wait({gone, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)

    async def _take_orders(self, lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            order = msgspec.json.decode(line, type=Order)
            self._answer(number=order.number, taken=True)
            task = asyncio.create_task(self._carry_out(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, order: Order) -> None:
        problem = None
        try:
            await self._serve(order.ticket)
        except (WireBroken, OSError, TimeoutError) as error:
            problem = f"{type(error).__name__}: {error}"
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            log.exception("A run broke off", extra={"action": "remote_run_broke_off"})
        self._answer(number=order.number, problem=problem)

    def _answer(self, **fields: Any) -> None:
        os.write(self._answers, msgspec.json.encode(fields) + b"\n")

    async def _serve(self, ticket: Ticket) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            streams = await asyncio.open_connection(
                ticket.host, ticket.port, ssl=tls_of(ticket), limit=2**20
            )
            wire = Wire(*streams)
            try:
                await introduce(wire, ticket, facts())
            except BaseException:
                wire.abort()
                raise
        folder = self._folder / "runs" / secrets.token_hex(8)
        try:
            await AgentRun(wire, self._pool, self._cache, folder, ticket.cache_bytes).carry_out()
        except asyncio.CancelledError:
            wire.post("gone")  # so that the server need not wait to know that nothing is left
            raise
        finally:
            await wire.close()


def facts() -> dict[str, Any]:
    """Return what the server is told about this machine."""
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "heliograph": heliograph_version(),
        "withheld": withheld(os.environ),
    }


def heliograph_version() -> str:
    """Return the version of Heliograph that is installed here."""
    try:
        return installed("heliograph")
    except PackageNotFoundError:
        return "(not installed)"


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _wait_for_end(parent: int) -> None:
    # A fork of the worker may keep standard input open.
    while os.getppid() == parent:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(PARENT_SECONDS)


def main(folder: str) -> None:
    """Be the agent of the worker that has started this process; `folder` is for its files."""
    memory.hide()
    logging.basicConfig(level=logging.WARNING)
    for name in [each for each in os.environ if each.startswith(PREFIX)]:
        del os.environ[name]
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    os.set_inheritable(answers, False)
    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    with runner, contextlib.suppress(WarmUpFailed):
        runner.run(Agent(Path(folder), answers).run())
    os._exit(0)

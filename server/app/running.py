"""Running a server until a signal stops it: what `python -m server` does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TextIO

import uvloop

from runners.confinement import memory
from server.app.logging_setup import log_everything, set_up_logging
from server.app.server import Server
from server.app.service_manager import ServiceManager
from server.config import Config
from server.config.sources import remove_variables
from server.core.disk import open_files
from server.operations.accepted import Accepted

log = logging.getLogger(__name__)

#: What the command line does with a server that has just become ready.
OnReady = Callable[["Server"], Awaitable[None]]


def run(config: Config, on_ready: OnReady | None = None, accepted: Accepted | None = None) -> int:
    """Run the server until a signal stops it, and return the exit status.

    `on_ready` is called once, with the running server, when that can take work. `accepted` is what
    the start would otherwise refuse.
    """
    memory.hide()
    set_up_logging(logging.getLevelNamesMapping()[config.log.level.upper()], config.log.format)
    log_everything()
    open_files.raise_limit()
    # What runs inherit holds no secret, and the template that starts them comes from here.
    remove_variables(os.environ)
    manager = ServiceManager.of(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server = Server(config, accepted, alone=True)
        return runner.run(_serve_until_stopped(server, on_ready, manager))


async def _serve_until_stopped(
    server: Server, on_ready: OnReady | None, manager: ServiceManager
) -> int:
    stopped = asyncio.Event()
    _listen_for_signals(stopped, _log_line if server.config.log.format == "json" else _print_error)
    async with manager.watched(), server:
        _print(f"Heliograph is starting at {server.address}", sys.stdout)
        starting = asyncio.ensure_future(server.start())
        stopping = asyncio.ensure_future(stopped.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            manager.stopping()
            starting.cancel()
            return 0
        await starting
        _print(f"Heliograph is ready at {server.address}", sys.stdout)
        manager.ready(server.address)
        if on_ready is not None:
            await on_ready(server)
        await stopping
        manager.stopping()
    return 0


def _listen_for_signals(stopped: asyncio.Event, say: Callable[[str], None]) -> None:
    """Stop the server in order at the first signal, at once at the second one."""

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        stopped.set()
        say("Heliograph is stopping; once more to stop at once")

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _print(message: str, stream: TextIO) -> None:
    """Print a line, if anybody reads it: the reader of a pipe may have gone before the server."""
    with contextlib.suppress(OSError):
        print(message, file=stream, flush=True)


def _print_error(message: str) -> None:
    _print(message, sys.stderr)


def _log_line(message: str) -> None:
    """Keep standard error, where the log goes, one JSON object a line."""
    log.warning("%s", message, extra={"action": "server_stopping"})

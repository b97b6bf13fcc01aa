"""A Heliograph in a process of its own, beside bare Tornado handlers that are the floor.

The bare handler answers with exactly the bytes it was given: no ETag, no checks.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from benchmarks import pipelines, trivial
from benchmarks.inside import COMMANDS, BareSocket
from runners import PipelineProcess
from server.app.server import BACKLOG, Server
from server.config import Config, PipelineEntry
from server.config.sections import Http

START_SECONDS = 60
PIECE_BYTES = 256 * 1024


class BareHandler(RequestHandler):
    """A handler that keeps what is put, and returns it."""

    kept: ClassVar[dict[str, bytes]] = {}

    def compute_etag(self) -> None:
        """Return None, as Tornado's digest of the body is not part of the floor."""

    def put(self, name: str) -> None:
        """Keep the body."""
        self.kept[name] = self.request.body

    def get(self, name: str) -> None:
        """Return the body that was put."""
        self.set_header("Content-Type", "application/json")
        self.write(self.kept[name])


class BareFileHandler(RequestHandler):
    """A handler that streams a file of the benchmark's own."""

    async def get(self) -> None:
        """Send the file, a piece at a time."""
        file = await asyncio.to_thread(Path(self.get_argument("path")).open, "rb", 0)
        with file:
            while piece := file.read(PIECE_BYTES):
                self.write(piece)
                await self.flush()


class Serving(NamedTuple):
    """The ports of the two, and a way to run commands in their process."""

    heliograph: int
    bare: int
    pipe: Connection

    def ask(self, command: str, *arguments: Any) -> float:
        """Run one of `inside.COMMANDS`; return its result."""
        self.pipe.send((command, arguments))
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return float(answer)


@contextmanager
def serving(**sections: Any) -> Iterator[Serving]:
    """Run both servers until the block is left. Further sections go into the configuration."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-benchmark-"))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(str(folder), theirs, sections)
    )
    process.start()
    theirs.close()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("the servers did not start in time")
        heliograph, bare = ours.recv()
        yield Serving(heliograph, bare, ours)
    finally:
        ours.close()
        process.join(20)
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _serve(folder: str, pipe: Connection, sections: dict[str, Any]) -> None:
    forget_main()
    config = Config(
        http=Http(port=0),
        data=Path(folder),
        folder=Path(__file__).parent.parent,
        pipelines=entries_of(pipelines) | entries_of(trivial),
        shutdown_seconds=0,
        **sections,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_both(config, pipe))


def entries_of(module: ModuleType) -> dict[str, PipelineEntry]:
    """Return the pipelines of a module by name."""
    found = [each for each in vars(module).values() if isinstance(each, type)]
    return {
        each.__name__: PipelineEntry(path=f"{each.__module__}.{each.__name__}")
        for each in found
        if issubclass(each, PipelineProcess) and each is not PipelineProcess
    }


def forget_main() -> None:
    """Keep children from importing the benchmark's main module, which would be measured too."""
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)


async def _serve_both(config: Config, pipe: Connection) -> None:
    bare = Application(
        [(r"/ws", BareSocket), (r"/file/", BareFileHandler), (r"/(\w+)", BareHandler)],
        log_function=lambda _: None,
    )
    sockets = bind_sockets(0, "127.0.0.1", backlog=BACKLOG)
    http = HTTPServer(bare, max_body_size=2**30)
    http.add_sockets(sockets)
    async with Server(config) as server:
        await server.start()
        pipe.send((server.port, sockets[0].getsockname()[1]))
        await _obey(server, pipe)
    http.stop()


async def _obey(server: Server, pipe: Connection) -> None:
    """Run the commands that come in, until the other end is closed."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    loop.add_reader(pipe.fileno(), asked.set)
    try:
        while True:
            await asked.wait()
            asked.clear()
            command, arguments = pipe.recv()
            loop.remove_reader(pipe.fileno())
            try:
                pipe.send(await COMMANDS[command](server, *arguments))
            except Exception as error:
                pipe.send(error)
            loop.add_reader(pipe.fileno(), asked.set)
    except (EOFError, OSError):
        return
    finally:
        loop.remove_reader(pipe.fileno())

"""A Heliograph in a process of its own, beside a bare Tornado handler that is the floor.

The handler answers with the very bytes that it was given, and nothing else: no ETag, no checks.
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
from typing import Any, ClassVar, NamedTuple

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from server.app import BACKLOG, Server
from server.config import Config, PipelineEntry
from server.config_keys import Http

START_SECONDS = 60


class BareHandler(RequestHandler):
    """Keeps what is put, gives it back."""

    kept: ClassVar[dict[str, bytes]] = {}

    def compute_etag(self) -> None:
        """Tornado's digest of the body is not part of the floor."""

    def put(self, name: str) -> None:
        """Keep a body."""
        self.kept[name] = self.request.body

    def get(self, name: str) -> None:
        """Give it back."""
        self.set_header("Content-Type", "application/json")
        self.write(self.kept[name])


class Addresses(NamedTuple):
    """The ports of the two."""

    heliograph: int
    bare: int


@contextmanager
def serving(**sections: Any) -> Iterator[Addresses]:
    """Both servers, until the block is left. Further sections go into the configuration."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-benchmark-"))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(str(folder), theirs, sections)
    )
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("the servers did not start in time")
        yield Addresses(*ours.recv())
    finally:
        ours.close()
        process.join(20)
        process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _serve(folder: str, pipe: Connection, sections: dict[str, Any]) -> None:
    # The children of runs would import the benchmark's main module again, and be measured with it.
    main = sys.modules["__main__"]
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
    names = ("Nothing", "Writes")
    config = Config(
        http=Http(port=0),
        data=Path(folder),
        folder=Path(__file__).parent.parent,
        pipelines={name: PipelineEntry(path=f"benchmarks.pipelines.{name}") for name in names},
        shutdown_seconds=0,
        **sections,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_both(config, pipe))


async def _serve_both(config: Config, pipe: Connection) -> None:
    bare = Application([(r"/(\w+)", BareHandler)], log_function=lambda _: None)
    sockets = bind_sockets(0, "127.0.0.1", backlog=BACKLOG)
    http = HTTPServer(bare, max_body_size=2**30)
    http.add_sockets(sockets)
    async with Server(config) as server:
        await server.start()
        pipe.send((server.port, sockets[0].getsockname()[1]))
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), gone.set)
        await gone.wait()
        asyncio.get_running_loop().remove_reader(pipe.fileno())
    http.stop()

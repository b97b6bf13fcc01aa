"""An observatory of several servers: one database engine, one storage, a data folder for each."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote

import server.store
from tests.reliability.tools.invariants import Promises, violations
from tests.reliability.tools.proxy import Proxy
from tests.reliability.tools.serving import Server, short_folder
from tests.reliability.tools.snapshot import Document, Snapshot, documents, take

CHILD = Path(server.store.__file__).with_name("engine") / "child.py"
SETTLE_SECONDS = 8.0
SKEW = """
import time
_time = time.time
time.time = lambda: _time() + {seconds}
"""


class Shared:
    """The folder that all share, and the servers that were made for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "engine.sock"
        self.servers: list[Server] = []
        #: the URI of the database
        self.uri = socket_uri(self.socket)
        #: brings the files that are stored elsewhere into the folder `files`; blocks
        self.fetch_files: Callable[[], None] = lambda: None

    def server(self, uri: str | None = None, **settings: object) -> Server:
        """Make another server, not yet started, with these settings (`leases__check_seconds=1`)."""
        variables = {
            f"HELIOGRAPH_{name.replace('__', '_').upper()}": str(value)
            for name, value in settings.items()
        }
        made = Server(
            self.folder / f"data{len(self.servers)}",
            environment={
                "HELIOGRAPH_MONGODB_URI": uri or self.uri,
                "HELIOGRAPH_FILES_URL": str(self.folder / "files"),
                **variables,
            },
            orders=self.folder / f"orders{len(self.servers)}.json",
        )
        self.servers.append(made)
        return made

    async def look(self) -> Snapshot:
        """Return a snapshot of everything."""
        data = [server.data for server in self.servers]
        files, fetch = self.folder / "files", self.fetch_files
        return await asyncio.to_thread(take, self.uri, *data, files=files, fetch_files=fetch)

    async def record(self, pk: int) -> Document:
        """Return a process's record as stored: not every server has heard of it yet."""
        [found] = await asyncio.to_thread(documents, self.uri, "processes", {"_id": pk})
        return found

    async def texts(self, pk: int) -> list[str]:
        """Return the texts of a log as stored."""
        return [entry[3] for _, entry in (await self.look()).logs.get(pk, [])]

    async def owners(self) -> dict[int, str]:
        """Return the running processes, each with the id of the server that runs it."""
        running: list[Document] = await asyncio.to_thread(
            documents, self.uri, "processes", {"owner": {"$gt": ""}}
        )
        return {record["_id"]: record["owner"] for record in running}

    async def wrongs(self, promises: Promises) -> list[str]:
        """Return what is wrong in the end, after some time for tidying up."""
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while wrong := violations(await self.look(), promises):
            if asyncio.get_running_loop().time() > deadline:
                return wrong
            await asyncio.sleep(0.1)
        return []


def skewed(folder: Path, seconds: float) -> str:
    """Return an import path that puts the clock of every Python process wrong."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SKEW.format(seconds=seconds))
    return str(folder)


def socket_uri(path: Path) -> str:
    """Return the URI of an engine's socket."""
    return f"mongodb://{quote(str(path), safe='')}"


async def start_engine(data: Path, socket: Path) -> asyncio.subprocess.Process:
    """Start the embedded engine without a server; it ends with its standard input."""
    await asyncio.to_thread(data.mkdir, 0o700, exist_ok=True)
    engine = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(CHILD), str(data), str(socket)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert engine.stdout is not None
    assert await engine.stdout.readline() == b"ready\n"
    return engine


@contextlib.asynccontextmanager
async def observatory() -> AsyncIterator[Shared]:
    """Yield a database without a server; close all servers that are made for it."""
    with short_folder() as folder:
        shared = Shared(folder)
        engine = await start_engine(folder / "database", shared.socket)
        assert engine.stdin is not None
        try:
            # The engine lets in nobody but the process that started it.
            async with Proxy(shared.socket) as proxy:
                shared.uri = proxy.uri
                try:
                    yield shared
                finally:
                    await asyncio.gather(*(server.close() for server in shared.servers))
        finally:
            engine.stdin.close()
            await engine.wait()

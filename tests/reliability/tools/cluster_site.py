"""The machines of a cluster: servers, a Dask cluster, a database and an S3 storage.

Each is an OS process on a node of its own; all can be killed, stopped and started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.engines.starting import start_secantus
from tests.fakes.dask_cluster import DaskCluster
from tests.fakes.s3_server import FaultyProxy, S3Server, environment, s3_server
from tests.reliability.tools.network import Line, Network, Node, free_port
from tests.reliability.tools.proxy import Proxy
from tests.reliability.tools.serving import Client, Server, short_folder
from tests.reliability.tools.shared import Shared, skewed, start_engine
from tests.reliability.tools.telling_pipelines import LOCKS

CONFIG = Path(__file__).with_name("cluster.yml")
TOKEN = "a-token-of-these-tests-alone"
WORKERS, THREADS = 2, 3
START_SECONDS = 60.0
SILENCE_SECONDS = 2.0
PRINTED_LINES = 200_000
#: Clocks of the servers: as far wrong as this, by their numbers.
SKEWS_SECONDS = (-300.0, 300.0)
#: The variable by which all OS processes of a site, those of runs too, are known.
FOLDER = "TELLING_SITE"
#: How soon the scheduler gives up a worker that is silent.
DASK = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s"}


class Database:
    """A database that can be killed and comes back with what it has stored."""

    def __init__(self, node: Node, port: int, folder: Path, program: Path | None) -> None:
        self._folder = folder
        self._node = node
        self.port = port
        #: where SecantusDB is installed; None for the embedded engine
        self._program = program
        self.socket = folder / "engine.sock"
        self._engine: asyncio.subprocess.Process | None = None
        self._secantus: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Which engine it is."""
        return "the embedded engine" if self._program is None else "SecantusDB"

    @property
    def pid(self) -> int:
        """The OS process's id."""
        running = self._engine or self._secantus
        assert running is not None
        return running.pid

    async def start(self) -> None:
        """Start it; return once it listens."""
        if self._program is None:
            self.socket.unlink(missing_ok=True)
            self._engine = await start_engine(self._folder / "database", self.socket)
            return
        data = self._folder / "secantus"
        self._secantus = start_secantus(
            self._program, data, self._node.host, self.port, self._node.prefix
        )
        uri = f"mongodb://{self._node.host}:{self.port}/?directConnection=true"
        await asyncio.to_thread(_wait_for_database, uri)

    async def kill(self) -> None:
        """Kill it and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            psutil.Process(self.pid).send_signal(signal.SIGCONT)
            psutil.Process(self.pid).kill()
        if self._engine is not None:
            await self._engine.wait()
        if self._secantus is not None:
            await asyncio.to_thread(self._secantus.wait)


def _wait_for_database(uri: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")
            return
        except PyMongoError:
            assert time.monotonic() < deadline, "the database does not answer"
            time.sleep(0.1)


@dataclass
class Member:
    """A server, its client, and its lines to everything."""

    node: Node
    server: Server
    client: Client
    database: Line
    storage: FaultyProxy
    scheduler: Line
    workers: list[Line]


@dataclass
class Worker:
    """A Dask worker's machine."""

    node: Node
    scheduler: Line
    process: subprocess.Popen[bytes] | None = None


@dataclass
class Site:
    """All of it."""

    network: Network
    shared: Shared
    database: Database
    s3: S3Server
    bucket: str
    cluster: DaskCluster
    members: list[Member] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def start_worker(self, worker: Worker) -> None:
        """Start a worker again."""
        worker.process = self.cluster.add_worker(
            THREADS,
            *("--resources", "gpu=1"),
            host=worker.node.host,
            prefix=worker.node.prefix,
            scheduler=f"tcp://{worker.scheduler.address}",
        )

    def keep_workers(self) -> None:
        """Start those again that have ended, as they do when they miss the scheduler for long."""
        for worker in self.workers:
            if worker.process is None or worker.process.poll() is not None:
                self.start_worker(worker)

    def agents(self) -> list[psutil.Process]:
        """Return the agents of all workers."""
        found: list[psutil.Process] = []
        for worker in self.workers:
            with contextlib.suppress(psutil.Error):
                assert worker.process is not None
                found += self.cluster.agents(worker.process)
        return found


@contextlib.asynccontextmanager
async def site(
    network: Network, servers: int, program: Path | None, patience_seconds: float
) -> AsyncIterator[Site]:
    """Yield a site whose servers are ready."""
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(short_folder())
        shared = Shared(folder)
        node = await network.node("database")
        database = Database(node, network.free_port(27017), folder, program)
        stack.push_async_callback(database.kill)
        await database.start()
        s3 = stack.enter_context(s3_server())
        cluster = await _cluster(network, stack, folder)
        made = Site(network, shared, database, s3, s3.bucket(), cluster)
        stack.push_async_callback(_close, shared)
        await _own_line(made, stack, node)
        shared.fetch_files = lambda: s3.copy(made.bucket, "files/", folder / "files")
        for number in range(WORKERS):
            place = await network.node(f"worker {number}")
            line = await network.line(place, _scheduler(cluster), cluster.port)
            made.workers.append(Worker(place, line))
            made.start_worker(made.workers[-1])
        for number in range(servers):
            await _add_server(made, stack, number, node, patience_seconds)
        for member in made.members:
            await member.server.start()
        await asyncio.gather(*(member.server.url() for member in made.members))
        yield made


def _scheduler(cluster: DaskCluster) -> Node:
    return Node("scheduler", cluster.host)


async def _cluster(network: Network, stack: contextlib.AsyncExitStack, folder: Path) -> DaskCluster:
    node = await network.node("scheduler")
    locks, logs = folder / "locks", folder / "dask"
    locks.mkdir()
    logs.mkdir()
    cluster = DaskCluster(
        logs,
        host=node.host,
        prefix=node.prefix,
        environment={**DASK, LOCKS: str(locks), FOLDER: str(folder)},
    )
    stack.callback(cluster.stop)
    until = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((node.host, cluster.port), 1):
            return cluster
        assert time.monotonic() < until, cluster.logs()
        await asyncio.sleep(0.1)


async def _own_line(made: Site, stack: contextlib.AsyncExitStack, node: Node) -> None:
    """Let this process read the database, whatever is cut."""
    if made.database.name == "SecantusDB":
        made.shared.uri = f"mongodb://{node.host}:{made.database.port}/?directConnection=true"
    else:
        proxy = await stack.enter_async_context(Proxy(made.database.socket))
        made.shared.uri = proxy.uri


async def _add_server(
    made: Site,
    stack: contextlib.AsyncExitStack,
    number: int,
    database: Node,
    patience_seconds: float,
) -> None:
    network = made.network
    node = await network.node(f"server {number}")
    to_database = await _line_to_database(made, stack, node, database)
    storage = stack.enter_context(FaultyProxy(made.s3.port, host=node.gateway))
    scheduler = await network.line(node, _scheduler(made.cluster), made.cluster.port)
    listens = network.free_port(8790) if network.namespaces else free_port()
    # One line for each worker where they have addresses of their own, else one for all.
    lines = [
        await network.line(worker.node, node, listens)
        for worker in (made.workers if network.namespaces else made.workers[:1])
    ]
    server = made.shared.server(
        uri=f"mongodb://{to_database.address}/?directConnection=true",
        files__url=f"s3://{made.bucket}/files",
        http__tokens=TOKEN,
        runner__type="dask",
        runner__address=f"tcp://{scheduler.address}",
        runner__listen_host=node.host,
        runner__listen_port=listens,
        runner__contact=lines[0].address,
        runner__silence_seconds=SILENCE_SECONDS,
    )
    server.environment |= environment(storage.url) | {FOLDER: str(made.shared.folder)}
    if number < len(SKEWS_SECONDS):
        clock = made.shared.folder / f"clock{number}"
        server.environment["PYTHONPATH"] = skewed(clock, SKEWS_SECONDS[number])
    server.config, server.prefix = CONFIG, node.prefix
    server.options = ["--host", node.host]
    server.printed = deque(maxlen=PRINTED_LINES)
    client = Client(server, patience_seconds=patience_seconds, token=TOKEN)
    made.members.append(Member(node, server, client, to_database, storage, scheduler, lines))


async def _line_to_database(
    made: Site, stack: contextlib.AsyncExitStack, node: Node, database: Node
) -> Line:
    if made.database.name == "SecantusDB":
        return await made.network.line(node, database, made.database.port)
    # It has a Unix socket, which lets in nobody but its parent.
    proxy = await stack.enter_async_context(Proxy(made.database.socket, node.gateway))
    return Line(node.gateway, proxy.port, made.network, proxy=proxy)


async def _close(shared: Shared) -> None:
    await asyncio.gather(*(server.close() for server in shared.servers))

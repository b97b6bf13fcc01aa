"""The composition root: starts each part on one exit stack, in order. The only one that knows all.

The port is bound first: until the database answers, the health checks do and all else is 503.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from handlers import access_log
from handlers.body import BODY_LIMIT_BYTES
from handlers.front_door import FrontDoor
from handlers.routes import all_routes
from handlers.services import Services
from runners.examiner import Examiner
from runners.pool import Pool
from server.archive import Archive
from server.changes import Announcing, Watching
from server.config import Config
from server.data_folder import DataFolder
from server.dispatcher import Dispatcher
from server.errors import DatabaseAway, StartError
from server.files import FileStorage
from server.hub import Hub
from server.launch import Tools
from server.ledger import Ledger
from server.logs import Logs
from server.memory import Memory
from server.persistence import persistently
from server.pipelines import PipelineWatch, find_pipelines
from server.processes import Processes
from server.records import ProcessRecord
from server.recovery import Recovery
from server.run_picture import read_picture
from server.store import Store
from server.store.database import Database
from server.store.engine import Engine

log = logging.getLogger(__name__)

#: Connections that may wait to be accepted: viewers come back all at once after a restart.
BACKLOG = 2048
DRAIN_SECONDS = 1.0


def run(config: Config, demo: bool = False) -> int:
    """Run the server until a signal stops it; the exit status."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # What runs inherit holds no secret, and the template that starts them comes from here.
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        del os.environ[name]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve_until_stopped(config, demo))


async def _serve_until_stopped(config: Config, demo: bool) -> int:
    stopped = asyncio.Event()
    _listen_for_signals(stopped)
    async with Server(config) as server:
        print(f"Heliograph is starting at {server.address}", flush=True)
        starting = asyncio.ensure_future(server.start())
        stopping = asyncio.ensure_future(stopped.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return 0
        await starting
        print(f"Heliograph is ready at {server.address}", flush=True)
        if demo:
            await server.start_demo()
        await stopping
    return 0


def _listen_for_signals(stopped: asyncio.Event) -> None:
    """The first signal stops the server in order, the second one at once."""

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        print("Heliograph is stopping; once more to stop at once", file=sys.stderr, flush=True)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


class Server:
    """A whole server: bound when entered, serving after `start`, gone when left."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stack = AsyncExitStack()
        self._door = FrontDoor()
        self.port = 0
        self.services: Services | None = None

    @property
    def address(self) -> str:
        """Where the pages are."""
        host = self.config.http.host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    async def __aenter__(self) -> Server:
        self._folder = await asyncio.to_thread(DataFolder.open, self.config.data)
        self._stack.callback(self._folder.close)
        try:
            self._bind()
            await asyncio.to_thread(self._folder.announce, self.address)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _bind(self) -> None:
        http = self.config.http
        try:
            sockets = bind_sockets(http.port, http.host, backlog=BACKLOG)
        except OSError as error:
            raise StartError(
                f"http.port: cannot listen on {http.host} port {http.port}: {error.strerror}; "
                "take another with --port, or 0 for any free one"
            ) from error
        self.port = sockets[0].getsockname()[1]
        self._http = server = HTTPServer(self._door, max_body_size=BODY_LIMIT_BYTES, xheaders=False)
        server.add_sockets(sockets)
        self._stack.push_async_callback(self._close_http)

    async def _close_http(self) -> None:
        """Answer nobody any more; done again, it does nothing."""
        self._http.stop()
        if self.services is not None:
            await self.services.sockets.close_all()
        try:
            await asyncio.wait_for(self._http.close_all_connections(), DRAIN_SECONDS)
        except TimeoutError:
            log.warning("Some connections did not end in time")

    async def start(self) -> None:
        """Start all parts, waiting for the database as long as it takes."""
        config, stack = self.config, self._stack
        await asyncio.to_thread(self._folder.set_aside)
        pool = Pool(config.pool.slots)
        stack.callback(pool.close)
        warming = asyncio.ensure_future(pool.start())
        database = await self._database()
        store = await persistently(lambda: Store.open(database))
        examiner = Examiner()
        stack.push_async_callback(examiner.close)
        hub = Hub()
        ledger = Ledger(store.processes, hub, self._folder.server_id)
        await persistently(ledger.load)
        alone = config.mongodb.uri is None
        # The other half is for the bodies made of them.
        logs = Logs(store.logs, hub, config.cache.log_bytes // 2, alone)
        if not alone:
            exchange = self._exchange(database, store, Memory(store, ledger, logs, hub), hub)
            await persistently(exchange.start)
            stack.push_async_callback(exchange.stop)
        archive = self._archive(store, examiner, ledger)
        await persistently(archive.recover)
        recovery = Recovery(store, ledger, logs, archive, config)
        await recovery.settle_own()
        await examiner.start()
        await warming
        pipelines = await find_pipelines(config, pool)
        watch = PipelineWatch(config, pool, pipelines)
        stack.push_async_callback(watch.stop)
        await watch.start()
        processes = Processes(
            store=store,
            ledger=ledger,
            logs=logs,
            hub=hub,
            archive=archive,
            pipelines=pipelines,
            config=config,
        )
        tools = Tools(
            config=config,
            ledger=ledger,
            logs=logs,
            receipts=store.receipts,
            sections=store.sections,
            archive=archive,
            pool=pool,
            runs=self._folder.runs,
            pipelines=pipelines.get,
        )
        dispatcher = Dispatcher(tools, hub, recovery)
        self.services = self._services(
            processes, archive, dispatcher, database, examiner, tools.folder
        )
        dispatcher.start()
        # What stops last answers longest: polls go on while runs end, but not without a database.
        stack.push_async_callback(self._close_http)
        stack.push_async_callback(dispatcher.stop)
        self._door.open(make_application(self.services))
        await asyncio.to_thread(self._folder.remove_leftovers)

    async def _database(self) -> Database:
        uri = self.config.mongodb.uri
        if uri is None:
            engine = Engine()
            uri = await engine.start(self._folder)
            self._stack.push_async_callback(engine.stop)
        database = await persistently(lambda: Database.open(uri, self.config.mongodb.database))
        self._stack.callback(database.close)
        return database

    def _exchange(
        self, database: Database, store: Store, memory: Memory, hub: Hub
    ) -> Watching | Announcing:
        """What keeps memory right beside other servers."""
        if database.replicated:
            return Watching(database, memory)
        lease_seconds = self.config.leases.lease_seconds
        return Announcing(store, memory, hub, self._folder.server_id, lease_seconds)

    def _archive(self, store: Store, examiner: Examiner, ledger: Ledger) -> Archive:
        files = FileStorage(self.config.storage_url)
        return Archive(
            store,
            files,
            self._folder,
            examiner.facts,
            self.config.uploads,
            changed=ledger.show,
            gone=ledger.drop_target,
            deleted=ledger.gone,
        )

    def _services(
        self,
        processes: Processes,
        archive: Archive,
        dispatcher: Dispatcher,
        database: Database,
        examiner: Examiner,
        folder_of: Callable[[ProcessRecord], Path],
    ) -> Services:
        async def ready() -> str | None:
            if dispatcher.closing:
                return "The server is stopping"
            try:
                await database.ping()
            except DatabaseAway as error:
                return str(error)
            return None

        async def picture(record: ProcessRecord) -> bytes | None:
            return await asyncio.to_thread(read_picture, folder_of(record))

        return Services(
            config=self.config,
            processes=processes,
            archive=archive,
            ready=ready,
            preview=examiner.preview,
            headers=examiner.headers,
            previews=self._folder.previews,
            picture=picture,
        )

    async def start_demo(self) -> None:
        """Make the demonstration's target, frames and processes, unless they are there."""
        from server.demo import make_demo

        assert self.services is not None
        await make_demo(self.services.archive, self.services.processes, self._folder.incoming)


def make_application(services: Services) -> Application:
    """The application with all routes; also for tests that bring services of their own."""
    return Application([*all_routes(services)], log_function=access_log.log_request)

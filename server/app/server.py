"""The composition root: starts each part on one exit stack, in order. The only one that knows all.

The port is bound first: until the database answers, the health checks do and all else is 503.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from handlers.http import access_log
from handlers.http.body import BODY_LIMIT_BYTES
from handlers.routes import all_routes
from handlers.services import Services
from handlers.starting import StartingApplication
from runners.execution.pool import Pool, WarmUpFailed
from server.app.components import Components, open_components
from server.config import Config
from server.core.data_folder import DataFolder
from server.core.errors import DatabaseAway, StartError
from server.core.records import ProcessRecord
from server.execution.dispatcher import Dispatcher
from server.execution.launch import RunServices
from server.execution.live_preview import read_picture
from server.execution.recovery import Recovery
from server.processes.pipelines import PipelineWatch, find_pipelines
from server.processes.service import Processes

log = logging.getLogger(__name__)

#: Connections that may wait to be accepted: viewers come back all at once after a restart.
BACKLOG = 2048
DRAIN_SECONDS = 1.0

#: What a command line wants done by a server that has just become ready.
OnReady = Callable[["Server"], Awaitable[None]]


def run(config: Config, on_ready: OnReady | None = None) -> int:
    """Run the server until a signal stops it, and return the exit status.

    `on_ready` is called once, with the running server, when it can take work.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # What runs inherit holds no secret, and the template that starts them comes from here.
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        del os.environ[name]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve_until_stopped(config, on_ready))


async def _serve_until_stopped(config: Config, on_ready: OnReady | None) -> int:
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
        if on_ready is not None:
            await on_ready(server)
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
        self._door = StartingApplication(config)
        self.port = 0
        self.services: Services | None = None

    @property
    def incoming(self) -> Path:
        """The folder for files on their way into the storage."""
        return self._folder.incoming

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
        """Start all components, waiting for the database as long as it takes."""
        config, stack = self.config, self._stack
        await asyncio.to_thread(self._folder.set_aside)
        pool = Pool(config.pool.slots)
        stack.callback(pool.close)
        warming = asyncio.ensure_future(pool.start())
        components = await open_components(config, self._folder, stack)
        recovery = Recovery(
            components.store, components.repository, components.logs, components.archive, config
        )
        await recovery.settle_own()
        await components.examiner.start()
        try:
            await warming
        except WarmUpFailed as error:
            raise StartError(f"No run could start here: {error}") from error
        stack.push_async_callback(components.reexamination.stop)
        components.reexamination.start()
        pipelines = await find_pipelines(config, pool)
        watch = PipelineWatch(config, pool, pipelines)
        stack.push_async_callback(watch.stop)
        await watch.start()
        run_services = components.run_services(config, pool, self._folder.runs, pipelines)
        dispatcher = Dispatcher(run_services, components.hub, recovery)
        processes = components.processes(config, pipelines)
        self.services = self._services(components, processes, run_services, dispatcher)
        dispatcher.start()
        # What stops last answers longest: polls go on while runs end, but not without a database.
        stack.push_async_callback(self._close_http)
        stack.push_async_callback(dispatcher.stop)
        self._door.open(make_application(self.services))
        await asyncio.to_thread(self._folder.remove_leftovers)

    def _services(
        self,
        components: Components,
        processes: Processes,
        run_services: RunServices,
        dispatcher: Dispatcher,
    ) -> Services:
        async def ready() -> str | None:
            if dispatcher.closing:
                return "The server is stopping"
            try:
                await components.database.ping()
            except DatabaseAway as error:
                return str(error)
            return run_services.pool.problem() or components.examiner.problem()

        async def picture(record: ProcessRecord) -> bytes | None:
            return await asyncio.to_thread(read_picture, run_services.folder(record))

        return Services(
            config=self.config,
            processes=processes,
            live=components.live(processes),
            archive=components.archive,
            ready=ready,
            draw_preview=components.examiner.preview,
            read_headers=components.examiner.headers,
            preview_folder=self._folder.previews,
            live_preview=picture,
        )


def make_application(services: Services) -> Application:
    """The application with all routes; also for tests that bring services of their own."""
    return Application([*all_routes(services)], log_function=access_log.log_request)

"""The composition root: builds every part and starts it in order, on one exit stack.

`Server.start` shows that order; only this package knows all parts. The port is bound first: until
the database answers, only the health checks work and anything else gets 503.
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
from tornado.netutil import bind_sockets
from tornado.web import Application

from handlers.http import access_log
from handlers.http.body import BODY_LIMIT_BYTES
from handlers.routes import all_routes
from handlers.services import Services
from handlers.starting import StartingApplication
from runners.execution.pool import Pool, WarmUpFailed
from server.app.components import Components, open_components
from server.app.connections.server import BoundedServer
from server.app.examinations import or_later
from server.app.logging_setup import set_up_logging
from server.archive.derived.reexamination import Reexamination
from server.config import Config
from server.config.sources import remove_variables
from server.core import open_files
from server.core.concurrency import repeat_every
from server.core.data_folder import DataFolder
from server.core.disk_reserve import CHECK_SECONDS
from server.core.errors import DatabaseAway, StartError
from server.core.records import PipelineDescription, ProcessRecord
from server.core.tuning import tune_process
from server.execution.dispatcher import Dispatcher
from server.execution.launch import RunServices
from server.execution.live_preview import read_picture
from server.execution.recovery import Recovery
from server.live.sources import LiveSources
from server.operations.accepted import Accepted
from server.operations.log_sealing import LogSealer
from server.processes.pipelines import PipelineWatch, find_pipelines
from server.processes.service import Processes

log = logging.getLogger(__name__)

#: Connections that may wait to be accepted: after a restart, all viewers reconnect at once.
BACKLOG = 2048
DRAIN_SECONDS = 1.0

#: What the command line does with a server that has just become ready.
OnReady = Callable[["Server"], Awaitable[None]]


def run(config: Config, on_ready: OnReady | None = None, accepted: Accepted | None = None) -> int:
    """Run the server until a signal stops it, and return the exit status.

    `on_ready` is called once, with the running server, when that can take work. `accepted` is what
    the start would otherwise refuse.
    """
    set_up_logging()
    open_files.raise_limit()
    # What runs inherit holds no secret, and the template that starts them comes from here.
    remove_variables(os.environ)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve_until_stopped(Server(config, accepted), on_ready))


async def _serve_until_stopped(server: Server, on_ready: OnReady | None) -> int:
    stopped = asyncio.Event()
    _listen_for_signals(stopped)
    async with server:
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
    """Stop the server in order at the first signal, at once at the second one."""

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        print("Heliograph is stopping; once more to stop at once", file=sys.stderr, flush=True)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)


class Server:
    """A whole server: bound when entered, serving after `start`, stopped when left."""

    def __init__(self, config: Config, accepted: Accepted | None = None) -> None:
        self.config = config
        self._accepted = accepted or Accepted()
        self._stack = AsyncExitStack()
        self._application = StartingApplication(config)
        self._services: Services | None = None
        self.port = 0

    @property
    def incoming(self) -> Path:
        """The folder for files on their way into the storage."""
        return self._folder.incoming

    @property
    def address(self) -> str:
        """The URL of the first page."""
        host = self.config.http.host
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    @property
    def services(self) -> Services:
        """What the handlers work with, once the server has started."""
        if self._services is None:
            raise RuntimeError("The server has not started")
        return self._services

    async def __aenter__(self) -> Server:
        self._folder = await asyncio.to_thread(DataFolder.open, self.config.data)
        self._stack.callback(self._folder.close)
        try:
            await asyncio.to_thread(self._folder.reserve.keep)
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
        self._http = server = BoundedServer(
            self._application, max_body_size=BODY_LIMIT_BYTES, xheaders=False
        )
        server.bound(http)
        server.add_sockets(sockets)
        self._stack.push_async_callback(self._close_http)

    async def _close_http(self) -> None:
        """Accept no more connections and close the open ones. Calling it twice is fine."""
        self._http.stop()
        if self._services is not None:
            await self._services.sockets.close_all()
        try:
            await asyncio.wait_for(self._http.close_all_connections(), DRAIN_SECONDS)
        except TimeoutError:
            log.warning(
                "Some connections did not close in time",
                extra={"action": "connections_still_open"},
            )

    async def start(self) -> None:
        """Build and start every part in its order, waiting for the database as long as it takes.

        The stack stops them in the reverse order.
        """
        tune_process()
        config, stack = self.config, self._stack
        await asyncio.to_thread(self._folder.set_aside)
        self._watch_disk()
        pool = Pool(config.pool.slots)
        stack.callback(pool.close)
        warming = asyncio.ensure_future(pool.start())
        # Storage, and what this server left behind when it ended last time.
        components = await open_components(config, self._folder, stack, self._accepted)
        recovery = self._recovery(components)
        await recovery.settle_own()
        await components.examiner.start()
        try:
            await warming
        except WarmUpFailed as error:
            raise StartError(f"No run could start here: {error}") from error
        self._start_upkeep(components)
        # Runs.
        pipelines = await self._watched_pipelines(pool)
        run_services = self._run_services(components, pool, pipelines)
        dispatcher = Dispatcher(run_services, components.hub, recovery)
        # Requests.
        processes = self._processes(components, pipelines)
        self._services = self._handler_services(components, processes, run_services, dispatcher)
        dispatcher.start()
        # Stopped in the reverse order: polls are answered until the runs have ended, but not
        # without a database.
        stack.push_async_callback(self._close_http)
        stack.push_async_callback(dispatcher.stop)
        self._application.open(make_application(self._services))
        await asyncio.to_thread(self._folder.remove_leftovers)

    def _watch_disk(self) -> None:
        async def keep() -> None:
            await asyncio.to_thread(self._folder.reserve.keep)

        watch = asyncio.create_task(repeat_every(CHECK_SECONDS, keep, name="disk watch", log=log))
        self._stack.callback(watch.cancel)

    def _recovery(self, components: Components) -> Recovery:
        return Recovery(
            components.store,
            components.repository,
            components.logs,
            components.archive,
            self.config,
        )

    def _start_upkeep(self, components: Components) -> None:
        """Start what works on stored data in the background."""
        for work in (self._sealer(components), self._reexamination(components)):
            self._stack.push_async_callback(work.stop)
            work.start()

    async def _watched_pipelines(self, pool: Pool) -> dict[str, PipelineDescription]:
        """Return the pipelines, kept up to date as their files change."""
        pipelines = await find_pipelines(self.config, pool)
        watch = PipelineWatch(self.config, pool, pipelines)
        self._stack.push_async_callback(watch.stop)
        await watch.start()
        return pipelines

    def _reexamination(self, components: Components) -> Reexamination:
        return Reexamination(
            components.store.products,
            components.files,
            components.examiner.metadata,
            self._folder.incoming / "examination",
        )

    def _sealer(self, components: Components) -> LogSealer:
        return LogSealer(
            store=components.store,
            logs=components.logs,
            files=components.files,
            rollback=components.archive.rollback,
            incoming=self._folder.incoming,
            server=self._folder.server_id,
            changed=components.repository.accept,
            full=lambda: self._folder.reserve.full,
            alone=self.config.mongodb.uri is None,
        )

    def _run_services(
        self, components: Components, pool: Pool, pipelines: dict[str, PipelineDescription]
    ) -> RunServices:
        return RunServices(
            config=self.config,
            repository=components.repository,
            logs=components.logs,
            receipts=components.store.receipts,
            sections=components.store.sections,
            film_frames=components.store.film_frames,
            archive=components.archive,
            targets=components.store.targets,
            pool=pool,
            runs=self._folder.runs,
            pipelines=pipelines.get,
            reserve=self._folder.reserve,
        )

    def _processes(
        self, components: Components, pipelines: dict[str, PipelineDescription]
    ) -> Processes:
        return Processes(
            store=components.store,
            repository=components.repository,
            logs=components.logs,
            reader=components.reader,
            archive=components.archive,
            pipelines=pipelines,
            config=self.config,
            check_room=self._folder.reserve.check,
        )

    def _handler_services(
        self,
        components: Components,
        processes: Processes,
        run_services: RunServices,
        dispatcher: Dispatcher,
    ) -> Services:
        async def ready() -> str | None:
            return await self._problem(components, run_services.pool, dispatcher)

        async def picture(record: ProcessRecord) -> bytes | None:
            return await asyncio.to_thread(read_picture, run_services.folder(record))

        return Services(
            config=self.config,
            processes=processes,
            live=LiveSources(
                components.repository,
                components.reader,
                components.hub,
                processes.fields,
                processes.board,
            ),
            archive=components.archive,
            ready=ready,
            draw_preview=or_later(components.examiner.preview),
            write_table=or_later(components.examiner.table),
            read_light_curve=or_later(components.examiner.light_curve),
            read_headers=or_later(components.examiner.headers),
            preview_folder=self._folder.previews,
            live_preview=picture,
            disk_problem=lambda: self._folder.reserve.problem,
        )

    async def _problem(
        self, components: Components, pool: Pool, dispatcher: Dispatcher
    ) -> str | None:
        """Return why the server is not ready, None if it is."""
        if dispatcher.closing:
            return "The server is stopping"
        try:
            await components.database.ping()
        except DatabaseAway as error:
            return str(error)
        problem = pool.problem() or components.examiner.problem()
        return problem or self._folder.reserve.problem


def make_application(services: Services) -> Application:
    """Return the application with all routes; tests call it with services of their own."""
    return Application([*all_routes(services)], log_function=access_log.log_request)

"""The composition root: builds every part and starts it in order, on one exit stack.

`Server.start` shows that order; only this package knows all parts. The port is bound first: until
the database answers, only the health checks work and anything else gets 503.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from pathlib import Path

from tornado.netutil import bind_sockets

from handlers.http.body import BODY_LIMIT_BYTES
from handlers.services import Services
from handlers.starting import StartingApplication
from runners.confinement.environment import of_runs
from runners.execution.pool import Pool, WarmUpFailed
from server.access.access import check_tokens
from server.app.assembly import Assembly, Upkeep, make_application
from server.app.components import Components, open_components
from server.app.connections.server import BoundedServer
from server.app.connections.tls import CHECK_SECONDS as CHECK_CERTIFICATE_SECONDS
from server.app.connections.tls import Certificate
from server.app.observing.figures import Figures
from server.app.observing.loop_watch import LoopWatch
from server.app.observing.observation import Observation
from server.config import Config
from server.core.concurrency import repeat_every
from server.core.disk.data_folder import DataFolder
from server.core.disk.disk_reserve import CHECK_SECONDS
from server.core.errors import StartError
from server.core.metrics import Metrics
from server.core.records import PipelineDescription
from server.core.tuning import tune_process
from server.execution.dispatcher import Dispatcher
from server.execution.places.cluster import Cluster
from server.execution.places.dask import DaskPlace
from server.execution.places.listener import AgentListener
from server.execution.places.places import Places
from server.operations.accepted import Accepted
from server.processes.bounds import warn_of_missing_isolation
from server.processes.pipelines import PipelineWatch, find_pipelines

log = logging.getLogger(__name__)

#: Connections that may wait to be accepted: after a restart, all viewers reconnect at once.
BACKLOG = 2048
#: What the last requests may take.
LAST_ANSWERS_SECONDS = 5.0
DRAIN_SECONDS = 1.0


class Server:
    """A whole server: bound when entered, serving after `start`, stopped when left.

    One that is `alone` in its process keeps all sockets of the process in its data folder.
    """

    def __init__(
        self, config: Config, accepted: Accepted | None = None, *, alone: bool = False
    ) -> None:
        self.config = config
        self._alone = alone
        self._accepted = accepted or Accepted()
        self._stack = AsyncExitStack()
        self._application = StartingApplication(config)
        self._services: Services | None = None
        self._certificate: Certificate | None = None
        self.metrics = Metrics()
        #: what runs processes, once the server has started
        self.dispatcher: Dispatcher | None = None
        self.port = 0

    @property
    def incoming(self) -> Path:
        """The folder for files on their way into the storage."""
        return self._folder.incoming

    @property
    def address(self) -> str:
        """The URL of the first page."""
        http = self.config.http
        host = f"[{http.host}]" if ":" in http.host else http.host
        scheme = "https" if http.tls.enabled else "http"
        return f"{scheme}://{host}:{self.port}{http.prefix}/"

    @property
    def services(self) -> Services:
        """What the handlers work with, once the server has started."""
        if self._services is None:
            raise RuntimeError("The server has not started")
        return self._services

    async def __aenter__(self) -> Server:
        await check_tokens(self.config)
        self._folder = await asyncio.to_thread(DataFolder.open, self.config.data)
        self._stack.callback(self._folder.close)
        try:
            await asyncio.to_thread(self._folder.reserve.keep)
            if self.config.http.tls.enabled:
                self._certificate = await asyncio.to_thread(Certificate, self.config.http.tls)
            self._bind()
            await self._announce()
            self._watch_certificate()
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
        server.bound(http, self._certificate)
        server.add_sockets(sockets)
        self._stack.push_async_callback(self._close_http)

    async def _announce(self) -> None:
        pem = None if self._certificate is None else self._certificate.pem
        await asyncio.to_thread(self._folder.announce, self.address, pem)

    def _watch_certificate(self) -> None:
        certificate = self._certificate
        if certificate is None:
            return

        async def refresh() -> None:
            if await certificate.refresh():
                await self._announce()

        watch = asyncio.create_task(
            repeat_every(CHECK_CERTIFICATE_SECONDS, refresh, name="certificate watch", log=log)
        )
        self._stack.callback(watch.cancel)

    async def _close_http(self) -> None:
        """Accept no more connections, answer, and close the open ones. Calling it twice is fine."""
        self._http.stop()
        if self._services is not None:
            await self._services.sockets.close_all()
            if not await self._http.answer_the_last(LAST_ANSWERS_SECONDS):
                log.warning(
                    "Some requests were not answered in time",
                    extra={"action": "requests_unanswered"},
                )
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
        pool = self._pool()
        warming = asyncio.ensure_future(pool.start())
        # Storage, and what this server left behind when it ended last time.
        components = await open_components(
            config, self._folder, stack, self._accepted, self.metrics
        )
        assembly = Assembly(config, self._folder, components)
        access = await assembly.access()
        recovery = assembly.recovery()
        await recovery.settle_own()
        await components.examiners.of_files.start()
        try:
            await warming
        except WarmUpFailed as error:
            raise StartError(f"No run could start here: {error}") from error
        self._start_upkeep([access, *assembly.upkeep()])
        # Runs.
        pipelines = await self._watched_pipelines(pool)
        dask = await self._dask_place(assembly)
        run_services = assembly.run_services(pool, dask, pipelines)
        self.dispatcher = dispatcher = Dispatcher(run_services, components.hub, recovery)
        # Requests.
        processes = assembly.processes(pipelines, run_services.places)
        self._start_upkeep(assembly.upkeep_of(processes))
        figures = self._observe(components, pool, dispatcher, run_services.places)
        self._services = assembly.handler_services(
            access, processes, run_services, dispatcher, figures
        )
        dispatcher.start()
        self._open(dispatcher, self._services)
        self._watch_loop()
        await asyncio.to_thread(self._folder.remove_leftovers)

    def _pool(self) -> Pool:
        """Return what starts the runs of this machine, closed with the stack."""
        environment = of_runs(os.environ, self.config.limits.environment)
        sockets = self._folder.sockets if self._alone else None
        pool = Pool(self.config.pool.slots, environment, sockets)
        warn_of_missing_isolation(self.config)
        self._stack.callback(pool.close)
        return pool

    def _open(self, dispatcher: Dispatcher, services: Services) -> None:
        """Answer requests from now on."""
        # Stopped in the reverse order: polls are answered until the runs have ended, but not
        # without a database.
        self._stack.push_async_callback(self._close_http)
        self._stack.push_async_callback(dispatcher.stop)
        self._application.open(make_application(services))

    async def _dask_place(self, assembly: Assembly) -> DaskPlace | None:
        """Join the Dask cluster, if runs are to go there; it may be away. Raise StartError."""
        runner = self.config.runner
        if runner.type != "dask":
            return None
        listener = AgentListener(runner)
        cluster = Cluster(runner, lambda: changed())
        place = assembly.dask_place(cluster, listener)

        def changed() -> None:
            place.changed()
            assembly.components.hub.wake("queue")

        await listener.start()
        self._stack.push_async_callback(listener.stop)
        cluster.start()
        self._stack.push_async_callback(cluster.stop)
        return place

    def _observe(
        self, components: Components, pool: Pool, dispatcher: Dispatcher, places: Places
    ) -> Figures:
        """Have the metrics show this server's figures, and return these."""
        observation = Observation(
            components=components,
            pool=pool,
            dispatcher=dispatcher,
            places=places,
            http=self._http,
            viewers=lambda: self.services.sockets.kinds(),
            folder=self._folder.path,
        )
        figures = observation.begin()
        self._stack.callback(figures.close)
        return figures

    def _start_upkeep(self, upkeep: list[Upkeep]) -> None:
        for work in upkeep:
            self._stack.push_async_callback(work.stop)
            work.start()

    def _watch_disk(self) -> None:
        async def keep() -> None:
            await asyncio.to_thread(self._folder.reserve.keep)

        watch = asyncio.create_task(repeat_every(CHECK_SECONDS, keep, name="disk watch", log=log))
        self._stack.callback(watch.cancel)

    def _watch_loop(self) -> None:
        watch = LoopWatch(self.metrics)
        self._stack.push_async_callback(watch.stop)
        watch.start()

    async def _watched_pipelines(self, pool: Pool) -> dict[str, PipelineDescription]:
        """Return the pipelines, kept up to date as their files change."""
        pipelines = await find_pipelines(self.config, pool)
        self.metrics.name_pipelines(pipelines)
        watch = PipelineWatch(self.config, pool, pipelines)
        self._stack.push_async_callback(watch.stop)
        await watch.start()
        return pipelines

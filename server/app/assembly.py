"""Assembling the parts of a server: each is given what it works with. `server` says in which order.

Nothing is started here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tornado.routing import Router
from tornado.web import Application

from handlers.http import access_log
from handlers.http.prefix import behind_prefix
from handlers.pages import not_found
from handlers.routes import all_routes
from handlers.services import Services
from runners.execution.pool import Pool
from server.access.access import Access, load_tokens, token_store
from server.access.sessions import Sessions
from server.access.shares import Shares
from server.access.tickets import Tickets
from server.app.components import Components
from server.app.examinations import of_search, of_sky, of_view, or_later
from server.app.observing.figures import Figures
from server.archive.derived.reexamination import Reexamination
from server.config import Config
from server.config.config import is_loopback
from server.core.concurrency import retry_while_unavailable
from server.core.disk.data_folder import DataFolder
from server.core.errors import DatabaseAway
from server.core.records import PipelineDescription, ProcessRecord
from server.execution.dispatcher import Dispatcher
from server.execution.launch import RunServices
from server.execution.places.cluster import Cluster
from server.execution.places.dask import DaskPlace
from server.execution.places.listener import AgentListener
from server.execution.places.local import LocalPlace
from server.execution.places.places import Places
from server.execution.recovery import Recovery
from server.live.sources import LiveSources
from server.operations.log_sealing import LogSealer
from server.operations.notifications.notifications import DeliveryList, Notifications, receivers_of
from server.operations.retention import Removers, Retention, disk_bytes, free_bytes
from server.operations.storage_watch import StorageWatch
from server.processes.service import Processes
from server.processes.trimming import Trimming


class Upkeep(Protocol):
    """Work on stored data in the background."""

    def start(self) -> None:
        """Begin; return at once."""

    async def stop(self) -> None:
        """End, and return when nothing is being done any more."""


@dataclass(frozen=True)
class Assembly:
    """The parts of a server, each made anew from the components whenever it is asked for."""

    config: Config
    folder: DataFolder
    components: Components

    def upkeep(self) -> list[Upkeep]:
        """Return the work in the background that is about what is stored, in order of its start."""
        activity = self.components.archive.activity
        return [self.storage_watch(), self.sealer(), self.reexamination(), activity]

    async def access(self) -> Access:
        """Return what knows who is let in. :raises StartError: nobody could be, or everybody."""
        store = self.components.store
        tokens = await retry_while_unavailable(
            lambda: load_tokens(self.config, token_store(self.config, store))
        )
        sessions = Sessions(store.sessions, tokens, alone=self.config.alone)
        loopback = is_loopback(self.config.http.host)
        shared = None if self.config.alone else store.wrong_secrets
        return Access(tokens, sessions, loopback=loopback, shared=shared)

    def upkeep_of(self, processes: Processes) -> list[Upkeep]:
        """Return the work in the background that is about processes, in order of its start."""
        return [self.notifications(processes), self.retention(processes)]

    def notifications(self, processes: Processes) -> Notifications:
        """Return what tells others about processes that move on."""
        receivers = receivers_of(self.config)
        notifications = Notifications(
            self.components.store, receivers, processes.fields, self.folder.server_id
        )
        if self.config.notifies:
            self.components.repository.announce_moves(notifications.moved)
        return notifications

    def retention(self, processes: Processes) -> Retention:
        """Return what removes what has been kept for long enough."""
        trimming = Trimming(
            self.components.store,
            self.components.archive,
            self.components.repository,
            self.components.logs,
            processes,
        )
        removers = Removers(trimming.remove_process, trimming.remove_log, trimming.remove_outputs)
        return Retention(
            self.config.retention,
            self.components.store,
            removers,
            lambda: free_bytes(self.folder.path),
            lambda: disk_bytes(self.folder.path),
        )

    def recovery(self) -> Recovery:
        """Return what settles runs that were left behind."""
        return Recovery(
            self.components.store,
            self.components.repository,
            self.components.logs,
            self.components.archive,
            self.config,
        )

    def reexamination(self) -> Reexamination:
        """Return what examines stored files again after an upgrade."""
        return Reexamination(
            self.components.store.products,
            self.components.files,
            self.components.examiners.of_files.metadata,
            self.folder.incoming / "examination",
            self.components.hub.wake,
        )

    def storage_watch(self) -> StorageWatch:
        """Return what looks whether the storage is there."""
        return StorageWatch(self.components.files, self.components.archive.rollback)

    def sealer(self) -> LogSealer:
        """Return what moves lines of logs from the database into files."""
        return LogSealer(
            store=self.components.store,
            logs=self.components.logs,
            files=self.components.files,
            rollback=self.components.archive.rollback,
            incoming=self.folder.incoming,
            server=self.folder.server_id,
            changed=self.components.repository.accept,
            full=lambda: self.folder.reserve.full,
            alone=self.config.mongodb.uri is None,
            metrics=self.components.metrics,
        )

    def dask_place(self, cluster: Cluster, listener: AgentListener) -> DaskPlace:
        """Return the place of runs on a Dask cluster."""
        return DaskPlace(
            cluster,
            listener,
            workers=self.config.pool.workers,
            silence_seconds=self.config.runner.silence_seconds,
            resources_of=self.config.resources_of,
            environment_of=lambda pipeline: self.config.limits_of(pipeline).environment,
            find_file=self.components.archive.products.path,
        )

    def run_services(
        self, pool: Pool, dask: DaskPlace | None, pipelines: dict[str, PipelineDescription]
    ) -> RunServices:
        """Return the collaborators of all runs."""
        return RunServices(
            config=self.config,
            repository=self.components.repository,
            logs=self.components.logs,
            receipts=self.components.store.receipts,
            sections=self.components.store.sections,
            film_frames=self.components.store.film_frames,
            archive=self.components.archive,
            targets=self.components.store.targets,
            pool=pool,
            places=Places(self.config, LocalPlace(pool), dask, pipelines.keys),
            runs=self.folder.runs,
            pipelines=pipelines.get,
            reserve=self.folder.reserve,
            runnable=lambda: {name for name, each in pipelines.items() if not each.error},
        )

    def processes(self, pipelines: dict[str, PipelineDescription], places: Places) -> Processes:
        """Return the processes as handlers know them."""
        return Processes(
            store=self.components.store,
            repository=self.components.repository,
            logs=self.components.logs,
            reader=self.components.reader,
            archive=self.components.archive,
            pipelines=pipelines,
            config=self.config,
            check_room=self.folder.reserve.check,
            place_problem=places.problem,
        )

    def handler_services(
        self,
        access: Access,
        processes: Processes,
        run_services: RunServices,
        dispatcher: Dispatcher,
        figures: Figures,
    ) -> Services:
        """Return the collaborators of the handlers."""

        async def ready() -> str | None:
            return await self._problem(run_services.pool, dispatcher)

        async def picture(record: ProcessRecord, frame: int | None) -> bytes | None:
            run = run_services.places.runs.get(record.pk)
            return None if run is None else await run.picture(frame)

        return Services(
            config=self.config,
            access=access,
            processes=processes,
            live=self._live(processes),
            archive=self.components.archive,
            tickets=Tickets(self.components.store.tickets),
            shares=self._shares(),
            ready=ready,
            draw_preview=or_later(self.components.examiners.of_files.preview),
            write_table=or_later(self.components.examiners.of_files.table),
            read_light_curve=or_later(self.components.examiners.of_files.light_curve),
            read_headers=or_later(self.components.examiners.of_files.headers),
            describe_image=of_view(self.components.examiners.viewer.description),
            read_pixels=of_view(self.components.examiners.viewer.window),
            expect_viewer=self.components.examiners.viewer.expect,
            compute_sky=of_sky(self.components.examiners.almanac.sky),
            search_period=of_search(self.components.examiners.searcher.periodogram),
            preview_folder=self.folder.previews,
            deliveries=DeliveryList(self.config, self.components.store.deliveries),
            live_preview=picture,
            disk_problem=lambda: self.folder.reserve.problem,
            server_status=figures.status,
            slots_of_all=lambda: dispatcher.slots_of_all,
            metrics=self.components.metrics,
        )

    def _live(self, processes: Processes) -> LiveSources:
        """Return what is pushed to viewers."""
        return LiveSources(
            self.components.repository,
            self.components.reader,
            self.components.hub,
            processes.fields,
            processes.board,
            processes.fields_alone,
            self.components.store.targets.get,
        )

    def _shares(self) -> Shares:
        """Return the links to single processes."""
        store = self.components.store
        return Shares(store.shares, store.signing_keys, alone=self.config.alone)

    async def _problem(self, pool: Pool, dispatcher: Dispatcher) -> str | None:
        """Return why the server is not ready, None if it is."""
        if dispatcher.closing:
            return "The server is stopping"
        try:
            await self.components.database.ping()
        except DatabaseAway as error:
            return str(error)
        if away := self.components.files.problem:
            return away
        problem = pool.problem() or self.components.examiners.of_files.problem()
        return problem or self.folder.reserve.problem


def make_application(services: Services) -> Application | Router:
    """Return the application with all routes; tests call it with services of their own."""
    settings: dict[str, Any] = {
        "log_function": access_log.finished(services.metrics, lines=services.config.log.requests),
        "prefix": services.config.http.prefix,
    }
    outside = Application([*not_found.outside_prefix(services)], **settings)
    inside = Application([*all_routes(services)], **settings)
    return behind_prefix(services.config.http.prefix, inside, outside)

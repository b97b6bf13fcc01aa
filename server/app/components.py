"""The components beneath runs and requests: database, memory and archive, opened in their order.

Nothing here takes requests or runs anything; `app` puts that on top.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from runners.examiner import Examiner
from runners.execution.pool import Pool
from server.archive.archive import Archive
from server.archive.examination import Reexamination
from server.archive.storage import FileStorage
from server.config import Config
from server.core.concurrency import retry_while_unavailable
from server.core.data_folder import DataFolder
from server.core.hub import Hub
from server.core.records import PipelineDescription
from server.execution.launch import RunServices
from server.live.sources import LiveSources
from server.logs.logs import Logs
from server.logs.reader import LogReader
from server.peers.exchange import AnnouncementExchange, ChangeStreamExchange
from server.peers.invalidation import CacheInvalidation
from server.processes.repository import ProcessRepository
from server.processes.service import Processes
from server.store import Store
from server.store.driver.connection import Database
from server.store.engine.supervisor import Engine


@dataclass(frozen=True, kw_only=True)
class Components:
    """What everything else stands on."""

    database: Database
    store: Store
    examiner: Examiner
    hub: Hub
    repository: ProcessRepository
    logs: Logs
    reader: LogReader
    archive: Archive
    reexamination: Reexamination

    def processes(self, config: Config, pipelines: dict[str, PipelineDescription]) -> Processes:
        """The processes as handlers know them."""
        return Processes(
            store=self.store,
            repository=self.repository,
            logs=self.logs,
            reader=self.reader,
            archive=self.archive,
            pipelines=pipelines,
            config=config,
        )

    def live(self, processes: Processes) -> LiveSources:
        """What is pushed to whoever watches."""
        return LiveSources(
            self.repository, self.reader, self.hub, processes.fields, processes.board
        )

    def run_services(
        self, config: Config, pool: Pool, runs: Path, pipelines: dict[str, PipelineDescription]
    ) -> RunServices:
        """What attempts work with."""
        return RunServices(
            config=config,
            repository=self.repository,
            logs=self.logs,
            receipts=self.store.receipts,
            sections=self.store.sections,
            archive=self.archive,
            targets=self.store.targets,
            pool=pool,
            runs=runs,
            pipelines=pipelines.get,
        )


async def open_components(config: Config, folder: DataFolder, stack: AsyncExitStack) -> Components:
    """Open all components, waiting for the database as long as it takes; the stack closes them.

    What this server left half done in storage is made whole or taken back by then.
    """
    database = await _database(config, folder, stack)
    store = await retry_while_unavailable(lambda: Store.open(database))
    examiner = Examiner()
    stack.push_async_callback(examiner.close)
    hub = Hub()
    repository = ProcessRepository(store.processes, hub, folder.server_id)
    await retry_while_unavailable(repository.load)
    alone = config.mongodb.uri is None
    # The other half is for the bodies made of them.
    logs = Logs(store.logs, hub, config.cache.log_bytes // 2, alone)
    files = FileStorage(config.storage_url)
    archive = _archive(config, folder, store, files, examiner, repository)
    copies = folder.incoming / "examination"
    components = Components(
        database=database,
        store=store,
        examiner=examiner,
        hub=hub,
        repository=repository,
        logs=logs,
        reader=LogReader(logs),
        archive=archive,
        reexamination=Reexamination(store.products, files, examiner.metadata, copies),
    )
    if not alone:
        exchange = _exchange(components, config.leases.lease_seconds)
        await retry_while_unavailable(exchange.start)
        stack.push_async_callback(exchange.stop)
    await retry_while_unavailable(archive.rollback.resolve_own)
    return components


def _archive(
    config: Config,
    folder: DataFolder,
    store: Store,
    files: FileStorage,
    examiner: Examiner,
    repository: ProcessRepository,
) -> Archive:
    return Archive(
        store,
        files,
        folder,
        examiner.metadata,
        config.uploads,
        changed=repository.accept,
        gone=repository.drop_target,
        deleted=repository.gone,
    )


async def _database(config: Config, folder: DataFolder, stack: AsyncExitStack) -> Database:
    uri = config.mongodb.uri
    if uri is None:
        engine = Engine()
        uri = await engine.start(folder)
        stack.push_async_callback(engine.stop)
    database = await retry_while_unavailable(lambda: Database.open(uri, config.mongodb.database))
    stack.callback(database.close)
    return database


def _exchange(
    components: Components, lease_seconds: float
) -> ChangeStreamExchange | AnnouncementExchange:
    """What keeps memory right beside other servers."""
    memory = CacheInvalidation(
        components.store, components.repository, components.logs, components.hub
    )
    if components.database.replicated:
        return ChangeStreamExchange(components.database, memory)
    return AnnouncementExchange(
        components.store, memory, components.repository.server_id, lease_seconds
    )

"""The parts beneath runs and requests: database, memory and archive, opened in their order.

Nothing here takes requests or runs anything; `app` puts that on top.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from runners.examiner import Examiner
from runners.execution.pool import Pool
from server.archive.archive import Archive
from server.archive.storage import FileStorage
from server.config import Config
from server.core.concurrency import persistently
from server.core.data_folder import DataFolder
from server.core.hub import Hub
from server.core.records import PipelineDescription
from server.execution.launch import Tools
from server.logs.logs import Logs
from server.peers.exchange import Announcing, Watching
from server.peers.invalidation import Memory
from server.processes.repository import Ledger
from server.processes.service import Processes
from server.store import Store
from server.store.driver.connection import Database
from server.store.engine.supervisor import Engine


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What everything else stands on."""

    database: Database
    store: Store
    examiner: Examiner
    hub: Hub
    ledger: Ledger
    logs: Logs
    archive: Archive

    def processes(self, config: Config, pipelines: dict[str, PipelineDescription]) -> Processes:
        """The processes as handlers know them."""
        return Processes(
            store=self.store,
            ledger=self.ledger,
            logs=self.logs,
            hub=self.hub,
            archive=self.archive,
            pipelines=pipelines,
            config=config,
        )

    def tools(
        self, config: Config, pool: Pool, runs: Path, pipelines: dict[str, PipelineDescription]
    ) -> Tools:
        """What attempts work with."""
        return Tools(
            config=config,
            ledger=self.ledger,
            logs=self.logs,
            receipts=self.store.receipts,
            sections=self.store.sections,
            archive=self.archive,
            pool=pool,
            runs=runs,
            pipelines=pipelines.get,
        )


async def open_parts(config: Config, folder: DataFolder, stack: AsyncExitStack) -> Parts:
    """Open all parts, waiting for the database as long as it takes; the stack closes them.

    What this server left half done in storage is made whole or taken back by then.
    """
    database = await _database(config, folder, stack)
    store = await persistently(lambda: Store.open(database))
    examiner = Examiner()
    stack.push_async_callback(examiner.close)
    hub = Hub()
    ledger = Ledger(store.processes, hub, folder.server_id)
    await persistently(ledger.load)
    alone = config.mongodb.uri is None
    # The other half is for the bodies made of them.
    logs = Logs(store.logs, hub, config.cache.log_bytes // 2, alone)
    archive = _archive(config, folder, store, examiner, ledger)
    parts = Parts(
        database=database,
        store=store,
        examiner=examiner,
        hub=hub,
        ledger=ledger,
        logs=logs,
        archive=archive,
    )
    if not alone:
        exchange = _exchange(parts, config.leases.lease_seconds)
        await persistently(exchange.start)
        stack.push_async_callback(exchange.stop)
    await persistently(archive.recover)
    return parts


def _archive(
    config: Config, folder: DataFolder, store: Store, examiner: Examiner, ledger: Ledger
) -> Archive:
    return Archive(
        store,
        FileStorage(config.storage_url),
        folder,
        examiner.metadata,
        config.uploads,
        changed=ledger.show,
        gone=ledger.drop_target,
        deleted=ledger.gone,
    )


async def _database(config: Config, folder: DataFolder, stack: AsyncExitStack) -> Database:
    uri = config.mongodb.uri
    if uri is None:
        engine = Engine()
        uri = await engine.start(folder)
        stack.push_async_callback(engine.stop)
    database = await persistently(lambda: Database.open(uri, config.mongodb.database))
    stack.callback(database.close)
    return database


def _exchange(parts: Parts, lease_seconds: float) -> Watching | Announcing:
    """What keeps memory right beside other servers."""
    memory = Memory(parts.store, parts.ledger, parts.logs, parts.hub)
    if parts.database.replicated:
        return Watching(parts.database, memory)
    return Announcing(parts.store, memory, parts.hub, parts.ledger.server_id, lease_seconds)

"""The components beneath runs and requests: database, cached records and logs, archive.

They are opened in their order here. What runs pipelines and answers requests is built on them in
`server.app.server`.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from runners.examiner import Examiner
from server.app.examiners import Examiners, open_examiners
from server.archive.archive import Archive
from server.archive.storage import FileStorage
from server.config import Config
from server.core.concurrency import retry_while_unavailable
from server.core.disk.data_folder import DataFolder
from server.core.hub import Hub
from server.core.metrics import Metrics
from server.core.version import version
from server.logs.logs import Logs
from server.logs.reader import LogReader
from server.logs.segments.sealed import SealedLogs
from server.operations import schema
from server.operations.accepted import Accepted
from server.operations.atomicity import check_atomic
from server.operations.start_checks import StartChecks
from server.operations.storage_root import StorageRoot
from server.operations.upgrade import Upgrade
from server.peers.exchange import AnnouncementExchange, ChangeStreamExchange
from server.peers.invalidation import CacheInvalidation
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.driver.connection import Database
from server.store.engine.supervisor import Engine
from server.store.peers.heartbeats import Program


@dataclass(frozen=True, kw_only=True)
class Components:
    """What runs and requests are built on."""

    database: Database
    store: Store
    examiners: Examiners
    hub: Hub
    repository: ProcessRepository
    logs: Logs
    reader: LogReader
    files: FileStorage
    archive: Archive
    metrics: Metrics
    engine: Engine | None


async def open_components(
    config: Config,
    folder: DataFolder,
    stack: AsyncExitStack,
    accepted: Accepted,
    metrics: Metrics,
) -> Components:
    """Open all components in their order, waiting for the database as long as it takes.

    The stack closes them. On return, whatever this server left unfinished in storage has been
    completed or undone.

    :raises StartError: the database does not keep what it is given, or does not fit the files.
    """
    engine = Engine() if config.mongodb.uri is None else None
    database = await _database(config, folder, stack, engine, metrics)
    await _check(config, folder, database, accepted)
    store = await _store(config, database)
    examiners = open_examiners(config, stack)
    hub = Hub()
    repository = ProcessRepository(
        store.processes, hub, folder.server_id, metrics, prefix=config.http.prefix
    )
    await retry_while_unavailable(repository.load)
    files = FileStorage(config.storage_url, config.files.timeout_seconds)
    logs = _logs(config, store, files, hub, metrics)
    archive = _archive(config, folder, store, files, examiners.of_files, repository, hub)
    stack.push_async_callback(archive.rollback.stop)
    components = Components(
        database=database,
        store=store,
        examiners=examiners,
        hub=hub,
        repository=repository,
        logs=logs,
        reader=LogReader(logs),
        files=files,
        archive=archive,
        metrics=metrics,
        engine=engine,
    )
    if config.mongodb.uri is not None:
        await _take_part(components, config, stack)
    await retry_while_unavailable(archive.rollback.resolve_own)
    return components


async def _store(config: Config, database: Database) -> Store:
    """Return the store, which knows whether others use it and whether moves are announced."""
    store = await retry_while_unavailable(lambda: Store.open(database))
    if config.alone:
        await retry_while_unavailable(store.locks.forget)
    else:
        store.note_shared()
    store.processes.marks_moves = config.notifies
    return store


async def _take_part(components: Components, config: Config, stack: AsyncExitStack) -> None:
    """Tell the other servers what changes here, and hear of them, until the stack closes."""
    exchange = _exchange(components, config.leases.lease_seconds)
    await retry_while_unavailable(exchange.start)
    stack.push_async_callback(exchange.stop)


async def _check(
    config: Config, folder: DataFolder, database: Database, accepted: Accepted
) -> None:
    """Refuse to start where what is stored would be lost; nothing has been written before."""
    store = Store(database)
    root = StorageRoot(config.storage_url, config.files.timeout_seconds)
    checks = StartChecks(store, root, accepted)
    if config.alone:
        await retry_while_unavailable(checks.check)
        return
    await retry_while_unavailable(lambda: check_atomic(store.installation, folder.server_id))
    program = Program(version(), schema.newest())
    async with Upgrade(store, folder.server_id, program, config.leases).taking_part():
        await retry_while_unavailable(checks.check)


def _logs(config: Config, store: Store, files: FileStorage, hub: Hub, metrics: Metrics) -> Logs:
    # Half is for the bodies of the logs API. Of the rest, chunks get the most: the database is slow
    # to read them, while blocks are read again quickly.
    part_bytes = config.cache.log_bytes // 8
    sealed = SealedLogs(store.segments, files, part_bytes)
    alone = config.mongodb.uri is None
    return Logs(store.logs, hub, 3 * part_bytes, sealed=sealed, alone=alone, metrics=metrics)


def _archive(
    config: Config,
    folder: DataFolder,
    store: Store,
    files: FileStorage,
    examiner: Examiner,
    repository: ProcessRepository,
    hub: Hub,
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
        prefix=config.http.prefix,
        tell=hub.wake,
        hub=hub,
    )


async def _database(
    config: Config,
    folder: DataFolder,
    stack: AsyncExitStack,
    engine: Engine | None,
    metrics: Metrics,
) -> Database:
    if engine is not None:
        uri = await engine.start(folder)
        stack.push_async_callback(engine.stop)
    else:
        uri = config.mongodb.uri or ""
    database = await retry_while_unavailable(lambda: Database.open(uri, config.mongodb.database))
    database.watch_calls = metrics.database_call
    if engine is not None:
        database.make_room = folder.reserve.give_up
    stack.callback(database.close)
    return database


def _exchange(
    components: Components, lease_seconds: float
) -> ChangeStreamExchange | AnnouncementExchange:
    """Return what keeps memory up to date with what other servers write."""
    invalidation = CacheInvalidation(
        components.store, components.repository, components.logs, components.hub
    )
    server_id = components.repository.server_id
    if components.database.replicated:
        return ChangeStreamExchange(
            components.database, components.store, invalidation, server_id, lease_seconds
        )
    return AnnouncementExchange(components.store, invalidation, server_id, lease_seconds)

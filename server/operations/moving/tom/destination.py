"""Where an old site is brought: the database and the file storage of an installation, to oneself.

They are opened as a server opens them at its start, so that a new data folder is made, and what
would keep a server from starting keeps an import out too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.archive.storage import FileStorage
from server.config import Config
from server.core.disk.data_folder import LOCK_WAIT_SECONDS, DataFolder
from server.core.errors import NotDone
from server.operations.accepted import Accepted
from server.operations.start_checks import StartChecks
from server.operations.storage_root import StorageRoot
from server.operations.upgrade import named, running_servers
from server.store import Store
from server.store.documents import Documents
from server.store.driver.connection import Database
from server.store.driver.reading import MongoDocuments
from server.store.engine.database_file import DatabaseFile, database_path
from server.store.engine.supervisor import Engine

#: How long to wait for a server that is just ending.
LOCK_SECONDS = LOCK_WAIT_SECONDS


@dataclass(frozen=True)
class Destination:
    """An installation that no server uses."""

    store: Store
    files: FileStorage
    incoming: Path


@contextlib.contextmanager
def locked(config: Config) -> Iterator[DataFolder]:
    """Have a data folder, made where there is none, until the block is left.

    :raises StartError: a server uses it.
    """
    folder = DataFolder.open(config.data, LOCK_SECONDS)
    try:
        yield folder
    finally:
        folder.close()


@contextlib.contextmanager
def looked_at(config: Config) -> Iterator[Documents]:
    """Read the database of an installation without a change to it; it may not be there yet.

    :raises StartError: `mongodb.uri` is wrong.
    :raises DamagedDatabase: it is not sound.
    """
    if config.mongodb.uri is not None:
        with MongoDocuments(config.mongodb.uri, config.mongodb.database) as found:
            yield found
        return
    path = database_path(config.data / "database", config.mongodb.database)
    if not path.is_file():
        yield _Nothing()
        return
    with DatabaseFile(path) as database, database.at_one_moment():
        yield database


class _Nothing:
    """A database that is not there."""

    def documents(self, collection: str) -> Iterator[dict[str, object]]:
        """Return no documents."""
        return iter(())

    def get(self, collection: str, pk: int | str) -> None:
        """Return no document."""

    def indexed(self) -> set[tuple[str, str]]:
        """Return no index."""
        return set()


@contextlib.asynccontextmanager
async def opened(config: Config, folder: DataFolder) -> AsyncIterator[Destination]:
    """Open the installation of a locked data folder, until the block is left.

    :raises StartError: no server could start on it.
    :raises NotDone: servers run on its database.
    :raises DatabaseAway: the database does not answer.
    """
    async with contextlib.AsyncExitStack() as stack:
        # What an import that was killed has left takes room, with copies that of whole files.
        await asyncio.to_thread(folder.set_aside)
        await asyncio.to_thread(folder.remove_leftovers)
        database = await _database(config, folder, stack)
        store = Store(database)
        if running := {} if config.alone else await running_servers(store, config.leases):
            raise NotDone(
                f"Servers run on the database ({named(running)}): stop them, import, and start "
                "them again"
            )
        seconds = config.files.timeout_seconds
        root = StorageRoot(config.storage_url, seconds)
        await StartChecks(store, root, Accepted()).check()
        store = await Store.open(database)
        files = FileStorage(config.storage_url, seconds)
        yield Destination(store, files, folder.incoming)


async def _database(
    config: Config, folder: DataFolder, stack: contextlib.AsyncExitStack
) -> Database:
    if config.mongodb.uri is not None:
        database = await Database.open(config.mongodb.uri, config.mongodb.database)
    else:
        engine = Engine()
        uri = await engine.start(folder)
        stack.push_async_callback(engine.stop)
        database = await Database.open(uri, config.mongodb.database)
        database.make_room = folder.reserve.give_up
    stack.callback(database.close)
    return database

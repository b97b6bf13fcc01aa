"""The store: everything that must outlive the server but the bytes of files, in MongoDB.

`database.py` knows the driver and `engine.py` starts the embedded engine; then one module per
collection. Nothing here knows what is done with the records.
"""

from __future__ import annotations

from typing import Self

from server.store.counters import Counters
from server.store.database import Database
from server.store.log_chunks import LogChunks
from server.store.processes import ProcessStore


class Store:
    """All collections of one database."""

    def __init__(self, database: Database) -> None:
        self.counters = Counters(database)
        self.processes = ProcessStore(database)
        self.logs = LogChunks(database)

    @classmethod
    async def open(cls, database: Database) -> Self:
        """The store of a database, all indexes made."""
        store = cls(database)
        for collection in (store.counters, store.processes, store.logs):
            await collection.ensure_indexes()
        return store

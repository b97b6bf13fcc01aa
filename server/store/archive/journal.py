"""What is being stored or deleted, so that it can be finished or undone if the server ends."""

from __future__ import annotations

from dataclasses import dataclass

from server.store.base import load
from server.store.driver.collection import Document
from server.store.driver.connection import Database


@dataclass(frozen=True)
class JournalEntry:
    """Products, groups and keys of files that are being stored or deleted by a server.

    For the outputs of a run, `process` and `attempt` say whose they are, and `series` is that of
    its measurements. `whole` means that the process itself is being deleted. A `series` without a
    process is being imported.
    """

    pk: int
    server: str
    products: list[int]
    keys: list[str]
    group: int | None = None
    process: int | None = None
    attempt: int | None = None
    whole: bool = False
    series: int | None = None


class Journal:
    """All entries. What an entry is about is incomplete, or was completed only just now."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("journal")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("server", "process"):
            await self._collection.ensure_index(field)

    async def insert(self, entry: JournalEntry) -> None:
        """Store a new entry. :raises AlreadyTaken: its PK exists."""
        await self._collection.insert({"_id": entry.pk, **vars(entry)})

    async def of_server(self, server: str) -> list[JournalEntry]:
        """Return the entries of one server."""
        return _entries(await self._collection.find({"server": server}))

    async def of_process(self, process: int) -> list[JournalEntry]:
        """Return the entries of a process's attempts."""
        return _entries(await self._collection.find({"process": process}))

    async def take_over(self, entry: JournalEntry, server: str) -> JournalEntry | None:
        """Move an entry to another server; return None if it is gone, or a third server's."""
        document = await self._collection.change(
            {"_id": entry.pk, "server": entry.server}, set={"server": server}
        )
        return None if document is None else load(JournalEntry, document)

    async def close(self, entry: JournalEntry) -> bool:
        """Delete an entry; return False if it is gone, or another server's by now."""
        return await self._collection.delete({"_id": entry.pk, "server": entry.server}) > 0

    async def delete(self, pk: int) -> None:
        """Delete an entry of any server; a missing one is fine."""
        await self._collection.delete({"_id": pk})

    async def all(self) -> list[JournalEntry]:
        """Return the entries of all servers."""
        return _entries(await self._collection.find({"server": {"$gt": ""}}))


def _entries(documents: list[Document]) -> list[JournalEntry]:
    return [load(JournalEntry, document) for document in documents]

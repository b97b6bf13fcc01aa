"""What is being stored or deleted, so that it can be finished or undone if the server ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.core.records import DataProduct, DataProductGroup
from server.store.base import load
from server.store.driver.collection import Document
from server.store.driver.connection import Database


@dataclass(frozen=True)
class JournalEntry:
    """Products, groups and keys of files that are being stored or deleted by a server.

    For the outputs of a run, `process` and `attempt` say whose they are, and `series` is that of
    its measurements. `whole` means that the process itself is being deleted. `source` is the
    product that the series `series` is being imported from.

    A stretch of a process's log is being sealed if `sealing`; then the key is that of the file, and
    `segment` has the fields of the segment once the file is durable: from then on the sealing is
    finished, before that it is undone. Of a log that goes on, `sealed_attempt` is the one whose
    chunks go.

    A database that is not atomic may hand out a PK twice, so `token` tells an entry from another,
    and `made_by` has the tokens of the entries that stored what this one is about. Entries from
    before there were tokens have none, and go by PKs alone.
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
    source: int | None = None
    sealing: bool = False
    segment: dict[str, Any] | None = None
    sealed_attempt: int | None = None
    token: str = ""
    made_by: list[str] = field(default_factory=list)

    def is_about(self, stored: DataProduct | DataProductGroup) -> bool:
        """Return whether this entry, rather than another, stored or deletes a record of its PKs."""
        return stored.token in self.made_by if self.token else True

    def shares_with(self, other: JournalEntry) -> bool:
        """Return whether another entry is about the same things, or cannot tell."""
        return not (self.token and other.token) or not set(self.made_by).isdisjoint(other.made_by)

    def itself(self) -> Document:
        """Return the filter that finds this entry and no other of its PK."""
        return {"_id": self.pk, **({"token": self.token} if self.token else {})}


class Journal:
    """All entries. What an entry is about is incomplete, or was completed only just now."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("journal")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for indexed in ("server", "process"):
            await self._collection.ensure_index(indexed)

    async def insert(self, entry: JournalEntry) -> None:
        """Store a new entry. :raises AlreadyTaken: its PK exists."""
        await self._collection.insert({"_id": entry.pk, **vars(entry)})

    async def get(self, pk: int) -> JournalEntry | None:
        """Return an entry as it is now, None if it is gone."""
        document = await self._collection.get(pk)
        return None if document is None else load(JournalEntry, document)

    async def decide(self, entry: JournalEntry, segment: dict[str, Any]) -> bool:
        """Have a sealing finished whatever happens; return False if it is another server's by now.

        May be repeated.
        """
        own = entry.itself() | {"server": entry.server}
        return await self._collection.change(own, set={"segment": segment}) is not None

    async def extend(self, entry: JournalEntry) -> bool:
        """Store which products and keys an entry is about by now.

        Return False if it is gone, or another server's by now.
        """
        own = entry.itself() | {"server": entry.server}
        about = {"products": entry.products, "keys": entry.keys}
        return await self._collection.change(own, set=about) is not None

    async def of_server(self, server: str) -> list[JournalEntry]:
        """Return the entries of one server."""
        return _entries(await self._collection.find({"server": server}))

    async def of_process(self, process: int) -> list[JournalEntry]:
        """Return the entries of a process's attempts."""
        return _entries(await self._collection.find({"process": process}))

    async def take_over(self, entry: JournalEntry, server: str) -> JournalEntry | None:
        """Move an entry to another server; return None if it is gone, or a third server's."""
        document = await self._collection.change(
            entry.itself() | {"server": entry.server}, set={"server": server}
        )
        return None if document is None else load(JournalEntry, document)

    async def close(self, entry: JournalEntry) -> bool:
        """Delete an entry; return False if it is gone, or another server's by now."""
        return await self._collection.delete(entry.itself() | {"server": entry.server}) > 0

    async def delete(self, entry: JournalEntry) -> None:
        """Delete an entry, of whichever server by now; a missing one is fine."""
        await self._collection.delete(entry.itself())

    async def all(self) -> list[JournalEntry]:
        """Return the entries of all servers."""
        return _entries(await self._collection.find({"server": {"$gt": ""}}))


def _entries(documents: list[Document]) -> list[JournalEntry]:
    return [load(JournalEntry, document) for document in documents]

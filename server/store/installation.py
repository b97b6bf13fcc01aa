"""What a database says about itself: whose it is, and in which form its documents are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.core.errors import AlreadyTaken
from server.store.base import load
from server.store.documents import Documents
from server.store.driver.connection import Database

_ID, _MIGRATION = "installation", "migration"

#: How many documents a collection has, and a checksum of them, by the collection's name.
Contents = dict[str, list[int | str]]


@dataclass(frozen=True)
class Facts:
    """The id that the database shares with its files, and the version of its schema.

    `compatible_since` is the oldest version that programs must know to live with the database; None
    for its own version, as before this was written.

    `in_storage` is whether the id has been written to the file storage too. `examined_logs` is the
    PK of the last process whose log was looked at for sealing after an upgrade, None once all were.
    `logs_removed_until` and `outputs_removed_until` are the ends of processes, in Unix seconds, up
    to which these have been removed as the retention wants it. `migrating` is a token of the
    migration that fills this database and is not complete, None otherwise.
    """

    id: str
    schema: int
    compatible_since: int | None = None
    in_storage: bool = False
    examined_logs: int | None = None
    logs_removed_until: float = 0.0
    outputs_removed_until: float = 0.0
    migrating: str | None = None


class Installation:
    """The document about the database, and those of migrations and of `operations.atomicity`."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("installation")

    async def ensure_indexes(self) -> None:
        """Make no index: the documents are found by `_id`."""

    async def get(self) -> Facts | None:
        """Return what is known, None in a database that has not been used by a server yet."""
        document = await self._collection.get(_ID)
        return None if document is None else load(Facts, document)

    async def create(self, facts: Facts) -> Facts:
        """Store the facts unless another server has done so before; return what is stored."""
        try:
            await self._collection.insert({"_id": _ID, **vars(facts)})
        except AlreadyTaken:
            return await self.get() or facts
        return facts

    async def change(self, **fields: Any) -> None:
        """Change some of the facts."""
        await self._collection.change({"_id": _ID}, set=fields)

    async def begin_migration(self, facts: Facts, token: str) -> bool:
        """Note that a migration goes on from the facts as they are; return False if they changed.

        May be repeated.
        """
        for known in (facts.migrating, token):
            wanted = {"_id": _ID, "id": facts.id, "migrating": known}
            if await self._collection.change(wanted, set={"migrating": token}) is not None:
                return True
        return False

    async def end_migration(self, facts: Facts, token: str, contents: Contents) -> bool:
        """Note that a migration is complete, and the facts and contents that it has brought.

        Return False if another migration has taken the database over.
        """
        await self._collection.replace({"_id": _MIGRATION, "contents": contents}, upsert=True)
        fields = {**vars(facts), "migrating": None}
        wanted = {"_id": _ID, "migrating": token}
        return await self._collection.change(wanted, set=fields) is not None

    async def migrated(self) -> Contents | None:
        """Return what the last migration has brought, None if none has been completed here."""
        document = await self._collection.get(_MIGRATION)
        return None if document is None else document["contents"]

    async def begin_trial(self, server: str, trial: str) -> None:
        """Store a document of this server to count on, in place of that of an earlier trial."""
        await self._collection.replace({"_id": _trial(server), "trial": trial, "n": 0}, upsert=True)

    async def count(self, server: str, trial: str) -> int | None:
        """Add 1 in the document of a trial and return the new number."""
        wanted = {"_id": _trial(server), "trial": trial}
        document = await self._collection.change(wanted, inc={"n": 1})
        return None if document is None else document["n"]

    async def end_trial(self, server: str) -> int | None:
        """Return the number that is stored, and delete the document."""
        document = await self._collection.get(_trial(server))
        await self._collection.delete({"_id": _trial(server)})
        return None if document is None else document["n"]


def facts_of(documents: Documents) -> Facts | None:
    """Return what a database says about itself, None if no server has used it yet."""
    document = documents.get("installation", _ID)
    return None if document is None else load(Facts, document)


def _trial(server: str) -> str:
    return f"trial-{server}"

"""The database that is filled: whether it may be, and the mark by which others know it meanwhile.

The mark is the first thing that is written and the last that is removed. No server starts on a
database that has it, and only the same installation goes on filling it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from server.config.sections import Leases
from server.core.errors import NotDone, StartError
from server.operations.atomicity import check_atomic
from server.operations.keeping.layout import Progress
from server.operations.moving.contents import Digest, canonical
from server.operations.moving.source import INSTALLATION, PASSING
from server.operations.upgrade import named, running_servers
from server.store import Store
from server.store.documents import Document
from server.store.driver.connection import Database
from server.store.driver.reading import MongoDocuments
from server.store.installation import Contents, Facts

#: How many collections a sentence names.
_MOST_NAMED = 5
#: Documents that are read at once.
_AT_ONCE = 50
_SCHEMES = ("mongodb://", "mongodb+srv://")


@dataclass
class Target:
    """A database that answers, through the collections of the store and read as a whole."""

    database: Database
    reading: MongoDocuments
    store: Store

    @property
    def name(self) -> str:
        """The name of the database."""
        return self.reading.name

    def collections(self) -> set[str]:
        """Return the names of the collections that are the migration's, with documents in them."""
        return self.reading.collections() - PASSING - {INSTALLATION}

    def documents(self, collection: str) -> Iterator[Document]:
        """Iterate over the documents of a collection."""
        return self.reading.documents(collection, _AT_ONCE)

    def digests(self, collections: Iterable[str], progress: Progress) -> dict[str, Digest]:
        """Read collections and return what each of them has."""
        found = {name: Digest() for name in collections}
        done = 0
        for name, digest in found.items():
            for document in self.documents(name):
                digest.add(canonical(document))
                done += 1
                progress("Comparing records", done, None)
        return found

    async def admit(self, wanted: Facts, leases: Leases, progress: Progress) -> Facts | None:
        """Return what the database says about itself, None if it is empty; nothing is written.

        :raises NotDone: it holds something that is not of this migration, or servers run on it.
        """
        found = await self.store.installation.get()
        if found is None:
            # A trial, or a heartbeat, of somebody who was killed right after it is nothing yet.
            self._refuse(self.collections())
        elif found.id != wanted.id:
            raise NotDone(
                f"The database {self.name} belongs to another installation: name an empty one"
            )
        await self.check_no_server(leases)
        if found is not None:
            await self._check_ours(found, progress)
        return found

    async def check_no_server(self, leases: Leases) -> None:
        """Raise NotDone if servers run on the database."""
        if running := await running_servers(self.store, leases):
            raise NotDone(
                f"Servers run on the database {self.name} ({named(running)}): it is theirs now, "
                "and nothing is written to it"
            )

    async def mark(self, wanted: Facts, found: Facts | None, leases: Leases) -> str:
        """Mark the database as not complete, and return the token of the mark.

        :raises NotDone: a server, or another migration, was faster.
        """
        token = f"m{secrets.token_hex(8)}"
        if found is None:
            await check_atomic(self.store.installation, "migration")
            marked = replace(wanted, migrating=token)
            ours = (await self.store.installation.create(marked)).migrating == token
        else:
            ours = await self.store.installation.begin_migration(found, token)
        if not ours:
            raise NotDone(f"Somebody else has just begun to use the database {self.name}")
        if found is not None and found.migrating is None:
            await self._check_again(wanted, token, leases)
        return token

    async def finish(self, facts: Facts, token: str, contents: Contents) -> None:
        """Remove the mark. :raises NotDone: another migration has taken the database over."""
        if not await self.store.installation.end_migration(facts, token, contents):
            raise NotDone(
                f"Another migration has taken over the database {self.name}: only one can fill it"
            )

    async def _check_again(self, wanted: Facts, token: str, leases: Leases) -> None:
        """Look for a server that has started just before the mark was there."""
        try:
            await self.check_no_server(leases)
        except BaseException:
            contents = await self.store.installation.migrated() or {}
            await self.store.installation.end_migration(wanted, token, contents)
            raise

    async def _check_ours(self, found: Facts, progress: Progress) -> None:
        """Refuse a database in which there is anything that a migration has not brought."""
        if found.migrating is not None:
            self._refuse(self.collections() - _known())
            return
        brought = await self.store.installation.migrated()
        if brought is None:
            raise NotDone(
                f"The database {self.name} was not filled by a migration: name an empty one"
            )
        there = self.digests(self.collections(), progress)
        now = {name: digest.stored() for name, digest in there.items()}
        if now != {name: each for name, each in brought.items() if each[0]}:
            raise NotDone(
                f"The database {self.name} has changed since it was migrated: nothing is written "
                "to it, so that nothing is lost; name an empty one to migrate again"
            )

    def _refuse(self, foreign: set[str]) -> None:
        """Raise NotDone if there are collections that are not ours."""
        if foreign:
            names = sorted(foreign)
            more = ", …" if len(names) > _MOST_NAMED else ""
            raise NotDone(
                f"The database {self.name} holds something else already "
                f"({', '.join(names[:_MOST_NAMED])}{more}): name an empty one, in the URI or as "
                "mongodb.database"
            )


@contextlib.asynccontextmanager
async def connected(uri: str, name: str) -> AsyncIterator[Target]:
    """Be connected to a database until the block is left.

    :raises NotDone: the URI cannot be used; no part of it is in the sentence.
    :raises DatabaseAway: nobody answers.
    """
    if not uri.startswith(_SCHEMES):
        raise NotDone("--to wants the URI of a MongoDB, which begins with mongodb://")
    try:
        with MongoDocuments(uri, name) as reading:
            database = await Database.open(uri, name)
            try:
                yield Target(database, reading, Store(database))
            finally:
                database.close()
    except StartError as error:
        raise NotDone(str(error).replace("mongodb.uri", "The URI of the database", 1)) from error


def _known() -> set[str]:
    """Return the names of all collections that the store knows."""
    recorder = _Recorder()
    Store(cast(Database, recorder))
    return recorder.names


class _Recorder:
    """A database that only notes which collections are asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def collection(self, name: str) -> Any:
        """Return a collection, with which nothing is done."""
        self.names.add(name)

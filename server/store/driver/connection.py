"""Connects to MongoDB or to the embedded engine, and watches what changes in a collection.

Reading and writing documents is left to `collection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import errors
from pymongo.errors import OperationFailure, PyMongoError

from server.core.errors import HeliographError, StartError
from server.store.driver.collection import CallWatch, Collection, Document
from server.store.driver.errors import AUTHENTICATION_FAILED, translated

SELECTION_SECONDS = 2.0
#: Also the limit for heartbeats: one that is late cancels all operations, so not too short.
CONNECT_SECONDS = 10.0
SOCKET_SECONDS = 20.0

#: What a change stream reports: which document has changed and its version, not the new values.
_WATCHED = [
    {
        "$project": {
            "operationType": 1,
            "documentKey": 1,
            "fullDocument.version": 1,
            "updateDescription.updatedFields.version": 1,
        }
    }
]


class Database:
    """A connection pool to one database."""

    def __init__(self, client: AsyncIOMotorClient[Document], name: str, replicated: bool) -> None:
        self._client = client
        self._database = client.get_default_database(default=name)
        #: Whether the server is a replica set or a mongos, and so has change streams.
        self.replicated = replicated
        #: Called when the database's disk is full, if it is this machine's, before another try.
        self.make_room: Callable[[], object] | None = None
        #: Is told of the calls of all collections that are asked for from now on.
        self.watch_calls: CallWatch | None = None

    @classmethod
    async def open(cls, uri: str, name: str = "heliograph") -> Database:
        """Connect; a database named in the URI wins over `name`.

        :raises DatabaseAway: no server answers within the time-outs.
        :raises StartError: the URI or its credentials are wrong.
        """
        client = _client(uri)
        try:
            return cls(client, name, replicated=await _replicated(client))
        except BaseException:
            client.close()
            raise

    async def ping(self) -> None:
        """Check that the server answers. :raises DatabaseAway: it does not."""
        try:
            await self._client.admin.command("ping")
        except PyMongoError as error:
            raise translated(error, "admin") from error

    def collection(self, name: str) -> Collection:
        """Return the collection of this name, which the first write creates."""
        return Collection(self._database[name], name, self._made_room, self.watch_calls)

    async def size_bytes(self) -> int:
        """Return what the database takes on its disk, indexes too. MongoDB only."""
        try:
            found = await self._database.command("dbStats")
        except PyMongoError as error:
            raise translated(error, self._database.name) from error
        return int(found.get("storageSize", 0)) + int(found.get("indexSize", 0))

    def _made_room(self) -> bool:
        if self.make_room is None:
            return False
        self.make_room()
        return True

    @asynccontextmanager
    async def watch(self, name: str) -> AsyncIterator[AsyncIterator[tuple[int, int | None]]]:
        """Watch a collection: iterate over the `_id` and new `version`, if any, of each change.

        Only where the server is `replicated`. Ends with an error when the connection does.
        """
        stream = self._database[name].watch(_WATCHED)
        try:
            await stream.try_next()  # opens it
            yield _changes(stream)
        except PyMongoError as error:
            raise translated(error, name) from error
        finally:
            await stream.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _client(uri: str) -> AsyncIOMotorClient[Document]:
    try:
        return AsyncIOMotorClient(uri, io_loop=asyncio.get_running_loop(), **_options())
    except (errors.ConfigurationError, ValueError) as error:  # InvalidURI is one
        raise StartError(f"mongodb.uri cannot be used: {error}") from error


def _options() -> dict[str, Any]:
    """Return the options of a client, by the names that they have in a URI as well."""
    return {
        "appname": "heliograph",
        "w": "majority",
        "journal": True,
        "serverSelectionTimeoutMS": round(SELECTION_SECONDS * 1000),
        "connectTimeoutMS": round(CONNECT_SECONDS * 1000),
        "socketTimeoutMS": round(SOCKET_SECONDS * 1000),
        "waitQueueTimeoutMS": round(SOCKET_SECONDS * 1000),
    }


async def _replicated(client: AsyncIOMotorClient[Document]) -> bool:
    try:
        hello = await client.admin.command("hello")
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            why = (error.details or {}).get("errmsg", "authentication failed")
            raise StartError(f"mongodb.uri cannot be used: {why}") from error
        raise _refusal(error) from error
    except PyMongoError as error:
        raise _refusal(error) from error
    return "setName" in hello or hello.get("msg") == "isdbgrid"


def _refusal(error: PyMongoError) -> Exception:
    """Return what a failed first command means: it may work later, or it never will."""
    meant = translated(error, "admin")
    if isinstance(meant, HeliographError):
        return meant
    # It is too old (ConfigurationError), lacks the command, or answers by something else.
    return StartError(
        "mongodb.uri: this database cannot be used: it does not answer as MongoDB 4.4 or newer "
        "does; use such a one, or leave mongodb.uri out for the embedded engine"
    )


async def _changes(stream: Any) -> AsyncIterator[tuple[int, int | None]]:
    async for change in stream:
        fields: dict[str, Any] = {}
        if change["operationType"] != "delete":
            fields |= change.get("fullDocument") or {}
            fields |= (change.get("updateDescription") or {}).get("updatedFields") or {}
        yield int(change["documentKey"]["_id"]), fields.get("version")

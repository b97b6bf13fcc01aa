"""The one file that knows the driver: connects to MongoDB or to the embedded engine.

Offers the small dialect that both engines speak (single-field indexes, whole values set, counters
incremented, no arrays grown in place) and turns the driver's errors into the domain's. What the
documents mean is left to the other modules of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import errors
from pymongo.errors import OperationFailure, PyMongoError

from server.core.errors import StartError
from server.store.driver.collection import Collection, Document
from server.store.driver.errors import AUTHENTICATION_FAILED, translated


class Database:
    """A connection pool to one database."""

    def __init__(self, client: AsyncIOMotorClient[Document], name: str, replicated: bool) -> None:
        self._client = client
        self._database = client.get_default_database(default=name)
        #: Whether the server is a replica set or a mongos, and so has change streams.
        self.replicated = replicated

    @classmethod
    async def open(cls, uri: str, name: str = "heliograph") -> Database:
        """Connect; a database named in the URI wins over `name`.

        :raises DatabaseAway: nobody answers within the time-outs.
        :raises StartError: the URI or its credentials are wrong.
        """
        client = _client(uri)
        try:
            return cls(client, name, replicated=await _replicated(client))
        except BaseException:
            client.close()
            raise

    async def ping(self) -> None:
        """Ask for an answer. :raises DatabaseAway: there was none."""
        try:
            await self._client.admin.command("ping")
        except PyMongoError as error:
            raise translated(error, "admin") from error

    def collection(self, name: str) -> Collection:
        """The collection of this name, made by the first write."""
        return Collection(self._database[name], name)

    @asynccontextmanager
    async def watch(self, name: str) -> AsyncIterator[AsyncIterator[tuple[int, int | None]]]:
        """What changes in a collection from now on: `_id`s, and the `version` that is set, if any.

        Only where the server is `replicated`. Ends with an error when the connection does.
        """
        stream = self._database[name].watch(WATCHED)
        try:
            await stream.try_next()  # opens it
            yield changes(stream)
        except PyMongoError as error:
            raise translated(error, name) from error
        finally:
            await stream.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _client(uri: str) -> AsyncIOMotorClient[Document]:
    try:
        return AsyncIOMotorClient(uri, io_loop=asyncio.get_running_loop(), **client_options())
    except (errors.ConfigurationError, ValueError) as error:  # InvalidURI is one
        raise StartError(f"mongodb.uri cannot be used: {error}") from error


async def _replicated(client: AsyncIOMotorClient[Document]) -> bool:
    try:
        hello = await client.admin.command("hello")
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            raise StartError(f"mongodb.uri cannot be used: {error}") from error
        raise translated(error, "admin") from error
    except PyMongoError as error:
        raise translated(error, "admin") from error
    return "setName" in hello or hello.get("msg") == "isdbgrid"


SELECTION_SECONDS = 2.0
#: For heartbeats as well: one that is late cancels everything under way, so not too short.
CONNECT_SECONDS = 10.0
SOCKET_SECONDS = 20.0


def client_options() -> dict[str, Any]:
    """The options of a client, by the names that they have in a URI as well."""
    return {
        "appname": "heliograph",
        "w": "majority",
        "journal": True,
        "serverSelectionTimeoutMS": round(SELECTION_SECONDS * 1000),
        "connectTimeoutMS": round(CONNECT_SECONDS * 1000),
        "socketTimeoutMS": round(SOCKET_SECONDS * 1000),
        "waitQueueTimeoutMS": round(SOCKET_SECONDS * 1000),
    }


#: Of a change, what tells what was changed, without what it was changed to.
WATCHED = [
    {
        "$project": {
            "operationType": 1,
            "documentKey": 1,
            "fullDocument.version": 1,
            "updateDescription.updatedFields.version": 1,
        }
    }
]


async def changes(stream: Any) -> AsyncIterator[tuple[int, int | None]]:
    """The `_id` of each change of a stream of `WATCHED`, and the `version` set, if any."""
    async for change in stream:
        fields: dict[str, Any] = {}
        if change["operationType"] != "delete":
            fields |= change.get("fullDocument") or {}
            fields |= (change.get("updateDescription") or {}).get("updatedFields") or {}
        yield int(change["documentKey"]["_id"]), fields.get("version")

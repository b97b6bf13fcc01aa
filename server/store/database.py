"""The one file that knows the driver: connects to MongoDB or to the embedded engine.

Offers the small dialect that both engines speak (single-field indexes, whole values set, counters
incremented, no arrays grown in place) and turns the driver's errors into the domain's. What the
documents mean is left to the other modules of the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ReturnDocument, errors
from pymongo.errors import OperationFailure, PyMongoError

from server.errors import DatabaseAway, HeliographError, StartError
from server.store.change_stream import WATCHED, changes
from server.store.client_options import client_options
from server.store.error_codes import AUTHENTICATION_FAILED, meaning

Document = dict[str, Any]
T = TypeVar("T")

#: How many documents one answer of the server carries at most, and one `$in` names.
_BATCH = 1_000


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


class Collection:
    """The whole dialect. Every filter names one indexed field, or `_id`, and what else must hold.

    All methods raise DatabaseAway and NoRoom, the writing ones AlreadyTaken for a unique value that
    another document has.
    """

    def __init__(self, collection: AsyncIOMotorCollection[Document], name: str) -> None:
        self._collection = collection
        self.name = name

    async def insert(self, document: Document) -> None:
        """Store one new document."""
        await self._call("insert", lambda: self._collection.insert_one(document))

    async def insert_many(self, documents: Sequence[Document]) -> None:
        """Store new documents in order; not atomic, an error leaves those before it stored."""
        if documents:
            await self._call("insert_many", lambda: self._collection.insert_many(documents))

    async def get(self, pk: int | str) -> Document | None:
        """The document with this `_id`."""
        return await self._call("get", lambda: self._collection.find_one({"_id": pk}))

    async def get_many(self, pks: Iterable[int | str]) -> list[Document]:
        """The documents with these `_id`s in the order asked for; missing ones are left out."""
        asked = list(pks)
        found: dict[int | str, Document] = {}
        for start in range(0, len(asked), _BATCH):
            wanted = {"_id": {"$in": asked[start : start + _BATCH]}}
            found |= {document["_id"]: document for document in await self.find(wanted)}
        return [found[pk] for pk in asked if pk in found]

    async def find(
        self,
        filter: Mapping[str, Any],
        sort: tuple[str, int] | None = None,
        limit: int = 0,
        fields: Sequence[str] | None = None,
    ) -> list[Document]:
        """All documents that match, at most `limit` if that is not 0, with these fields or all."""

        def work() -> Awaitable[list[Document]]:
            cursor = self._collection.find(
                filter,
                projection=None if fields is None else dict.fromkeys(fields, 1),
                sort=None if sort is None else [sort],
                limit=limit,
                batch_size=_BATCH,
            )
            return cursor.to_list(None)

        return await self._call("find", work)

    async def change(
        self,
        filter: Mapping[str, Any],
        set: Mapping[str, Any] | None = None,
        inc: Mapping[str, int] | None = None,
        unset: Iterable[str] = (),
        sort: tuple[str, int] | None = None,
        upsert: bool = False,
    ) -> Document | None:
        """Change one document that matches, atomically, and return it as it is then.

        None when nothing matched. With `upsert` a document made of the filter is changed then.
        """
        update = {"$set": set, "$inc": inc, "$unset": dict.fromkeys(unset, "")}
        return await self._call(
            "change",
            lambda: self._collection.find_one_and_update(
                filter,
                {operator: fields for operator, fields in update.items() if fields},
                sort=None if sort is None else [sort],
                upsert=upsert,
                return_document=ReturnDocument.AFTER,
            ),
        )

    async def replace(self, document: Document, upsert: bool = False) -> bool:
        """Put the document in the place of the one with its `_id`; whether there was one."""
        result = await self._call(
            "replace",
            lambda: self._collection.replace_one({"_id": document["_id"]}, document, upsert=upsert),
        )
        return result.matched_count > 0

    async def delete(self, filter: Mapping[str, Any]) -> int:
        """Delete all documents that match and return how many there were."""
        result = await self._call("delete", lambda: self._collection.delete_many(filter))
        return result.deleted_count

    async def ensure_index(self, field: str, unique: bool = False) -> None:
        """Make an index on one field unless there is one."""
        await self._call(
            "ensure_index", lambda: self._collection.create_index([(field, 1)], unique=unique)
        )

    async def _call(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        # Every operation comes through here: tests let it fail, wait, or act and then fail.
        try:
            return await work()
        except PyMongoError as error:
            raise translated(error, self.name) from error


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


def translated(error: PyMongoError, collection: str) -> HeliographError | PyMongoError:
    """The domain's error for one of the driver's, or the same error where there is none."""
    said = str(error).lower()
    if meant := meaning(_codes(error), said, collection):
        return meant
    if isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError):
        return DatabaseAway()
    if isinstance(error, errors.InvalidOperation) and "after close" in said:
        return DatabaseAway()  # while the server stops, requests still come in
    return error


def _codes(error: PyMongoError) -> set[int]:
    if isinstance(error, errors.BulkWriteError):
        details = error.details or {}
        complaints = details.get("writeErrors", []) + details.get("writeConcernErrors", [])
        return {complaint.get("code", 0) for complaint in complaints}
    if isinstance(error, OperationFailure) and error.code is not None:
        return {error.code}
    return set()

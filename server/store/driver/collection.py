"""One collection, in the small dialect that MongoDB and the embedded engine both speak.

Single-field indexes, whole values set, counters incremented, no arrays grown in place. What the
documents mean is left to the collections of the store.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from server.core.errors import AlreadyTaken, DatabaseAway, NoRoom
from server.store.driver.errors import translated

#: How many documents one answer of the server carries at most, and one `$in` names.
_BATCH = 1_000
#: How often a document is made, found made by another, and found deleted, before that is a failure.
_ADD_TRIES = 10

Document = dict[str, Any]
#: Is told of each call: its name, how many seconds it took, and whether it succeeded.
CallWatch = Callable[[str, float, bool], None]
T = TypeVar("T")


class Collection:
    """The whole dialect. Every filter names one indexed field, or `_id`, and what else must hold.

    All methods raise DatabaseAway and NoRoom; those that write also raise AlreadyTaken for a unique
    value that another document has.
    """

    def __init__(
        self,
        collection: AsyncIOMotorCollection[Document],
        name: str,
        made_room: Callable[[], bool] = lambda: False,
        watch: CallWatch | None = None,
    ) -> None:
        self._collection = collection
        self.name = name
        self._made_room = made_room
        self._watch = watch or _unwatched

    async def insert(self, document: Document) -> None:
        """Store one new document."""
        await self._call("insert", lambda: self._collection.insert_one(document))

    async def insert_many(self, documents: Sequence[Document]) -> None:
        """Store new documents in order; not atomic, an error leaves those before it stored."""
        if documents:
            await self._call("insert_many", lambda: self._collection.insert_many(documents))

    async def get(self, pk: int | str) -> Document | None:
        """Return the document with this `_id`."""
        return await self._call("get", lambda: self._collection.find_one({"_id": pk}))

    async def get_many(self, pks: Iterable[int | str]) -> list[Document]:
        """Return the documents with these `_id`s in the order asked for, without missing ones."""
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
        """Return the documents that match, at most `limit` unless that is 0.

        `fields` names those to read; without it, they are complete.
        """

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
        """Change one document that matches, atomically, and return its new state.

        Return None if nothing matches; with `upsert`, change a document made of the filter then,
        and rely on no answer: some engines give none to an upsert that another one has overtaken.
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

    async def add_to(
        self, pk: int | str, field: str, number: int, set: Mapping[str, Any] | None = None
    ) -> int:
        """Add to a number in a document, made where it is missing; return the new number.

        Without an upsert, as not every engine answers each of several at once with the document.
        """
        for _ in range(_ADD_TRIES):
            changed = await self.change({"_id": pk}, set=set, inc={field: number})
            if changed is not None:
                return int(changed[field])
            try:
                await self.insert({"_id": pk, **(set or {}), field: number})
            except AlreadyTaken:  # another caller was faster
                continue
            return number
        raise DatabaseAway

    async def replace(self, document: Document, upsert: bool = False) -> bool:
        """Replace the document with the same `_id`; return whether there was one."""
        result = await self._call(
            "replace",
            lambda: self._collection.replace_one({"_id": document["_id"]}, document, upsert=upsert),
        )
        return result.matched_count > 0

    async def delete(self, filter: Mapping[str, Any]) -> int:
        """Delete all documents that match and return how many there were."""
        result = await self._call("delete", lambda: self._collection.delete_many(filter))
        return result.deleted_count

    async def delete_many(self, pks: Iterable[int | str]) -> None:
        """Delete the documents with these `_id`s; missing ones are fine."""
        asked = list(pks)
        for start in range(0, len(asked), _BATCH):
            await self.delete({"_id": {"$in": asked[start : start + _BATCH]}})

    async def ensure_index(self, field: str, unique: bool = False) -> None:
        """Create an index on one field unless it exists."""
        await self._call(
            "ensure_index", lambda: self._collection.create_index([(field, 1)], unique=unique)
        )

    async def _call(self, operation: str, work: Callable[[], Awaitable[T]]) -> T:
        # Every operation passes here: tests make it fail, wait, or succeed and then fail.
        started, succeeded = time.monotonic(), False
        try:
            result = await self._tried(work)
            succeeded = True
            return result
        except AlreadyTaken:
            succeeded = True  # it is the answer to a question
            raise
        finally:
            self._watch(operation, time.monotonic() - started, succeeded)

    async def _tried(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        except PyMongoError as error:
            meant = translated(error, self.name)
            if not (isinstance(meant, NoRoom) and self._made_room()):
                raise meant from error
        # A full disk has undone the operation, so it may be repeated.
        try:
            return await work()
        except PyMongoError as error:
            raise translated(error, self.name) from error


def _unwatched(_call: str, _seconds: float, _succeeded: bool) -> None:
    """Take no notice of a call."""

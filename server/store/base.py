"""What the collections of plain records share: one record by its PK, many of them, a page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.core.errors import NotFound
from server.core.records import Record
from server.store.driver.collection import Document
from server.store.driver.connection import Database

R = TypeVar("R", bound=Record)

#: Room for the PKs of one target's products in an index key.
PK_RANGE = 2**32


class RecordCollection(Generic[R]):
    """A collection of records of one kind; `pk` is a field too, as a range on `_id` scans."""

    #: How a missing one is called in NotFound.
    kind: str
    record: type[R]
    #: The name of the collection.
    name: str

    def __init__(self, database: Database) -> None:
        self._collection = database.collection(self.name)

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods upper_bound need."""
        await self._collection.ensure_index("pk")

    async def get(self, pk: int) -> R:
        """One record. :raises NotFound: there is none."""
        document = await self._collection.get(pk)
        if document is None:
            raise NotFound(self.kind, pk)
        return self.record.from_document(document)

    async def get_many(self, pks: Iterable[int]) -> list[R]:
        """The records in the order asked for; missing ones are left out."""
        return self._records(await self._collection.get_many(pks))

    async def delete(self, pk: int) -> None:
        """Delete a record; a missing one is fine."""
        await self._collection.delete({"_id": pk})

    async def _page(self, field: str, low: int, high: int, limit: int) -> Page[R]:
        """The newest with `low` < field < `high`, `field` being the PK or ending in it."""
        # One more than asked for tells whether there is a next page.
        found = await self._collection.find(
            {field: {"$gt": low, "$lt": high}}, sort=(field, -1), limit=limit + 1
        )
        more = len(found) > limit
        return Page(self._records(found[:limit]), found[limit - 1]["pk"] if more else None)

    def _records(self, documents: Iterable[Document]) -> list[R]:
        return [self.record.from_document(document) for document in documents]


def upper_bound(pk: int | None) -> int:
    """The upper end of a range of PKs that ends before this one, if there is one."""
    return PK_RANGE if pk is None else min(pk, PK_RANGE)


T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items newest first; `next` is the `before` of the following page, None on the last."""

    items: list[T]
    next: int | None

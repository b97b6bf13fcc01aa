"""What the collections share: records by PK, pages of them, and keys for indexes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from server.core.errors import NotFound
from server.core.records import KEY_RANGE, Record
from server.store.driver.collection import Collection, Document
from server.store.driver.connection import Database

R = TypeVar("R", bound=Record)
T = TypeVar("T")

#: How many documents are made records in one go.
_READ_AT_ONCE = 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """Items newest first; `next` is the `before` of the following page, None on the last."""

    items: list[T]
    next: int | None


class RecordCollection(Generic[R]):
    """A collection of records of one kind; `pk` is a field too, as a range on `_id` scans."""

    #: What NotFound calls a record.
    kind: str
    record: type[R]
    #: The name of the collection.
    name: str

    def __init__(self, database: Database) -> None:
        self._collection = database.collection(self.name)

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("pk")

    async def get(self, pk: int) -> R:
        """Return one record. :raises NotFound: there is no such record."""
        document = await self._collection.get(pk)
        if document is None:
            raise NotFound(self.kind, pk)
        return self.record.from_document(document)

    async def get_many(self, pks: Iterable[int]) -> list[R]:
        """Return the records in the order asked for, without those that are missing."""
        documents, found = await self._collection.get_many(pks), list[R]()
        for start in range(0, len(documents), _READ_AT_ONCE):
            if start:  # a group may have 10,000 files: others get their turn meanwhile
                await asyncio.sleep(0)
            found += self._records(documents[start : start + _READ_AT_ONCE])
        return found

    async def delete(self, pk: int) -> None:
        """Delete a record; a missing one is fine."""
        await self._collection.delete({"_id": pk})

    async def _page(self, field: str, low: int, high: int, limit: int) -> Page[R]:
        """Return the newest with `low` < field < `high`, `field` being the PK or ending in it."""
        # One more than asked for tells whether there is a next page.
        found = await self._collection.find(
            {field: {"$gt": low, "$lt": high}}, sort=(field, -1), limit=limit + 1
        )
        more = len(found) > limit
        return Page(self._records(found[:limit]), found[limit - 1]["pk"] if more else None)

    def _records(self, documents: Iterable[Document]) -> list[R]:
        return [self.record.from_document(document) for document in documents]


def upper_bound(pk: int | None) -> int:
    """Return the exclusive end of a range of PKs: this PK, or the end of all PKs for None."""
    return KEY_RANGE if pk is None else min(pk, KEY_RANGE)


def text_key(text: str) -> str:
    """Return a text as an index key, which the embedded engine does not take for a date."""
    return f"={text}"


async def taken_texts(collection: Collection, field: str, texts: Iterable[str]) -> set[str]:
    """Return those of the texts that some document has as the index key in this field."""
    by_key = {text_key(text): text for text in texts}
    found = await collection.find({field: {"$in": list(by_key)}}, fields=(field,))
    return {by_key[document[field]] for document in found}


def load(kind: type[T], document: Document) -> T:
    """Return the dataclass of this kind that a document holds; what it lacks is the default."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: document[name] for name in names if name in document})

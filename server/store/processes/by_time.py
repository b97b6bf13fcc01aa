"""Process records by the time of their submission, page by page, along the index of `created`.

Clocks are set, and those of servers differ, so this order may differ from that of the PKs. The
cursor is a PK nevertheless: it stands for the time of that process.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from server.core.records import ProcessRecord
from server.store.base import Page
from server.store.driver.collection import Collection, Document

#: How many documents one page may examine before it is returned, however short it is.
EXAMINED_LIMIT = 5_000
_BATCH = 500


class Span(NamedTuple):
    """When processes were submitted, in Unix seconds; both ends are within, None is open."""

    since: float | None = None
    until: float | None = None

    @property
    def open(self) -> bool:
        """Whether every process is within."""
        return self.since is None and self.until is None

    def holds(self, document: Document) -> bool:
        """Return whether the process of a document was submitted within."""
        created: float = document["created"]
        return (self.since or 0.0) <= created and (self.until is None or created <= self.until)


async def find_page_by_time(
    collection: Collection,
    span: Span,
    matches: Callable[[Document], bool],
    before: int | None,
    limit: int,
) -> Page[ProcessRecord]:
    """Return a page of what was submitted within the span and matches, the newest first."""
    matching: list[Document] = []
    examined = 0
    async with aclosing(_newest_first(collection, span, before, limit + 1)) as documents:
        async for document in documents:
            if matches(document):
                matching.append(document)
            if len(matching) > limit:
                return _page(matching[:limit], matching[limit - 1]["pk"])
            examined += 1
            if examined >= EXAMINED_LIMIT:
                return _page(matching, document["pk"])
    return _page(matching, None)


async def _newest_first(
    collection: Collection, span: Span, before: int | None, batch: int
) -> AsyncGenerator[Document, None]:
    """Yield the documents of the span behind the cursor, by time and then PK, both descending."""
    low: dict[str, Any] = {"$gte": span.since or 0.0}
    high: dict[str, Any] = {} if span.until is None else {"$lte": span.until}
    if before is not None:
        if (time := await _time_of(collection, before)) is None:
            return
        if span.until is None or time <= span.until:
            for document in await _at(collection, time):
                if document["pk"] < before and span.holds(document):
                    yield document
            high = {"$lt": time}
    while True:
        found = await collection.find({"created": low | high}, sort=("created", -1), limit=batch)
        full = len(found) == batch
        edge = found[-1]["created"] if full else None
        # Of several with the time of the last one, the engine may have returned any.
        for document in _sorted(each for each in found if each["created"] != edge):
            yield document
        if edge is None:
            return
        for document in await _at(collection, edge):
            yield document
        high, batch = {"$lt": edge}, max(batch, _BATCH)


async def _at(collection: Collection, time: float) -> list[Document]:
    return _sorted(await collection.find({"created": {"$gte": time, "$lte": time}}))


async def _time_of(collection: Collection, pk: int) -> float | None:
    """Return when the process was submitted, or the one before it if it is deleted by now."""
    found = await collection.find(
        {"pk": {"$gt": 0, "$lte": pk}}, sort=("pk", -1), limit=1, fields=("created",)
    )
    return float(found[0]["created"]) if found else None


def _sorted(documents: Any) -> list[Document]:
    return sorted(documents, key=lambda each: (each["created"], each["pk"]), reverse=True)


def _page(documents: list[Document], next_pk: int | None) -> Page[ProcessRecord]:
    return Page([ProcessRecord.from_document(each) for each in documents], next_pk)

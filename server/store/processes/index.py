"""How process records are found page by page: their index keys, and reading along an index.

The embedded engine uses single-field indexes only, so a query's condition and the PK share a field.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from server.core.records import KEY_RANGE, LARGEST_PK, ProcessRecord, State
from server.store.base import Page, text_key
from server.store.driver.collection import Collection, Document
from server.store.processes.by_time import EXAMINED_LIMIT, Span, find_page_by_time

_LARGEST_BATCH = 500
#: A log that takes less than this in chunks stays there: a file of its own, with what is kept of it
#: in the database, would take as much, and an inode. A line takes as much at most beside its text.
SEALED_BYTES = 16_384
LINE_BYTES = 300

#: The distance of two turns in the queue: room for all PKs. It is in what is stored, so it never
#: changes.
TURN = LARGEST_PK + 1
#: The turn when nothing waits or runs. There is as much room for moves to the front below it as
#: there are turns above it in 64 bits.
FIRST_TURN = 2**31

#: Where words are searched.
_READ_BY_PEOPLE = ("identifier", "pipeline", "state", "status", "failure_message")
ALWAYS = Span()

#: Reads the newest documents with a PK below the first number; the second is how many at most.
_Source = Callable[[int, int], Awaitable[list[Document]]]


def index_keys(record: ProcessRecord) -> dict[str, Any]:
    """Return the fields that a new record's document has for the indexes only."""
    keys: dict[str, Any] = {
        "by_identifier": text_key(record.identifier),
        "by_target": record.target * KEY_RANGE + record.pk,
        "by_pipeline": _ending_in_pk(text_key(record.pipeline), record.pk),
    }
    if record.state is State.QUEUED:
        keys |= queue_keys(record.pk, record.place)
    if record.state.ended:
        keys["ended"] = ended_key(record.state, record.pk)
    return keys


def document_of(record: ProcessRecord) -> dict[str, Any]:
    """Return the document of a process that has ended when it is stored."""
    document = record.to_document()
    return document | index_keys(record) | end_keys(record.state, record.pk, document)


def place_in(turn: int, pk: int = 0) -> int:
    """Return a place in the queue: that of a process in its turn, or before all of this turn."""
    return turn * TURN + pk


def queue_keys(pk: int, place: int) -> dict[str, int]:
    """Return the fields for the indexes that the document of a queued process has."""
    return {"queued": pk, "turn": place or pk}


def end_keys(state: State, pk: int, changes: Mapping[str, Any]) -> dict[str, str | int]:
    """Return the fields for the indexes that the document gets as the process ends."""
    keys: dict[str, str | int] = {"ended": ended_key(state, pk)}
    if _is_worth_sealing(changes):
        keys["unsealed"] = pk
    return keys


def _is_worth_sealing(changes: Mapping[str, Any]) -> bool:
    """Return whether the log of a process that ends so is long, or its length is not known."""
    lines, text_bytes = changes.get("log_lines"), changes.get("log_bytes")
    if lines is None or text_bytes is None:
        return True
    return bool(text_bytes + lines * LINE_BYTES >= SEALED_BYTES)


def ended_key(state: State, pk: int) -> str:
    """Return the index key of an ended process: state and PK in one."""
    return _ending_in_pk(state.value, pk)


def of_target(target: int, before: int = KEY_RANGE) -> dict[str, int]:
    """Return the range of `by_target` that holds the target's processes below a PK."""
    # The end of the range of the largest target must still be a number of 64 bits.
    end = min(before, KEY_RANGE - 1)
    return {"$gte": target * KEY_RANGE, "$lt": target * KEY_RANGE + end}


async def find_page(
    collection: Collection,
    *,
    target: int | None,
    pipelines: Iterable[str] | None,
    states: Iterable[State] | None,
    before: int | None,
    limit: int,
    span: Span = ALWAYS,
    words: Iterable[str] = (),
) -> Page[ProcessRecord]:
    """Return a page of what matches all conditions, read along the index of one of them.

    Each of the `words`, in lower case, must be somewhere in what people read of a process.
    """
    filters: dict[str, set[str]] = {}
    if pipelines is not None:
        filters["pipeline"] = set(pipelines)
    if states is not None:
        filters["state"] = set(states)

    def matches(document: Document) -> bool:
        return _matches(document, filters) and span.holds(document) and _has(document, words)

    if not span.open and target is None:
        return await find_page_by_time(collection, span, matches, before, limit)
    sources = _sources(collection, target, filters)
    return await _read(sources, matches, KEY_RANGE if before is None else before, limit)


def _sources(
    collection: Collection, target: int | None, filters: dict[str, set[str]]
) -> list[_Source]:
    """Return what to read along; the condition that this meets is removed from the filters."""
    if target is not None:
        return [partial(_of_target, collection, target)]
    if "state" in filters:
        return [_of_state(collection, State(state)) for state in filters.pop("state")]
    if "pipeline" in filters:
        names = filters.pop("pipeline")
        return [partial(_ending, collection, "by_pipeline", text_key(name)) for name in names]
    return [partial(_numbered, collection, "pk")]


async def _read(
    sources: list[_Source], matches: Callable[[Document], bool], before: int, limit: int
) -> Page[ProcessRecord]:
    batch = limit + 1  # one more than asked for tells whether there is a next page
    matching: list[Document] = []
    examined = 0
    while True:
        read = [await source(before, batch) for source in sources]
        newest = heapq.nlargest(batch, (found for part in read for found in part), key=_pk)
        matching += [found for found in newest if matches(found)]
        if len(matching) > limit:
            return Page(records(matching[:limit]), matching[limit - 1]["pk"])
        if len(newest) < batch:
            return Page(records(matching), None)
        examined, before = examined + len(newest), newest[-1]["pk"]
        if examined >= EXAMINED_LIMIT:
            return Page(records(matching), before)
        batch = max(batch, min(4 * batch, _LARGEST_BATCH))


def _of_state(collection: Collection, state: State) -> _Source:
    if state is State.QUEUED:
        return partial(_numbered, collection, "queued")
    if state is State.RUNNING:
        return partial(_running, collection)
    return partial(_ending, collection, "ended", state.value)


async def _of_target(
    collection: Collection, target: int, before: int, limit: int
) -> list[Document]:
    span = {"by_target": of_target(target, before)}
    return await collection.find(span, sort=("by_target", -1), limit=limit)


async def _numbered(collection: Collection, field: str, before: int, limit: int) -> list[Document]:
    span = {field: {"$gt": 0, "$lt": before}}
    return await collection.find(span, sort=(field, -1), limit=limit)


async def _ending(
    collection: Collection, field: str, text: str, before: int, limit: int
) -> list[Document]:
    span = {field: {"$gte": _ending_in_pk(text, 0), "$lt": _ending_in_pk(text, before)}}
    return await collection.find(span, sort=(field, -1), limit=limit)


async def _running(collection: Collection, before: int, limit: int) -> list[Document]:
    # There are only as many as slots, so all of them are read and then put in order.
    found = await collection.find({"owner": {"$gt": ""}})
    return heapq.nlargest(limit, (running for running in found if running["pk"] < before), key=_pk)


def _matches(document: Document, filters: Mapping[str, set[str]]) -> bool:
    return all(document[field] in allowed for field, allowed in filters.items())


def _has(document: Document, words: Iterable[str]) -> bool:
    """Return whether each word is in the identifier, pipeline, status or message."""
    if not (wanted := list(words)):
        return True
    text = " ".join(str(document.get(field) or "") for field in _READ_BY_PEOPLE).casefold()
    return all(word in text for word in wanted)


def _ending_in_pk(text: str, pk: int) -> str:
    return f"{text}\x1f{pk:012d}"


def _pk(document: Document) -> int:
    pk: int = document["pk"]
    return pk


def records(documents: Iterable[Document]) -> list[ProcessRecord]:
    """Return the records of these documents, in their order."""
    return [ProcessRecord.from_document(document) for document in documents]

"""The records of processes, which are the queue as well.

Which moves are legal is left to the callers, keeping out a server that has lost a run to `fencing`,
and finding records page by page to `index`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.core.errors import CancelRequested, LeaseLost, NotFound
from server.core.records import STATUS_OF_STATE, ProcessRecord, Queued, State
from server.store.base import Page, taken_texts, text_key
from server.store.counts import TargetCounts
from server.store.driver.connection import Database
from server.store.processes import index
from server.store.processes.by_time import Span
from server.store.processes.fencing import changed_in, fenced

_QUEUED = {"queued": {"$gt": 0}}
_IN_TURN = {"turn": {"$gt": 0}}
#: What the document of a process that leaves the queue loses.
_QUEUE_KEYS = ("queued", "turn")
_RUNNING = {"owner": {"$gt": ""}}
_INDEXED = (
    "pk",
    "created",
    "by_target",
    "by_pipeline",
    "queued",
    "turn",
    "ended",
    "owner",
    "unsealed",
    "unnotified",
    "terminal_timestamp",
)


@dataclass(frozen=True)
class Published:
    """What the record of a process names: the PKs of its outputs and group, and its series."""

    outputs: frozenset[int]
    group: int | None
    series: int | None = None


class ProcessStore:
    """All process records.

    Each index is on a single field. The documents have these besides the record's own: `by_target`
    and `by_pipeline`, which end in the PK, `by_identifier`, `queued` and `turn`, the PK and the
    place while queued, `ended`, state and PK once ended, `unsealed`, the PK of an ended one whose
    log may have to be sealed, `unnotified`, 1 while the last move may not have been announced yet.
    `pk`, `created`, `owner` (set while running) and `terminal_timestamp` are the record's own.
    """

    #: whether each move is marked until `note_notified` is called for it
    marks_moves = False

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("processes")
        self.counts = TargetCounts(self._collection, index.of_target)

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await self._collection.ensure_index("by_identifier", unique=True)
        for field in _INDEXED:
            await self._collection.ensure_index(field)

    async def insert(self, record: ProcessRecord) -> None:
        """Store a new record. :raises AlreadyTaken: its PK or identifier exists."""
        keys = index.index_keys(record) | self._mark()
        await self._collection.insert(record.to_document() | keys)
        self.counts.forget(record.target)

    async def insert_ended(self, records: Sequence[ProcessRecord]) -> None:
        """Store new records of processes that ended elsewhere. :raises AlreadyTaken: see insert."""
        await self._collection.insert_many([index.document_of(each) for each in records])
        self.counts.forget(*(record.target for record in records))

    async def count(self, target: int, most: int) -> int:
        """Return how many processes a target has; `most` + 1 stands for any larger number."""
        return await self.counts.of(target, most)

    async def get(self, pk: int) -> ProcessRecord:
        """Return one record. :raises NotFound: there is no such process."""
        document = await self._collection.get(pk)
        if document is None:
            raise NotFound("process", pk)
        return ProcessRecord.from_document(document)

    async def get_many(self, pks: Iterable[int]) -> list[ProcessRecord]:
        """Return the records in the order asked for, without those that are missing."""
        return index.records(await self._collection.get_many(pks))

    async def by_identifier(self, identifier: str) -> ProcessRecord | None:
        """Return the record with this identifier, if there is one."""
        key = text_key(identifier)
        found = await self._collection.find({"by_identifier": key}, limit=1)
        return ProcessRecord.from_document(found[0]) if found else None

    async def named(self, beginning: str, limit: int) -> list[ProcessRecord]:
        """Return records whose identifiers begin so, the last in their order first."""
        low = text_key(beginning)
        span = {"by_identifier": {"$gte": low, "$lt": f"{low}\uffff"}}
        found = await self._collection.find(span, sort=("by_identifier", -1), limit=limit)
        return index.records(found)

    async def taken(self, identifiers: Iterable[str]) -> set[str]:
        """Return those of the identifiers that processes have."""
        return await taken_texts(self._collection, "by_identifier", identifiers)

    async def find(
        self,
        *,
        target: int | None = None,
        pipelines: Iterable[str] | None = None,
        states: Iterable[State] | None = None,
        before: int | None = None,
        limit: int = 100,
        span: Span = index.ALWAYS,
        words: Iterable[str] = (),
    ) -> Page[ProcessRecord]:
        """Return a page of what matches all that is given; the `words` are in lower case.

        It examines a bounded number of documents, so the page may be short, even empty, and still
        have a `next`.
        """
        return await index.find_page(
            self._collection,
            target=target,
            pipelines=pipelines,
            states=states,
            before=before,
            limit=limit,
            span=span,
            words=words,
        )

    async def of_target(self, target: int) -> list[ProcessRecord]:
        """Return all records of a target, newest first."""
        span = {"by_target": index.of_target(target)}
        return index.records(await self._collection.find(span, sort=("by_target", -1)))

    async def claim(
        self,
        owner: str,
        now: float,
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> ProcessRecord | None:
        """Take the first process of the queue for this server, atomically, if there is one.

        It is of one of the pipelines `only`, if given, and of none of those `without`.
        """
        pipelines: dict[str, Any] = {}
        if only is not None:
            pipelines["$in"] = sorted(only)
        if without:
            pipelines["$nin"] = sorted(without)
        changes = {
            "state": State.RUNNING.value,
            "status": STATUS_OF_STATE[State.RUNNING],
            "owner": owner,
            "started": now,
            "progress": None,
        }
        document = await self._collection.change(
            _IN_TURN | ({"pipeline": pipelines} if pipelines else {}),
            set=changes | self._mark(),
            inc={"attempt": 1, "version": 1},
            unset=_QUEUE_KEYS,
            sort=("turn", 1),
        )
        return None if document is None else ProcessRecord.from_document(document)

    async def write(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any]
    ) -> ProcessRecord:
        """Change the record of a run. :raises LeaseLost: it no longer belongs to this owner."""
        return await fenced(self._collection, pk, attempt, owner, changes)

    async def end(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any]
    ) -> ProcessRecord:
        """Write the end of a run; the last `state` must be among the changes.

        May be repeated if the answer was lost: the same end again returns the record.

        :raises LeaseLost: the run no longer belongs to this owner, or has ended otherwise.
        :raises CancelRequested: it cannot succeed any more, as it is to be cancelled.
        """
        last = {**changes, "owner": None}
        state = State(last["state"])
        keys = index.end_keys(state, pk, last) | self._mark()
        # A cancel is accepted as long as the run has not ended, so this write decides.
        only = {"cancel_requested": False} if state is State.SUCCEEDED else {}
        try:
            return await fenced(self._collection, pk, attempt, owner, last, only=only, keys=keys)
        except LeaseLost:
            for record in await self.get_many([pk]):
                if record.attempt == attempt and record.evolve(**last) == record:
                    return record
                if only and record.cancel_requested and record.is_run_of(owner, attempt):
                    raise CancelRequested(pk) from None
            raise

    async def requeue(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any], place: int = 0
    ) -> ProcessRecord:
        """Put a run back in the queue, to the place that it had.

        :raises LeaseLost: it no longer belongs to this owner.
        """
        back = {
            "state": State.QUEUED,
            "status": STATUS_OF_STATE[State.QUEUED],
            "started": None,
            "progress": None,
            "owner": None,
        }
        keys = index.queue_keys(pk, place) | self._mark()
        return await fenced(self._collection, pk, attempt, owner, {**back, **changes}, keys=keys)

    async def cancel_queued(self, pk: int, changes: Mapping[str, Any]) -> ProcessRecord | None:
        """End a process that is still queued; return None if it is not."""
        return await changed_in(
            self._collection,
            State.QUEUED,
            pk,
            {"state": State.CANCELLED, **changes},
            unset=_QUEUE_KEYS,
            keys=index.end_keys(State.CANCELLED, pk, {}) | self._mark(),
        )

    async def move(self, pk: int, place: int) -> ProcessRecord | None:
        """Give a queued process another place; return None if it is not queued."""
        keys = index.queue_keys(pk, place)
        return await changed_in(self._collection, State.QUEUED, pk, {"place": place}, keys=keys)

    async def first_place(self) -> int | None:
        """Return the first place that is taken in the queue, None if it is empty."""
        return await self._outermost_place(1)

    async def last_place(self) -> int | None:
        """Return the last place that is taken in the queue, None if it is empty."""
        return await self._outermost_place(-1)

    async def _outermost_place(self, direction: int) -> int | None:
        found = await self._collection.find(
            _IN_TURN, sort=("turn", direction), limit=1, fields=("turn",)
        )
        return int(found[0]["turn"]) if found else None

    async def request_cancel(self, pk: int) -> ProcessRecord | None:
        """Mark a running process as to be cancelled; return None if it is not running."""
        return await changed_in(self._collection, State.RUNNING, pk, {"cancel_requested": True})

    async def unnotified(self, limit: int = 500) -> list[ProcessRecord]:
        """Return processes whose last move may not have been announced yet."""
        return index.records(await self._collection.find({"unnotified": 1}, limit=limit))

    async def note_notified(self, record: ProcessRecord) -> None:
        """Note that the move to the state that a record shows has been announced."""
        same = {"_id": record.pk, "state": record.state.value, "attempt": record.attempt}
        await self._collection.change(same, unset=("unnotified",))

    async def ended_since(self, time: float, before: float, limit: int) -> list[ProcessRecord]:
        """Return processes that ended in `time` <= end < `before`, the one that did first first.

        Times are Unix seconds.
        """
        span = {"terminal_timestamp": {"$gte": time, "$lt": before}}
        found = await self._collection.find(span, sort=("terminal_timestamp", 1), limit=limit)
        return index.records(found)

    async def remove_log(self, pk: int, now: float) -> ProcessRecord | None:
        """Note that an ended process has no log any more, for the sealer to delete what there is.

        Return None if it has not ended, or has lost its log before.
        """
        document = await self._collection.change(
            {"_id": pk, "terminal_timestamp": {"$gt": 0}, "log_removed": None},
            set={"log_lines": 0, "log_bytes": 0, "log_removed": now, "unsealed": pk},
            inc={"version": 1},
        )
        return None if document is None else ProcessRecord.from_document(document)

    async def unsealed(self, after: int = 0, limit: int = 100) -> list[ProcessRecord]:
        """Return ended processes whose logs may have to be sealed, by PK, behind this one."""
        span = {"unsealed": {"$gt": after}}
        found = await self._collection.find(span, sort=("unsealed", 1), limit=limit)
        return index.records(found)

    async def mark_unsealed(self, pk: int) -> bool:
        """Have the log of a process looked at once it has ended; return False without a process."""
        return await self._collection.change({"_id": pk}, set={"unsealed": pk}) is not None

    async def note_sealed(self, pk: int, log_bytes: int | None = None) -> ProcessRecord | None:
        """Note that a log needs no sealing any more, and the size of its text if it was not known.

        Return the record if it has changed by that.
        """
        await self._collection.change({"_id": pk}, unset=("unsealed",))
        if log_bytes is None:
            return None
        changed = await self._collection.change(
            {"_id": pk, "log_bytes": None}, set={"log_bytes": log_bytes}, inc={"version": 1}
        )
        return None if changed is None else ProcessRecord.from_document(changed)

    async def owned_by(self, owners: Iterable[str]) -> list[ProcessRecord]:
        """Return what these servers run."""
        # One query each, as the embedded engine scans the collection for `$in` on a field.
        found = [await self._collection.find({"owner": owner}) for owner in owners]
        return index.records(document for documents in found for document in documents)

    async def running(self) -> list[ProcessRecord]:
        """Return everything that runs, on any server."""
        return index.records(await self._collection.find(_RUNNING))

    async def queued(self) -> list[Queued]:
        """Return the queued processes, in the order in which they will be claimed."""
        fields = ("pk", "turn", "target", "pipeline", "attempt")
        found = await self._collection.find(_IN_TURN, sort=("turn", 1), fields=fields)
        return [Queued(*(document[field] for field in fields)) for document in found]

    async def queued_by_pk(self, after: int = 0, limit: int = 500) -> list[Queued]:
        """Return queued processes by PK, behind this one, also those that have no turn yet."""
        span = {"queued": {"$gt": after}}
        found = await self._collection.find(span, sort=("queued", 1), limit=limit)
        return [Queued.of(ProcessRecord.from_document(each)) for each in found]

    async def users_of(self, products: Collection[int]) -> dict[int, int]:
        """Return those of the products that unended processes need, each with the PK of one."""
        if not products:
            return {}
        fields = ("pk", "products")
        queued = await self._collection.find(_QUEUED, fields=fields)
        running = await self._collection.find(_RUNNING, fields=fields)
        return {
            product: user["pk"]
            for user in queued + running
            for product in user["products"]
            if product in products
        }

    async def published_by(self, pks: Iterable[int]) -> dict[int, Published]:
        """Return what the records of these processes name, without missing processes."""
        wanted = {"_id": {"$in": list(pks)}}
        found = await self._collection.find(wanted, fields=("outputs", "group", "series"))
        return {
            document["_id"]: Published(
                frozenset(document["outputs"]), document["group"], document.get("series")
            )
            for document in found
        }

    async def forget_outputs(self, pk: int, products: Iterable[int]) -> ProcessRecord | None:
        """Remove deleted products from the outputs; return None if none was among them."""
        gone = set(products)
        return await self._change_outputs(pk, lambda now: [one for one in now if one not in gone])

    async def add_outputs(self, pk: int, products: Sequence[int]) -> ProcessRecord | None:
        """Append products to the outputs; return None if all of them were among them."""
        return await self._change_outputs(pk, lambda now: list(dict.fromkeys([*now, *products])))

    async def _change_outputs(
        self, pk: int, change: Callable[[list[int]], list[int]]
    ) -> ProcessRecord | None:
        while (document := await self._collection.get(pk)) is not None:
            outputs = change(document["outputs"])
            if len(outputs) == len(document["outputs"]):
                return None
            unchanged = {"_id": pk, "version": document["version"]}
            if changed := await self._collection.change(
                unchanged, set={"outputs": outputs}, inc={"version": 1}
            ):
                return ProcessRecord.from_document(changed)
        return None

    async def forget_group(self, pk: int, group: int) -> ProcessRecord | None:
        """Remove the deleted group of outputs; return None if it was not this process's."""
        document = await self._collection.change(
            {"_id": pk, "group": group}, set={"group": None}, inc={"version": 1}
        )
        return None if document is None else ProcessRecord.from_document(document)

    async def delete(self, pk: int) -> None:
        """Delete a record; a missing one is fine."""
        await self._collection.delete({"_id": pk})
        self.counts.forget()

    def _mark(self) -> dict[str, int]:
        return {"unnotified": 1} if self.marks_moves else {}

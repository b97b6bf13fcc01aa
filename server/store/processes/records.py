"""The records of processes, which are the queue as well.

Whether a move is legal is for the callers to know; that a server that lost a run cannot write to it
any more is left to `fenced_writes`, and finding page by page to `process_index`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.core.errors import LeaseLost, NotFound
from server.core.records import STATUS_OF_STATE, ProcessRecord, State
from server.store.base import Page
from server.store.counts import TargetCounts
from server.store.driver.connection import Database
from server.store.processes import index
from server.store.processes.fencing import changed_in, fenced

_QUEUED = {"queued": {"$gt": 0}}
_RUNNING = {"owner": {"$gt": ""}}


@dataclass(frozen=True)
class Published:
    """The PKs of a process's outputs, their group and its series, as its record names them."""

    outputs: frozenset[int]
    group: int | None
    series: int | None = None


class ProcessStore:
    """All process records.

    Each index is on one field that the documents have besides the record's: `by_identifier`,
    `by_target` and `by_pipeline`, which end in the PK, `queued`, the PK while queued, and `ended`,
    state and PK once ended. `pk` and `owner` (set while running) are the record's own.
    """

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("processes")
        self._counts = TargetCounts(self._collection, index.of_target)

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods upper_bound need."""
        await self._collection.ensure_index("by_identifier", unique=True)
        for field in ("pk", "by_target", "by_pipeline", "queued", "ended", "owner"):
            await self._collection.ensure_index(field)

    async def insert(self, record: ProcessRecord) -> None:
        """Store a new record. :raises AlreadyTaken: its PK or identifier exists."""
        keys = index.index_keys(record)
        await self._collection.insert(record.to_document() | keys)
        self._counts.forget(record.target)

    async def count(self, target: int, most: int) -> int:
        """How many processes a target has; `most` + 1 stands for any larger number."""
        return await self._counts.of(target, most)

    async def get(self, pk: int) -> ProcessRecord:
        """One record. :raises NotFound: there is none."""
        document = await self._collection.get(pk)
        if document is None:
            raise NotFound("process", pk)
        return ProcessRecord.from_document(document)

    async def get_many(self, pks: Iterable[int]) -> list[ProcessRecord]:
        """The records in the order asked for; missing ones are left out."""
        return index.records(await self._collection.get_many(pks))

    async def by_identifier(self, identifier: str) -> ProcessRecord | None:
        """The record with this identifier."""
        key = index.text_key(identifier)
        found = await self._collection.find({"by_identifier": key}, limit=1)
        return ProcessRecord.from_document(found[0]) if found else None

    async def find(
        self,
        target: int | None = None,
        pipelines: Iterable[str] | None = None,
        states: Iterable[State] | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Page[ProcessRecord]:
        """A page of what matches all that is given.

        It looks at a bounded number of documents, so it may be short, even empty, and still have a
        `next`.
        """
        return await index.find_page(self._collection, target, pipelines, states, before, limit)

    async def of_target(self, target: int) -> list[ProcessRecord]:
        """All records of a target, newest first."""
        span = {"by_target": index.of_target(target)}
        return index.records(await self._collection.find(span, sort=("by_target", -1)))

    async def claim(self, owner: str, now: float) -> ProcessRecord | None:
        """Take the oldest queued process for this server, in one step; None when there is none."""
        changes = {
            "state": State.RUNNING.value,
            "status": STATUS_OF_STATE[State.RUNNING],
            "owner": owner,
            "started": now,
            "progress": None,
        }
        document = await self._collection.change(
            _QUEUED,
            set=changes,
            inc={"attempt": 1, "version": 1},
            unset=("queued",),
            sort=("queued", 1),
        )
        return None if document is None else ProcessRecord.from_document(document)

    async def write(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any]
    ) -> ProcessRecord:
        """Change the record of a run. :raises LeaseLost: the run is not this owner's any more."""
        return await fenced(self._collection, pk, attempt, owner, changes)

    async def end(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any]
    ) -> ProcessRecord:
        """The last write of a run, the last `state` being among the changes.

        May be repeated when the answer was lost: the same end again returns the record.

        :raises LeaseLost: the run is not this owner's any more, or ended otherwise.
        """
        last = {**changes, "owner": None}
        key = index.ended_key(State(last["state"]), pk)
        try:
            return await fenced(self._collection, pk, attempt, owner, last, ended=key)
        except LeaseLost:
            for record in await self.get_many([pk]):
                if record.attempt == attempt and record.evolve(**last) == record:
                    return record
            raise

    async def requeue(
        self, pk: int, attempt: int, owner: str, changes: Mapping[str, Any]
    ) -> ProcessRecord:
        """Put a run back into the queue. :raises LeaseLost: it is not this owner's any more."""
        back = {
            "state": State.QUEUED,
            "status": STATUS_OF_STATE[State.QUEUED],
            "started": None,
            "progress": None,
            "owner": None,
        }
        return await fenced(self._collection, pk, attempt, owner, {**back, **changes}, queued=pk)

    async def cancel_queued(self, pk: int, changes: Mapping[str, Any]) -> ProcessRecord | None:
        """End a process that waits still; None when it does not."""
        return await changed_in(
            self._collection,
            State.QUEUED,
            pk,
            {"state": State.CANCELLED, **changes},
            unset=("queued",),
            ended=index.ended_key(State.CANCELLED, pk),
        )

    async def request_cancel(self, pk: int) -> ProcessRecord | None:
        """Note that a running process is to be cancelled; None when it does not run."""
        return await changed_in(self._collection, State.RUNNING, pk, {"cancel_requested": True})

    async def owned_by(self, owners: Iterable[str]) -> list[ProcessRecord]:
        """What these servers run. (One query each: `$in` on a field scans the embedded engine.)"""
        found = [await self._collection.find({"owner": owner}) for owner in owners]
        return index.records(document for documents in found for document in documents)

    async def running(self) -> list[ProcessRecord]:
        """Everything that runs, on any server."""
        return index.records(await self._collection.find(_RUNNING))

    async def queued_pks(self) -> list[int]:
        """The PKs of what waits, in the order in which it will be claimed."""
        found = await self._collection.find(_QUEUED, sort=("queued", 1), fields=("queued",))
        return [document["queued"] for document in found]

    async def users_of(self, products: Collection[int]) -> dict[int, int]:
        """Which of these products are inputs of unended processes, each with the PK of one."""
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
        """What each of these processes names as its outputs; missing processes are left out."""
        wanted = {"_id": {"$in": list(pks)}}
        found = await self._collection.find(wanted, fields=("outputs", "group", "series"))
        return {
            document["_id"]: Published(
                frozenset(document["outputs"]), document["group"], document.get("series")
            )
            for document in found
        }

    async def forget_output(self, pk: int, product: int) -> ProcessRecord | None:
        """Take a deleted product out of the outputs; None when it was not among them."""
        while (document := await self._collection.get(pk)) is not None:
            if product not in document["outputs"]:
                return None
            left = [output for output in document["outputs"] if output != product]
            unchanged = {"_id": pk, "version": document["version"]}
            if changed := await self._collection.change(
                unchanged, set={"outputs": left}, inc={"version": 1}
            ):
                return ProcessRecord.from_document(changed)
        return None

    async def forget_group(self, pk: int, group: int) -> ProcessRecord | None:
        """Note that the group of outputs was deleted; None when it was not this process's."""
        document = await self._collection.change(
            {"_id": pk, "group": group}, set={"group": None}, inc={"version": 1}
        )
        return None if document is None else ProcessRecord.from_document(document)

    async def delete(self, pk: int) -> None:
        """Delete a record; a missing one is fine."""
        await self._collection.delete({"_id": pk})
        self._counts.forget()

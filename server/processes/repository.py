"""The only writer of process records.

Each write is stored, then passed to the copies in memory, the status boards and the hub, in this
order. What a move means (when to retry, what a cancel does to a run) is left to `service`, and to
`attempt`, `conclusion` and `recovery` in `execution`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from cachetools import FIFOCache, LRUCache

from server.core.changes import OUTPUTS, REMOVALS, TARGET, tell_each
from server.core.concurrency import retry_while_unavailable
from server.core.errors import LeaseLost
from server.core.hub import Hub
from server.core.metrics import Metrics
from server.core.records import STATUS_OF_STATE, ProcessRecord, State, check_move
from server.processes.queue import ProcessQueue
from server.processes.status_boards import StatusBoard, StatusBoards
from server.store.processes.records import ProcessStore

#: Records in memory.
RECORDS = 20_000
#: The newest deletions that are remembered. A copy read before its record was deleted may arrive
#: after that; it is late by seconds at most, in which far fewer processes can be deleted.
DELETIONS = 20_000


class ProcessRepository:
    """The process records: one place for every write, copies in memory for every read."""

    def __init__(
        self,
        store: ProcessStore,
        hub: Hub,
        server_id: str,
        metrics: Metrics | None = None,
        *,
        prefix: str = "",
    ) -> None:
        self._store = store
        self._metrics = metrics or Metrics()
        self._hub = hub
        self.server_id = server_id
        self._records: LRUCache[int, ProcessRecord] = LRUCache(RECORDS)
        self._boards = StatusBoards(self._records_of, prefix)
        #: the PKs of the processes deleted last: of these, nothing is kept any more
        self._deleted: FIFOCache[int, None] = FIFOCache(DELETIONS)
        self.queue = ProcessQueue()
        #: called with each process that this server has moved to another state
        self._moved: Callable[[ProcessRecord], None] = lambda record: None

    def announce_moves(self, moved: Callable[[ProcessRecord], None]) -> None:
        """Call this with each process that this server moves to another state."""
        self._moved = moved

    async def load(self) -> None:
        """Read what is queued and what is running."""
        await self.queue.load(self._store.queued, self._store.running)

    # Reading

    async def get(self, pk: int) -> ProcessRecord:
        """Return the record of a process. Raises NotFound."""
        known = self._records.get(pk)
        if known is not None:
            return known
        record = await self._store.get(pk)
        return record if pk in self._deleted else self._remember(record)

    async def reread(self, pk: int) -> ProcessRecord:
        """Return the record of a process as it is stored now. Raises NotFound."""
        return self.accept(await self._store.get(pk))

    async def owned(self) -> list[ProcessRecord]:
        """Return what this server runs according to the store."""
        return await self._store.owned_by([self.server_id])

    async def wait_for_end(self, pk: int) -> ProcessRecord:
        """Return the record of a process, once it has ended."""
        with self._hub.subscribe(("process", pk)) as subscription:
            while not (record := await self.get(pk)).state.ended:
                await subscription.wait()
        return record

    def known_board(self, target: int) -> StatusBoard | None:
        """Return the status board of a target, if it is in memory."""
        return self._boards.known(target)

    async def board(self, target: int) -> StatusBoard:
        """Return the status board of a target; whether there is such a target is not checked."""
        return await self._boards.get(target)

    async def _records_of(self, target: int) -> list[ProcessRecord]:
        records = await self._store.of_target(target)
        return [record for record in records if record.pk not in self._deleted]

    # Writing

    async def add(self, record: ProcessRecord) -> ProcessRecord:
        """Store a new process, and return it with its place in the queue.

        Raises AlreadyTaken when its PK or identifier exists.
        """
        with self.queue.place_for(record) as place:
            placed = record.evolve(place=place)
            await self._store.insert(placed)
            self._accept_move(placed)
        self._metrics.process_submitted(record)
        self._hub.wake("queue")
        return placed

    async def claim(
        self, *, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> ProcessRecord | None:
        """Take the first process of the queue for this server, if there is one.

        It is of one of the pipelines `only`, if given, and of none of those `without`.
        """
        record = await self._store.claim(self.server_id, time.time(), only=only, without=without)
        if record is None:
            return None
        self._metrics.run_claimed(record)
        return self._accept_move(record)

    async def write(self, record: ProcessRecord, **changes: Any) -> ProcessRecord:
        """Change a running process of this server. Raises LeaseLost when it is no longer ours."""
        return self.accept(
            await self._store.write(record.pk, record.attempt, self.server_id, changes)
        )

    async def take_over(self, record: ProcessRecord) -> ProcessRecord:
        """Become the owner of a process that another server left. Raises LeaseLost."""
        assert record.owner is not None
        return self.accept(
            await self._store.write(
                record.pk, record.attempt, record.owner, {"owner": self.server_id}
            )
        )

    async def end(
        self, record: ProcessRecord, state: State, message: str | None = None, **changes: Any
    ) -> ProcessRecord:
        """Move a running process of this server to its last state. Raises LeaseLost."""
        check_move(record.state, state)
        changes |= _end_fields(record, state, message)
        ended = await retry_while_unavailable(
            lambda: self._store.end(record.pk, record.attempt, self.server_id, changes)
        )
        self._metrics.process_ended(ended)
        return self._accept_move(ended)

    async def requeue(self, record: ProcessRecord, **changes: Any) -> ProcessRecord:
        """Send a running process of this server back to the queue. Raises LeaseLost."""
        check_move(record.state, State.QUEUED)

        async def requeue_once() -> ProcessRecord:
            try:
                return await self._store.requeue(
                    record.pk, record.attempt, self.server_id, changes, record.place
                )
            except LeaseLost:
                for stored in await self._store.get_many([record.pk]):
                    if stored.state is State.QUEUED and stored.attempt == record.attempt:
                        return stored
                raise

        requeued = self._accept_move(await retry_while_unavailable(requeue_once))
        self._metrics.run_requeued(requeued, changes)
        self._hub.wake("queue")
        return requeued

    async def cancel_queued(self, record: ProcessRecord, message: str) -> ProcessRecord | None:
        """End a process that has not started. Return None when it is no longer queued."""
        changes = _end_fields(record, State.CANCELLED, message)
        cancelled = await self._store.cancel_queued(record.pk, changes)
        if cancelled is None:
            return None
        self._metrics.process_ended(cancelled)
        return self._accept_move(cancelled)

    async def move(self, pk: int, *, to_front: bool) -> ProcessRecord | None:
        """Move a process to the front or the back of the queue. Return None if it is not queued."""
        # What is stored counts, as another server may just have moved something.
        if to_front:
            place = self.queue.place_before(await self._store.first_place())
        else:
            place = self.queue.place_behind(await self._store.last_place())
        record = await self._store.move(pk, place)
        return None if record is None else self.accept(record)

    async def request_cancel(self, pk: int) -> ProcessRecord | None:
        """Mark a running process as to be cancelled. Return None when it is not running."""
        record = await self._store.request_cancel(pk)
        return None if record is None else self.accept(record)

    async def remove_log(self, pk: int) -> ProcessRecord | None:
        """Have the log of an ended process deleted. Return None if there is none any more."""
        record = await self._store.remove_log(pk, time.time())
        return None if record is None else self.accept(record)

    async def delete(self, record: ProcessRecord) -> None:
        """Delete the record of an ended process."""
        await self._store.delete(record.pk)
        self.gone(record.pk)
        self._hub.wake(("target", record.target))
        self._hub.wake((REMOVALS, record.target))

    # What is stored by now, by whichever server

    def gone(self, pk: int) -> None:
        """Forget a process that was deleted."""
        self._deleted[pk] = None
        self._records.pop(pk, None)
        self.queue.forget(pk)
        for target in self._boards.remove(pk):
            self._hub.wake(("target", target))
        self._hub.wake(("process", pk))

    def drop_target(self, target: int) -> None:
        """Forget the board of a deleted target."""
        self._boards.drop(target)
        self._hub.wake(("target", target))
        self._hub.wake((TARGET, target))

    async def forget(self) -> None:
        """Forget all copies, and read anew what is queued and running."""
        self._records.clear()
        self._boards.clear()
        await self.load()

    def knows(self, pk: int, version: int) -> bool:
        """Return whether this version of a record, or a newer one, is in memory."""
        known = self._records.get(pk)
        return known is not None and known.version >= version

    def accept(self, record: ProcessRecord) -> ProcessRecord:
        """Take a record as it was stored, and publish it unless it is outdated. Return it."""
        known = self._records.get(record.pk)
        if record.pk in self._deleted or (known is not None and known.version >= record.version):
            return record
        self._remember(record)
        self.queue.note(record)
        self._boards.put(record)
        self._wake(record)
        return record

    def _accept_move(self, record: ProcessRecord) -> ProcessRecord:
        accepted = self.accept(record)
        self._moved(record)
        return accepted

    def _wake(self, record: ProcessRecord) -> None:
        self._hub.wake(("process", record.pk))
        self._hub.wake(("target", record.target))
        if record.state.ended:  # from then on its outputs can be seen, until they are deleted
            tell_each(self._hub.wake, (record.target,), *OUTPUTS)

    def _remember(self, record: ProcessRecord) -> ProcessRecord:
        known = self._records.get(record.pk)
        if known is None or known.version <= record.version:
            self._records[record.pk] = known = record
        return known


def _end_fields(record: ProcessRecord, state: State, message: str | None) -> dict[str, Any]:
    """Return what a move to a last state changes."""
    return {
        "state": state,
        "status": STATUS_OF_STATE[state],
        # The clock may have been set back since the submit.
        "terminal_timestamp": max(time.time(), record.created),
        "failure_message": message,
    }

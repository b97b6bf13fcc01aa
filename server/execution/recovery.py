"""What becomes of runs whose server is gone: this server's own at its start, others' later.

Whether a server is gone is judged by `heartbeats`; here is what follows.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from server.archive.archive import Archive
from server.config import Config
from server.core.concurrency import retry_while_unavailable
from server.core.errors import HeliographError, LeaseLost, NotFound
from server.core.records import CANCELLED, LOST, ProcessRecord, State
from server.execution.child import exit_messages
from server.logs.entries import Line
from server.logs.logs import Logs
from server.peers.heartbeats import Heartbeats
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.peers.heartbeats import Program

log = logging.getLogger(__name__)

#: A lost server that is back may write to the same log: how often a line is tried behind its lines.
APPEND_TRIES = 5


class Recovery:
    """Settles lost runs. Each has one winner: the server whose fenced take-over matched."""

    def __init__(
        self,
        store: Store,
        repository: ProcessRepository,
        logs: Logs,
        archive: Archive,
        config: Config,
    ) -> None:
        self._store = store
        self._repository = repository
        self._logs = logs
        self._archive = archive
        self._config = config
        #: this server's heartbeat, and those of the others
        self.heartbeats = Heartbeats(
            store.servers, repository.server_id, config.leases, lambda: self.program()
        )
        #: returns what this server tells the others that it runs
        self.program: Callable[[], Program | None] = lambda: None
        #: by PK: attempts of ours that are over but could not be settled yet
        self._unsettled: dict[int, int] = {}
        #: the PKs of the processes being settled right now
        self._settling: set[int] = set()

    async def settle_own(self) -> None:
        """Settle what this server ran when it ended last time."""
        for record in await retry_while_unavailable(self._repository.owned):
            await self.settle_left(record)

    async def settle_others(self) -> None:
        """Settle what was left by servers whose heartbeat has not moved for a lease.

        A storage of the files that is away holds up no run: what cannot be deleted waits.
        """
        await self._archive.rollback.resolve_waiting()
        running = await self._store.processes.running()
        entries = await self._archive.rollback.unfinished_of_others()
        owners = {record.owner for record in running if record.owner}
        gone = await self.heartbeats.still(owners | {entry.server for entry in entries})
        for record in running:
            if record.owner in gone:
                await self._take_over(record)
        for entry in entries:
            if entry.server in gone:
                await self._archive.rollback.take_over(entry)

    async def settle_left(self, record: ProcessRecord) -> None:
        """Settle an attempt of ours that is over, now or when it is next found."""
        with self._alone(record.pk) as alone:
            if alone:
                await self._settle_now_or_later(record)

    async def settle_if_running(self, pk: int, attempt: int) -> None:
        """Settle an attempt of ours that is over, if its record still says that it runs here."""
        try:
            stored = await retry_while_unavailable(lambda: self._repository.reread(pk))
        except NotFound:
            return
        if stored.owner == self._repository.server_id and stored.attempt == attempt:
            log.error(
                "Attempt %s of process %s left its record running",
                attempt,
                pk,
                extra={"action": "record_left_running", "process_pk": pk, "attempt": attempt},
            )
            await self.settle_left(stored)

    async def put_back(self, record: ProcessRecord) -> None:
        """Settle or re-queue a process that runs here by its record, but not in fact."""
        with self._alone(record.pk) as alone:
            if not alone:
                return
            if self._unsettled.get(record.pk) == record.attempt:
                await self._settle_now_or_later(record)
                return
            # The answer to the claim was lost: it never started.
            with contextlib.suppress(LeaseLost):  # or it was settled since the record was read
                await self._repository.requeue(record)
                log.warning(
                    "Process %s was claimed without our knowledge and went back to the queue",
                    record.pk,
                    extra={"action": "unknown_claim_requeued", **_ids(record)},
                )

    async def _take_over(self, record: ProcessRecord) -> None:
        with self._alone(record.pk) as alone:
            if not alone:
                return
            try:
                taken = await self._repository.take_over(record)
            except LeaseLost:
                return  # another server was faster, or the owner is back
            log.warning(
                "Process %s was lost by server %s",
                record.pk,
                record.owner,
                extra={"action": "run_taken_over", **_ids(record), "server_id": record.owner},
            )
            await self._settle_now_or_later(taken)

    @contextlib.contextmanager
    def _alone(self, pk: int) -> Iterator[bool]:
        """Yield whether nobody else here is settling this process; two would do it all twice."""
        alone = pk not in self._settling
        self._settling.add(pk)
        try:
            yield alone
        finally:
            if alone:
                self._settling.remove(pk)

    async def _settle_now_or_later(self, record: ProcessRecord) -> None:
        self._unsettled[record.pk] = record.attempt
        try:
            await self._settle(record)
        except LeaseLost:
            pass  # another server settles it
        except (HeliographError, OSError):
            log.exception(
                "Process %s will be settled later",
                record.pk,
                extra={"action": "settling_deferred", **_ids(record)},
            )
            return
        self._unsettled.pop(record.pk, None)

    async def _settle(self, record: ProcessRecord) -> None:
        """End or re-queue a run of which only the record is left."""
        self._repository.accept(record)
        await retry_while_unavailable(
            lambda: self._archive.outputs.withdraw(record.pk, record.attempt)
        )
        if record.cancel_requested:
            await self._end(record, State.CANCELLED, CANCELLED)
        elif record.lost >= self._config.retries_of(record.pipeline):
            await self._end(record, State.FAILED, LOST)
        else:
            extent = await self._say(record, exit_messages.tried_again(record.started))
            await self._repository.requeue(record, lost=record.lost + 1, **extent)
        self._logs.release(record.pk)

    async def _end(self, record: ProcessRecord, state: State, message: str) -> None:
        extent = await self._say(record, message)
        await self._repository.end(record, state, message, **extent)

    async def _say(self, record: ProcessRecord, text: str) -> dict[str, Any]:
        """Append a line to a log that its lost server may still write to; return its extent."""
        for _ in range(APPEND_TRIES - 1):
            try:
                return await self._append(record, text)
            except LeaseLost:
                continue
        return await self._append(record, text)

    async def _append(self, record: ProcessRecord, text: str) -> dict[str, Any]:
        self._logs.forget(record.pk)
        line = Line(time.time(), "error", text)
        await self._logs.append(record.pk, record.attempt, [line])
        return await retry_while_unavailable(lambda: self._logs.extent(record.pk))


def _ids(record: ProcessRecord) -> dict[str, int]:
    """Return what a log record says of an attempt."""
    return {"process_pk": record.pk, "attempt": record.attempt}

"""What becomes of runs whose server is gone: this server's own at its start, others' later.

Whether a server is gone is judged by `heartbeats`; here is what follows.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator

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

log = logging.getLogger(__name__)

APPEND_TRIES = 5


class Recovery:
    """Settles lost runs. One winner for each: the one whose fenced take-over matched."""

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
        self._heartbeats = Heartbeats(store.servers, repository.server_id, config.leases)
        #: by PK: attempts of ours that are over but could not be settled yet
        self._unsettled: dict[int, int] = {}
        #: the PKs of what is being settled just now
        self._settling: set[int] = set()

    async def beat(self) -> None:
        """One heartbeat of this server."""
        await self._heartbeats.beat()

    async def leave(self) -> None:
        """This server runs nothing any more, and no one shall wait for its heartbeat."""
        await self._heartbeats.leave()

    async def own(self) -> list[ProcessRecord]:
        """The records that this server runs, by the store."""
        return await self._store.processes.owned_by([self._repository.server_id])

    async def stored(self, pk: int) -> ProcessRecord:
        """A record as it is stored now. Raises NotFound."""
        return await self._store.processes.get(pk)

    async def settle_own(self) -> None:
        """Settle what this server ran when it ended last time."""
        for record in await retry_while_unavailable(self.own):
            await self.settle_left(record)

    async def settle_left(self, record: ProcessRecord) -> None:
        """Settle an attempt of ours that is over, now or at one of the next looks."""
        with self._alone(record.pk) as alone:
            if alone:
                await self._now_or_later(record)

    async def _now_or_later(self, record: ProcessRecord) -> None:
        self._unsettled[record.pk] = record.attempt
        try:
            await self.settle(record)
        except LeaseLost:
            pass  # somebody else settles it
        except (HeliographError, OSError):
            log.exception("Process %s is settled later", record.pk)
            return
        self._unsettled.pop(record.pk, None)

    @contextlib.contextmanager
    def _alone(self, pk: int) -> Iterator[bool]:
        """Whether nobody else here settles this process, who would say and do it all twice."""
        alone = pk not in self._settling
        self._settling.add(pk)
        try:
            yield alone
        finally:
            if alone:
                self._settling.remove(pk)

    async def check_ended(self, pk: int, attempt: int) -> None:
        """After an attempt of ours: settle its record if it still says that it runs here."""
        try:
            stored = await retry_while_unavailable(lambda: self.stored(pk))
        except NotFound:
            return
        if stored.owner == self._repository.server_id and stored.attempt == attempt:
            log.error("Attempt %s of process %s left its record running", attempt, pk)
            await self.settle_left(stored)

    async def settle_others(self) -> None:
        """Settle what servers left behind whose heartbeat has been still for a lease."""
        await self._archive.rollback.resolve_leftovers()
        running = await self._store.processes.running()
        entries = await self._archive.rollback.unfinished_of_others()
        owners = {record.owner for record in running if record.owner}
        gone = await self._heartbeats.still(owners | {entry.server for entry in entries})
        for record in running:
            if record.owner in gone:
                await self._take_over(record)
        for entry in entries:
            if entry.server in gone:
                await self._archive.rollback.take_over(entry)

    async def put_back(self, record: ProcessRecord) -> None:
        """See to a record that says that it runs here, of which we know nothing."""
        with self._alone(record.pk) as alone:
            if not alone:
                return
            if self._unsettled.get(record.pk) == record.attempt:
                await self._now_or_later(record)
                return
            # The answer to the claim was lost: it never started.
            with contextlib.suppress(LeaseLost):  # or it was settled since the record was read
                await self._repository.requeue(record)
                log.warning("Process %s was claimed unseen and went back to the queue", record.pk)

    async def _take_over(self, record: ProcessRecord) -> None:
        with self._alone(record.pk) as alone:
            if not alone:
                return
            try:
                taken = await self._repository.take_over(record)
            except LeaseLost:
                return  # another server was faster, or the owner is back
            log.warning("Process %s was lost by server %s", record.pk, record.owner)
            await self._now_or_later(taken)

    async def settle(self, record: ProcessRecord) -> None:
        """End or re-queue a run of which nothing is left but the record."""
        self._repository.accept(record)
        await retry_while_unavailable(
            lambda: self._archive.outputs.discard(record.pk, record.attempt)
        )
        if record.cancel_requested:
            await self._end(record, State.CANCELLED, CANCELLED)
        elif record.lost >= self._config.retries_of(record.pipeline):
            await self._end(record, State.FAILED, LOST)
        else:
            lines = await self._say(record, exit_messages.tried_again(record.started))
            await self._repository.requeue(record, lost=record.lost + 1, log_lines=lines)
        self._logs.release(record.pk)

    async def _end(self, record: ProcessRecord, state: State, message: str) -> None:
        lines = await self._say(record, message)
        await self._repository.end(record, state, message, log_lines=lines)

    async def _say(self, record: ProcessRecord, text: str) -> int:
        """Append a line to a log to which the lost server may still write; its last line."""
        for _ in range(APPEND_TRIES - 1):
            try:
                return await self._append(record, text)
            except LeaseLost:
                continue
        return await self._append(record, text)

    async def _append(self, record: ProcessRecord, text: str) -> int:
        self._logs.forget(record.pk)
        return await self._logs.append(
            record.pk, record.attempt, [Line(time.time(), "error", text)]
        )

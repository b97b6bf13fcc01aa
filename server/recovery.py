"""What becomes of runs whose server is gone: this server's own at its start, others' later.

A server's heartbeat is a counter. Whoever sees it still for a whole lease, by its own monotonic
clock, takes over; so no two clocks are ever compared.
"""

from __future__ import annotations

import asyncio
import logging
import time

from server import last_words
from server.archive import Archive
from server.config import Config
from server.errors import LeaseLost
from server.ledger import Ledger
from server.lines import Line
from server.logs import Logs
from server.persistence import persistently
from server.records import ProcessRecord, State
from server.store import Store

log = logging.getLogger(__name__)

APPEND_TRIES = 5


class Recovery:
    """Settles lost runs. One winner for each: the one whose fenced take-over matched."""

    def __init__(
        self, store: Store, ledger: Ledger, logs: Logs, archive: Archive, config: Config
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._logs = logs
        self._archive = archive
        self._config = config
        #: by server: its heartbeat as last seen, and when that was first seen (monotonic)
        self._seen: dict[str, tuple[int | None, float]] = {}

    async def beat(self) -> None:
        """One heartbeat of this server."""
        await self._store.servers.beat(self._ledger.server_id, time.time())

    async def own(self) -> list[ProcessRecord]:
        """The records that this server runs, by the store."""
        return await self._store.processes.owned_by([self._ledger.server_id])

    async def stored(self, pk: int) -> ProcessRecord:
        """A record as it is stored now. Raises NotFound."""
        return await self._store.processes.get(pk)

    async def settle_own(self) -> None:
        """Settle what this server ran when it ended last time."""
        for record in await persistently(self.own):
            await self.settle(record)

    async def settle_others(self) -> None:
        """Settle the runs of servers whose heartbeat has been still for a lease."""
        running = await self._store.processes.running()
        owners = {record.owner for record in running if record.owner} - {self._ledger.server_id}
        beats = await self._store.servers.all() if owners else {}
        now = asyncio.get_running_loop().time()
        for owner in owners:
            known = self._seen.get(owner)
            if known is None or known[0] != beats.get(owner):
                self._seen[owner] = (beats.get(owner), now)
        self._seen = {owner: seen for owner, seen in self._seen.items() if owner in owners}
        lease = self._config.leases.lease_seconds
        dead = {owner for owner, (_, since) in self._seen.items() if now - since >= lease}
        for record in running:
            if record.owner in dead:
                await self._take_over(record)

    async def put_back(self, record: ProcessRecord) -> None:
        """Send a process back that was claimed by us without our knowing: it never started."""
        log.warning("Process %s was claimed unseen and goes back to the queue", record.pk)
        await self._ledger.requeue(record)

    async def _take_over(self, record: ProcessRecord) -> None:
        try:
            taken = await self._ledger.take_over(record)
        except LeaseLost:
            return  # another server was faster, or the owner is back
        log.warning("Process %s was lost by server %s", record.pk, record.owner)
        await self.settle(taken)

    async def settle(self, record: ProcessRecord) -> None:
        """End or re-queue a run of which nothing is left but the record."""
        self._ledger.show(record)
        await persistently(lambda: self._archive.discard(record.pk, record.attempt))
        if record.cancel_requested:
            await self._end(record, State.CANCELLED, last_words.CANCELLED)
        elif record.lost >= self._config.retries_of(record.pipeline):
            await self._end(record, State.FAILED, last_words.LOST)
        else:
            lines = await self._say(record, f"{last_words.LOST}; it will be tried again")
            await self._ledger.requeue(record, lost=record.lost + 1, log_lines=lines)
        self._logs.release(record.pk)

    async def _end(self, record: ProcessRecord, state: State, message: str) -> None:
        lines = await self._say(record, message)
        await self._ledger.end(record, state, message, log_lines=lines)

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

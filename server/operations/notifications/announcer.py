"""Makes deliveries of the moves of processes: one for each receiver that wants the event.

A move marks the record in the same write, and the mark goes when its deliveries are stored; so a
server that is killed in between makes them at its next start, and none twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from server.core.concurrency import repeat_every
from server.core.errors import HeliographError
from server.core.records import ProcessRecord
from server.operations.notifications.receivers import Receiver
from server.store import Store
from server.store.notifications.deliveries import Delivery

log = logging.getLogger(__name__)

#: Moves that wait in memory to become deliveries; the rest is found by the marks.
MOST_MOVES = 10_000
#: Pause between two searches for marks that were left.
SEARCH_SECONDS = 60.0
#: Ended deliveries that are kept to be shown, and waiting ones that are kept to be made.
KEPT_DONE, KEPT_WAITING = 2_000, 20_000
TIDY_EVERY = 200

#: Returns the record of a process as the API shows it.
Fields = Callable[[ProcessRecord], dict[str, Any]]


class Announcer:
    """Stores what is to be sent. `stored` is called with the receiver of each new delivery."""

    def __init__(
        self,
        store: Store,
        receivers: Sequence[Receiver],
        fields: Fields,
        stored: Callable[[Receiver], None],
    ) -> None:
        self._store = store
        self._receivers = receivers
        self._fields = fields
        self._stored = stored
        self._moves: asyncio.Queue[ProcessRecord] = asyncio.Queue(MOST_MOVES)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, with the marks that an earlier server has left."""
        search = repeat_every(SEARCH_SECONDS, self.announce_marked, name="webhooks", log=log)
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(search)]

    async def stop(self) -> None:
        """End once the moves so far have become deliveries, or at once if that fails."""
        with contextlib.suppress(HeliographError):
            while not self._moves.empty():
                await self._announce(self._moves.get_nowait())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def moved(self, record: ProcessRecord) -> None:
        """Take note of a process that has just moved to another state."""
        with contextlib.suppress(asyncio.QueueFull):  # its mark is found later
            self._moves.put_nowait(record)

    async def announce_marked(self) -> None:
        """Store the deliveries of all moves that are still marked."""
        while marked := await self._store.processes.unnotified():
            for record in marked:
                await self._announce(record)

    async def _run(self) -> None:
        while True:
            record = await self._moves.get()
            try:
                await self._announce(record)
            except HeliographError as error:
                log.warning(
                    "The move of process %s is announced later: %s",
                    record.pk,
                    error,
                    extra={"action": "announcement_deferred", "process_pk": record.pk},
                )

    async def _announce(self, record: ProcessRecord) -> None:
        event = record.state.value
        for receiver in self._receivers:
            if event in receiver.events:
                await self._store_one(receiver, record, event)
        await self._store.processes.note_notified(record)

    async def _store_one(self, receiver: Receiver, record: ProcessRecord, event: str) -> None:
        pk, now = await self._store.counters.next("delivery"), time.time()
        body = {"event": event, "process": self._fields(record)}
        delivery = Delivery(
            pk=pk,
            receiver=receiver.id,
            event=event,
            process=record.pk,
            attempt=record.attempt,
            body=msgspec.json.encode(body).decode(),
            created=now,
            due=now,
        )
        if await self._store.deliveries.insert(delivery):
            self._stored(receiver)
        if pk % TIDY_EVERY == 0:
            await self._tidy(pk)

    async def _tidy(self, newest: int) -> None:
        """Keep the list of deliveries short, also where nobody takes them."""
        await self._store.deliveries.forget_done(newest - KEPT_DONE)
        oldest = newest - KEPT_WAITING
        for delivery in await self._store.deliveries.waiting_before(oldest, TIDY_EVERY):
            reason = "Too many newer ones are waiting"
            await self._store.deliveries.give_up(delivery, time.time(), reason)

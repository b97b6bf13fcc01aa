"""Settles the journal's entries: what is complete stays, and of anything else nothing.

What cannot be settled now, as the database or storage is away, is settled later. Writing the
entries, and what they speak of, is left to `transactions`.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from server.archive.storage import FileStorage
from server.core.errors import Conflict, DatabaseAway, HeliographError
from server.core.records import ProcessRecord
from server.store import Store
from server.store.archive.journal import JournalEntry

log = logging.getLogger(__name__)


class Rollback:
    """What ends each entry of the journal, once or in as many tries as it takes.

    `changed` is told of each process record that forgets a product, `deleted` of the PK of each
    process whose deletion is finished.
    """

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        server: str,
        changed: Callable[[ProcessRecord], object],
        deleted: Callable[[int], object],
    ) -> None:
        self._store = store
        self._files = files
        self._server = server
        self._changed = changed
        self._deleted = deleted
        #: What could not be taken back yet, as the database was away.
        self._unsettled: list[JournalEntry] = []

    async def take_over(self, entry: JournalEntry) -> None:
        """Settle what a server that is gone left behind, now or later."""
        taken = await self._store.journal.take_over(entry, self._server)
        if taken is not None:
            await self._now_or_later(taken, self.resolve)

    async def unfinished_of_others(self) -> list[JournalEntry]:
        """Return what other servers are about to store or delete, or have left behind."""
        entries = await self._store.journal.all()
        return [entry for entry in entries if entry.server != self._server]

    async def resolve_own(self) -> None:
        """At start: resolve what this server left behind, now or later."""
        for entry in await self._store.journal.of_server(self._server):
            await self._now_or_later(entry, self.resolve)

    async def resolve_leftovers(self) -> None:
        """Take back what could not be taken back when it failed."""
        while self._unsettled:
            entry = self._unsettled.pop()
            with self.resolved_later(entry):
                await self.resolve(entry)

    async def resolve(self, entry: JournalEntry) -> None:
        """Remove the entry of what is complete, and with it everything that is not."""
        if await self._complete(entry):
            await self.close(entry)
        else:
            await self.roll_back(entry)

    async def roll_back(self, entry: JournalEntry) -> None:
        """Remove all that an entry speaks of and the entry. May be repeated."""
        if entry.process is not None:
            await self._forget(entry, entry.process)
        await self._store.products.delete_many(entry.products)
        for product in entry.products:
            await self._store.groups.remove_product(product)
        if entry.group is not None:
            await self._store.groups.delete(entry.group)
        if entry.series is not None:
            await self._store.light_curves.delete(entry.series)
        for key in entry.keys:
            await self._files.delete(key)
        await self.close(entry)

    async def roll_back_failed(self, entry: JournalEntry) -> None:
        """Take back what failed, now or later; the failure itself is for the caller to raise."""
        await self._now_or_later(entry, self.roll_back)

    async def commit(self, entry: JournalEntry) -> None:
        """Close the entry of what is complete, unless another server has taken it back."""
        closed = True
        with contextlib.suppress(HeliographError, OSError), self.resolved_later(entry):
            closed = await self._store.journal.close(entry)
        if not closed:
            await self.roll_back_failed(entry)
            raise DatabaseAway

    async def close(self, entry: JournalEntry) -> None:
        """Remove an entry; what it speaks of stays as it is."""
        await self._store.journal.delete(entry.pk)

    @contextlib.contextmanager
    def resolved_later(self, entry: JournalEntry) -> Iterator[None]:
        """Keep the entry for later should this fail. A Conflict is a refusal, not a failure."""
        try:
            yield
        except (HeliographError, OSError) as error:
            if not isinstance(error, Conflict):
                log.warning("Journal entry %s is settled later: %s", entry.pk, error)
                self._unsettled.append(entry)
            raise

    async def _now_or_later(
        self, entry: JournalEntry, work: Callable[[JournalEntry], Awaitable[None]]
    ) -> None:
        with contextlib.suppress(HeliographError, OSError), self.resolved_later(entry):
            await work(entry)

    async def _forget(self, entry: JournalEntry, process: int) -> None:
        """Delete what a process has besides the entry's products, or its knowledge of those."""
        if entry.whole:
            await self._store.logs.delete(process)
            await self._store.receipts.delete(process)
            await self._store.sections.delete(process)
            self._deleted(process)
            return
        for product in entry.products:
            await self._store.processes.forget_output(process, product)
        # Also what an earlier try has changed.
        for record in await self._store.processes.get_many([process]):
            self._changed(record)

    async def _complete(self, entry: JournalEntry) -> bool:
        if entry.whole:  # a deletion that did not begin as long as there is the record
            return bool(await self._store.processes.published_by([entry.process or 0]))
        if entry.process is not None:
            named = (await self._store.processes.published_by([entry.process])).get(entry.process)
            if named is None:
                return False
            if entry.series is not None:
                return named.series == entry.series
            if named.outputs.isdisjoint(entry.products):
                return False
            if entry.group is not None:  # published; what was deleted since is no loss
                return True
        present = await self._store.products.get_many(entry.products)
        return len(present) == len(entry.products) and await self._have(entry.keys)

    async def _have(self, keys: list[str]) -> bool:
        try:
            for key in keys:
                await self._files.size(key)
        except HeliographError:
            return False
        return True

"""Ends the entries of the journal: what is complete stays, everything else is undone.

What cannot be ended now, because the database or storage is away, is ended later. Writing the
entries, and what they are about, is left to `transactions`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from server.archive.storage import FileStorage
from server.core.changes import OUTPUTS, Tell, tell_each, tell_nobody
from server.core.errors import (
    AlreadyTaken,
    Conflict,
    DamagedFile,
    DatabaseAway,
    HeliographError,
    NotFound,
    StorageAway,
)
from server.core.records import DataProduct, ProcessRecord
from server.store import Store
from server.store.archive.journal import JournalEntry
from server.store.base import load
from server.store.processes.log_segments import LogSegment

log = logging.getLogger(__name__)

#: The most files whose deletion a request waits for.
AWAITED_FILES = 200


class Rollback:
    """Ends entries of the journal, in as many attempts as it takes.

    `changed` is called with each process record that no longer names a deleted product, `deleted`
    with the PK of each process that has been deleted completely, `tell` with each change of what
    can be seen.
    """

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        server: str,
        changed: Callable[[ProcessRecord], object],
        deleted: Callable[[int], object],
        tell: Tell = tell_nobody,
    ) -> None:
        self._store = store
        self._files = files
        self._server = server
        self._changed = changed
        self._deleted = deleted
        self.tell = tell
        self._sealings = Sealings(store, files, server)
        #: entries that could not be ended yet
        self._leftovers: list[JournalEntry] = []
        #: deletions of many files, in the background
        self._deletions: set[asyncio.Task[None]] = set()

    async def take_over(self, entry: JournalEntry) -> None:
        """Take an entry over from a server that is gone, and resolve it now or later."""
        taken = await self._store.journal.take_over(entry, self._server)
        if taken is not None:
            await self._now_or_later(taken, self.resolve)

    async def unfinished_of_others(self) -> list[JournalEntry]:
        """Return what other servers are about to store or delete, or have left behind."""
        entries = await self._store.journal.all()
        return [entry for entry in entries if entry.server != self._server]

    async def resolve_own(self) -> None:
        """Resolve what this server left behind when it ended, now or later."""
        for entry in await self._store.journal.of_server(self._server):
            await self._now_or_later(entry, self.resolve)

    async def resolve_leftovers(self) -> None:
        """Resolve what could not be undone when it failed."""
        while self._leftovers:
            entry = self._leftovers.pop()
            with self.resolved_later(entry):
                await self.resolve(entry)

    async def resolve_waiting(self) -> None:
        """Resolve what could not be undone when it failed; what still cannot be waits on."""
        for _ in range(len(self._leftovers)):
            if self._leftovers:  # another task may be doing the same
                await self._now_or_later(self._leftovers.pop(0), self.resolve)

    async def resolve(self, entry: JournalEntry) -> None:
        """End an entry: keep what it is about if that is complete, else undo all of it."""
        if entry.sealing:
            await self._sealings.end(entry)
        elif await self._complete(entry):
            await self.close(entry)
        else:
            await self._files.abort_unfinished(entry.keys)
            await self.roll_back(entry)

    async def roll_back(self, entry: JournalEntry) -> None:
        """Delete everything that an entry is about, then the entry. May be repeated."""
        # What another has stored under the same PKs stays. Whoever stores a file has an entry until
        # the record is there, so the entries are read first.
        claimed = await self._claimed_by_others(entry)
        stored = await self._store.products.get_many(entry.products)
        kept = claimed.union(each.key for each in stored if not entry.is_about(each))
        await self._delete_records(entry, stored)
        await self._files.delete_many([key for key in entry.keys if key not in kept])
        await self.close(entry)

    async def delete_and_answer(self, entry: JournalEntry) -> None:
        """Delete as `roll_back` does, but many files in the background: a disk takes its time.

        Nothing names these files any more, and the entry stays until they are gone, also while
        their storage is away.
        """
        if len(entry.keys) <= AWAITED_FILES:
            with contextlib.suppress(StorageAway), self.resolved_later(entry):
                await self.roll_back(entry)
            return
        await self._delete_records(entry, await self._store.products.get_many(entry.products))
        deleting = asyncio.create_task(self._now_or_later(entry, self.roll_back))
        self._deletions.add(deleting)
        deleting.add_done_callback(self._deletions.discard)

    async def stop(self) -> None:
        """End what is done in the background; the next start of this server completes it."""
        for deleting in self._deletions:
            deleting.cancel()
        await asyncio.gather(*self._deletions, return_exceptions=True)

    async def resolve_now_or_later(self, entry: JournalEntry) -> None:
        """End an entry as far as it has come, now or later."""
        await self._now_or_later(entry, self.resolve)

    async def delete_sealed(self, process: int) -> None:
        """Delete the sealed stretches of a log that nobody reads any more."""
        await self._sealings.delete(process)

    async def roll_back_failed(self, entry: JournalEntry) -> None:
        """Undo what failed, now or later; raising the failure itself is left to the caller."""
        await self._now_or_later(entry, self.roll_back)

    async def commit(self, entry: JournalEntry) -> None:
        """Remove the entry of what is complete.

        :raises DatabaseAway: another server has taken the entry over and undone it.
        """
        closed = True
        with contextlib.suppress(HeliographError, OSError), self.resolved_later(entry):
            closed = await self._store.journal.close(entry)
        if not closed:
            await self.roll_back_failed(entry)
            raise DatabaseAway

    async def close(self, entry: JournalEntry) -> None:
        """Remove an entry and leave what it is about as it is."""
        await self._store.journal.delete(entry)

    @contextlib.contextmanager
    def resolved_later(self, entry: JournalEntry) -> Iterator[None]:
        """Resolve the entry later if this fails. A Conflict is a refusal, not a failure."""
        try:
            yield
        except (HeliographError, OSError) as error:
            if not isinstance(error, Conflict):
                log.warning(
                    "Journal entry %s is resolved later: %s",
                    entry.pk,
                    error,
                    extra={
                        "action": "journal_entry_deferred",
                        "entry": entry.pk,
                        "process_pk": entry.process,
                        "attempt": entry.attempt,
                    },
                )
                self._leftovers.append(entry)
            raise

    async def _now_or_later(
        self, entry: JournalEntry, work: Callable[[JournalEntry], Awaitable[None]]
    ) -> None:
        with contextlib.suppress(HeliographError, OSError), self.resolved_later(entry):
            await work(entry)

    async def _claimed_by_others(self, entry: JournalEntry) -> set[str]:
        """Return the keys of files that others are storing or deleting."""
        entries = await self._store.journal.all()
        return {key for other in entries if not entry.shares_with(other) for key in other.keys}

    async def _delete_records(self, entry: JournalEntry, stored: Sequence[DataProduct]) -> None:
        """Delete the records that an entry is about, but for what others have `stored`."""
        own = [product for product in stored if entry.is_about(product)]
        kept = {product.pk for product in stored} - {product.pk for product in own}
        products = [pk for pk in entry.products if pk not in kept]
        if entry.process is not None:
            await self._forget(entry, entry.process, products)
        await self._store.products.delete_many(products)
        await self._store.groups.remove_products(products)
        for imported in await self._store.imports.of_products(products):
            await self._delete_import(imported.series, imported.product)
        if entry.group is not None:
            for group in await self._store.groups.get_many([entry.group]):
                if entry.is_about(group):
                    await self._store.groups.delete(group.pk)
        if entry.series is not None and entry.source is not None:
            await self._delete_import(entry.series, entry.source)
        elif entry.series is not None:
            await self._store.light_curves.delete(entry.series, entry.process)
        tell_each(self.tell, (product.target for product in own), *OUTPUTS)

    async def _delete_import(self, series: int, product: int) -> None:
        """Delete a series before the record that names it, which is needed to find it again."""
        await self._store.light_curves.delete_import(series, product)
        await self._store.imports.delete(series, product)

    async def _forget(self, entry: JournalEntry, process: int, products: list[int]) -> None:
        """Delete what a process has besides products, or remove the products from its record."""
        if entry.whole:
            await self._sealings.delete(process)
            await self._store.logs.delete(process)
            await self._store.receipts.delete(process)
            await self._store.sections.delete(process)
            await self._store.film_frames.delete(process)
            await self._store.shares.delete(process)
            self._deleted(process)
            return
        await self._store.processes.forget_outputs(process, products)
        # Also when an earlier attempt has changed the record already.
        for record in await self._store.processes.get_many([process]):
            self._changed(record)

    async def _complete(self, entry: JournalEntry) -> bool:
        if entry.whole:  # as long as the record is there, its deletion has not begun
            return bool(await self._store.processes.published_by([entry.process or 0]))
        if entry.process is not None:
            named = (await self._store.processes.published_by([entry.process])).get(entry.process)
            if named is None:
                return False
            if entry.series is not None:
                return named.series == entry.series
            if named.outputs.isdisjoint(entry.products):
                return False
            if entry.group is not None:  # published; some may have been deleted since
                return True
        elif entry.series is not None:
            imports = await self._store.imports.get_many([entry.series])
            return any(imported.product == entry.source for imported in imports)
        stored = await self._store.products.get_many(entry.products)
        present = [product for product in stored if entry.is_about(product)]
        return len(present) == len(entry.products) and await self._have(entry.keys)

    async def _have(self, keys: list[str]) -> bool:
        try:
            for key in keys:
                await self._files.size(key)
        except (NotFound, DamagedFile):
            return False
        return True


class Sealings:
    """Ends what was begun to seal stretches of logs, and deletes what was sealed.

    The order in which a stretch is sealed, so that each line can be read at any moment and in the
    end exists once: a journal entry with the key of the file, the file, the decision in the entry,
    the segment in the database, the deletion of the chunks, the deletion of the entry. From the
    decision on a sealing is finished, before that it is undone.
    """

    def __init__(self, store: Store, files: FileStorage, server: str) -> None:
        self._store = store
        self._files = files
        self._server = server

    async def end(self, entry: JournalEntry) -> None:
        """Finish or undo, whatever the entry says now; may be repeated."""
        stored = await self._store.journal.get(entry.pk)
        if stored is None or (stored.server, stored.token) != (self._server, entry.token):
            return  # another server has taken it over, or has an entry of the same PK
        if stored.segment is None:
            await self._files.delete_many(stored.keys)
        else:
            await self._finish(load(LogSegment, stored.segment), stored.sealed_attempt)
        await self._store.journal.delete(stored)

    async def delete(self, process: int) -> None:
        """Delete all segments of a process: the files first, as only the documents name them.

        A database that was put back may not name all of them.
        """
        if files := await self._store.segments.files(process):
            await self._files.delete_many(files)
            await self._files.delete_folder(files[0].partition("/")[0])
            await self._store.segments.delete(process)

    async def _finish(self, segment: LogSegment, attempt: int | None) -> None:
        with contextlib.suppress(AlreadyTaken):
            await self._store.segments.insert(segment)
        stored = await self._store.segments.get(segment.process, segment.first)
        if stored != segment:  # another server was faster, and deletes the chunks
            await self._files.delete_many([segment.file])
            return
        if not await self._store.processes.published_by([segment.process]):
            # Deleted meanwhile, perhaps before this segment was there, or just when it was.
            await self._files.delete_many([segment.file])
            await self.delete(segment.process)
        await self._store.logs.delete(segment.process, upto=segment.last, attempt=attempt)

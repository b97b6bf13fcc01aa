"""Brings files into storage and takes them out, all of them or none wherever a kill falls.

A journal entry is written first and removed last. Whoever finds one later can tell from what there
is whether the matter was complete, and takes everything back if it was not. Whose entry it is
decides who may finish: a server that was given up for dead finds its entry in other hands.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import Conflict, DatabaseAway, HeliographError
from server.file_names import content_type
from server.files import FileStorage, LocalFile
from server.records import DataProduct, DataProductGroup, ProcessRecord
from server.store import Store
from server.store.journal import JournalEntry
from server.store.light_curves import LightCurveChunk
from server.uninterrupted import uninterrupted

log = logging.getLogger(__name__)

#: Gives the facts of a FITS file, None for what is none.
Examine = Callable[[Path], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True)
class Deposit:
    """What was brought in. The journal has its entry until somebody removes it."""

    entry: JournalEntry
    products: list[DataProduct]


class Deposits:
    """What moves files between this machine and storage."""

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        server: str,
        examine: Examine,
        changed: Callable[[ProcessRecord], object],
        deleted: Callable[[int], object],
    ) -> None:
        self._store = store
        self._files = files
        self._server = server
        self._examine = examine
        self._changed = changed
        self._deleted = deleted
        #: What could not be taken back yet, as the database was away.
        self._unsettled: list[JournalEntry] = []

    async def bring_in(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None = None,
        chunks: Sequence[LightCurveChunk] = (),
    ) -> Deposit:
        """Make products of the files, for a run also their group. The local files stay.

        `chunks` are the run's measurements, of one series.

        The entry of a run's outputs stays too: whether they are kept is decided by the run's end.
        A cancellation waits for the end of it. Any failure leaves nothing behind.

        :raises NoRoom: storage or database is full.
        :raises NotFound: the target was deleted meanwhile.
        """
        return await uninterrupted(self._bring_in(files, target, run, chunks))

    async def take_out(self, product: DataProduct) -> None:
        """Delete a product and its file; the process whose output it was forgets it.

        :raises Conflict: an unended process needs it.
        """
        await uninterrupted(self._take_out(product))

    async def take_out_all(self, products: Sequence[DataProduct]) -> None:
        """Delete products that nobody needs, with their files."""
        if products:
            entry = await self._removal(products)
            with self._settled_later(entry):
                await self._store.journal.insert(entry)
                await self.take_back(entry)

    async def take_out_process(
        self, record: ProcessRecord, delete: Callable[[ProcessRecord], Awaitable[None]]
    ) -> None:
        """Delete a process with its log and outputs; `delete` is for the record alone.

        :raises Conflict: an unended process needs one of the outputs.
        """
        await uninterrupted(self._take_out_process(record, delete))

    async def take_over(self, entry: JournalEntry) -> None:
        """Settle what a server that is gone left behind, now or later."""
        taken = await self._store.journal.take_over(entry, self._server)
        if taken is not None:
            await self._now_or_later(taken, self.settle)

    async def settle_own(self) -> None:
        """At start: settle what this server left behind, now or later."""
        for entry in await self._store.journal.of_server(self._server):
            await self._now_or_later(entry, self.settle)

    async def settle(self, entry: JournalEntry) -> None:
        """Remove the entry of what is complete, and with it everything that is not."""
        if await self._complete(entry):
            await self._close(entry)
        else:
            await self.take_back(entry)

    async def take_back(self, entry: JournalEntry) -> None:
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
        await self._close(entry)

    async def settle_leftovers(self) -> None:
        """Take back what could not be taken back when it failed."""
        while self._unsettled:
            entry = self._unsettled.pop()
            with self._settled_later(entry):
                await self.settle(entry)

    async def _take_out(self, product: DataProduct) -> None:
        await self._check_unused([product])
        entry = await self._removal([product])
        with self._settled_later(entry):
            await self._store.journal.insert(entry)
            # From here on no submit finds it any more, but one may have found it just before.
            await self._store.products.delete_many([product.pk])
            try:
                await self._check_unused([product])
            except Conflict:
                await self._store.products.insert_many([product])
                await self._close(entry)
                raise
            await self.take_back(entry)

    async def _take_out_process(
        self, record: ProcessRecord, delete: Callable[[ProcessRecord], Awaitable[None]]
    ) -> None:
        products = await self._store.products.of_process(record.pk)
        await self._check_unused(products)
        groups = await self._store.groups.of_process(record.pk)
        entry = JournalEntry(
            pk=await self._store.counters.next("journal"),
            server=self._server,
            products=[product.pk for product in products],
            keys=[product.key for product in products],
            group=groups[0].pk if groups else None,
            process=record.pk,
            whole=True,
            series=record.series,
        )
        with self._settled_later(entry):
            await self._store.journal.insert(entry)
            await self._store.submissions.mark_gone(record.pk)
            await delete(record)
            await self.take_back(entry)

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

    async def _bring_in(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None,
        chunks: Sequence[LightCurveChunk],
    ) -> Deposit:
        await self.settle_leftovers()
        facts = [await self._examine(file.path) for file in files]
        entry = await self._entry(files, run, chunks)
        now = time.time()
        products = [
            _product(pk, now, file, target, run, fits)
            for pk, file, fits in zip(entry.products, files, facts, strict=True)
        ]
        try:
            await self._store.journal.insert(entry)
            for file, key in zip(files, entry.keys, strict=True):
                await self._files.put(file.path, key)
            await self._insert(products, entry, run)
            await self._store.light_curves.insert_many(chunks)
            await self._store.targets.get(target)
        except BaseException:
            await self._now_or_later(entry, self.take_back)
            raise
        if run is None:
            await self._finish(entry)
        return Deposit(entry, products)

    async def _finish(self, entry: JournalEntry) -> None:
        """Close the entry of what is complete, unless another server has taken it back."""
        closed = True
        with contextlib.suppress(HeliographError, OSError), self._settled_later(entry):
            closed = await self._store.journal.close(entry)
        if not closed:
            await self._now_or_later(entry, self.take_back)
            raise DatabaseAway

    async def _entry(
        self,
        files: Sequence[LocalFile],
        run: ProcessRecord | None,
        chunks: Sequence[LightCurveChunk],
    ) -> JournalEntry:
        counters = self._store.counters
        first = await counters.next("dataproduct", len(files))
        pks = list(range(first, first + len(files)))
        return JournalEntry(
            pk=await counters.next("journal"),
            server=self._server,
            products=pks,
            keys=[f"{pk}/{file.name}" for pk, file in zip(pks, files, strict=True)],
            group=await counters.next("group") if run and files else None,
            process=None if run is None else run.pk,
            attempt=None if run is None else run.attempt,
            series=chunks[0].series if chunks else None,
        )

    async def _removal(self, products: Sequence[DataProduct]) -> JournalEntry:
        processes = {product.process for product in products}
        return JournalEntry(
            pk=await self._store.counters.next("journal"),
            server=self._server,
            products=[product.pk for product in products],
            keys=[product.key for product in products],
            process=processes.pop() if len(processes) == 1 else None,
        )

    async def _check_unused(self, products: Sequence[DataProduct]) -> None:
        names = {product.pk: product.name for product in products}
        for used, process in (await self._store.processes.users_of(names)).items():
            raise Conflict(f"{names[used]} is needed by process {process}, which has not ended")

    async def _insert(
        self, products: list[DataProduct], entry: JournalEntry, run: ProcessRecord | None
    ) -> None:
        await self._store.products.insert_many(products)
        if run is not None and entry.group is not None:
            group = DataProductGroup(
                pk=entry.group,
                created=products[0].created,
                name=f"{run.identifier}_outputs",
                products=entry.products,
                process=run.pk,
            )
            await self._store.groups.insert(group)

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

    async def _now_or_later(
        self, entry: JournalEntry, work: Callable[[JournalEntry], Awaitable[None]]
    ) -> None:
        with contextlib.suppress(HeliographError, OSError), self._settled_later(entry):
            await work(entry)

    @contextlib.contextmanager
    def _settled_later(self, entry: JournalEntry) -> Iterator[None]:
        try:
            yield
        except (HeliographError, OSError) as error:
            if not isinstance(error, Conflict):
                log.warning("Journal entry %s is settled later: %s", entry.pk, error)
                self._unsettled.append(entry)
            raise

    async def _close(self, entry: JournalEntry) -> None:
        await self._store.journal.delete(entry.pk)


def _product(
    pk: int,
    now: float,
    file: LocalFile,
    target: int,
    run: ProcessRecord | None,
    fits: dict[str, Any] | None,
) -> DataProduct:
    return DataProduct(
        pk=pk,
        created=now,
        name=file.name,
        target=target,
        size=file.size,
        sha256=file.sha256,
        content_type=content_type(file.name),
        process=None if run is None else run.pk,
        attempt=None if run is None else run.attempt,
        fits=fits,
    )

"""Brings files into storage and takes them out: all or none, whenever the server is killed.

A journal entry is written first and removed last. Whether the operation was complete can be told
from what is there, and whoever finds the entry later undoes it if it was not. Only the server that
the entry names may finish it, so one that was given up for dead finds that another has taken over.
Ending the entries is left to `rollback`.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.archive.files.examination import EXAMINATIONS, Examine, examined
from server.archive.files.names import content_type
from server.archive.rollback import Rollback
from server.archive.storage import FileStorage, LocalFile
from server.core.changes import LIGHT_CURVE, OUTPUTS, PRODUCTS, tell_each
from server.core.concurrency import finish_even_if_cancelled
from server.core.errors import AlreadyStored, AlreadyTaken, Conflict, DatabaseAway
from server.core.records import DataProduct, DataProductGroup, ProcessRecord
from server.store import Store
from server.store.archive.journal import JournalEntry
from server.store.archive.light_curves import Import, LightCurveChunk

log = logging.getLogger(__name__)

#: How often new PKs are tried, as an engine may hand out one twice.
PK_TRIES = 5
#: Random bytes in the token of an entry.
TOKEN_BYTES = 8


@dataclass(frozen=True)
class Deposit:
    """What was stored. For a run, its entry stays in the journal until the run's end."""

    entry: JournalEntry
    products: list[DataProduct]


class FileTransactions:
    """Stores and deletes products, groups, light curves and processes with their files.

    What changes of what can be seen is told, but for a run's outputs, of which its record tells.
    """

    def __init__(
        self, store: Store, files: FileStorage, server: str, examine: Examine, rollback: Rollback
    ) -> None:
        self._store = store
        self._files = files
        self._server = server
        self._examine = examine
        self._rollback = rollback

    async def add(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None = None,
        chunks: Sequence[LightCurveChunk] = (),
    ) -> Deposit:
        """Make products of the files, for a run also their group. The local files stay.

        `chunks` are the measurements of the run, a single series. The journal entry of a run's
        outputs stays too, as the end of the run decides whether they are kept. A failure leaves
        nothing behind, and a cancellation waits until this is done.

        :raises NoRoom: storage or the database is full.
        :raises NotFound: the target was deleted meanwhile.
        """
        return await finish_even_if_cancelled(self._add_anew(files, target, run, chunks))

    async def begin(self) -> JournalEntry:
        """Write an entry about files that are sent to storage while they are uploaded."""
        await self._rollback.resolve_leftovers()
        token = _new_token()
        entry = await self._entry([], token=token, made_by=[token])
        await self._store.journal.insert(entry)
        return entry

    async def reserve(self, entry: JournalEntry, name: str) -> str:
        """Return the key of one more file of such an entry, which names it by then.

        :raises DatabaseAway: another server has taken the entry over and undone it.
        """
        pk = await self._store.counters.next("dataproduct")
        key = f"{pk}/{name}"
        # Before the entry has it: undoing it deletes what is under its keys.
        await self._files.check_free([key])
        entry.products.append(pk)
        entry.keys.append(key)
        if not await self._store.journal.extend(entry):
            raise DatabaseAway
        return key

    async def complete(
        self, entry: JournalEntry, files: Sequence[LocalFile], target: int
    ) -> list[DataProduct]:
        """Make products of the files of such an entry; a failure leaves neither.

        :raises NotFound: the target was deleted meanwhile.
        """
        return await finish_even_if_cancelled(self._complete(entry, files, target))

    async def abandon(self, entry: JournalEntry) -> None:
        """Delete the files of such an entry, now or later."""
        await self._rollback.roll_back_failed(entry)

    async def add_measurements(
        self, product: DataProduct, chunks: Sequence[LightCurveChunk]
    ) -> None:
        """Store a series of measurements that were read from a product; all or none are visible.

        :raises NoRoom: the database is full.
        :raises NotFound: the product was deleted meanwhile.
        """
        await finish_even_if_cancelled(self._add_measurements(product, chunks))

    async def remove(self, product: DataProduct) -> None:
        """Delete a product, its file and what was imported from it.

        The record of the process that made it does not name it any more either.

        :raises Conflict: a process that has not ended needs it.
        """
        await finish_even_if_cancelled(self._remove(product))

    async def remove_all(self, products: Sequence[DataProduct]) -> None:
        """Delete products that no process needs, with their files."""
        if products:
            entry = await self._removal(products)
            with self._rollback.resolved_later(entry):
                await self._store.journal.insert(entry)
                await self._rollback.delete_and_answer(entry)

    async def remove_process(
        self, record: ProcessRecord, delete: Callable[[ProcessRecord], Awaitable[None]]
    ) -> None:
        """Delete a process with its log and outputs; `delete` deletes only the record.

        Of many outputs, the files go in the background.

        :raises Conflict: a process that has not ended needs one of the outputs.
        """
        await finish_even_if_cancelled(self._remove_process(record, delete))

    async def _add_measurements(
        self, product: DataProduct, chunks: Sequence[LightCurveChunk]
    ) -> None:
        await self._rollback.resolve_leftovers()
        series, count = chunks[0].series, sum(chunk.count for chunk in chunks)
        entry = await self._entry([], series=series, source=product.pk)
        try:
            await self._store.journal.insert(entry)
            await self._store.light_curves.insert_many(chunks)
            await self._store.imports.insert(Import(series, product.pk, product.target, count))
            await self._store.products.get(product.pk)
        except BaseException:
            await self._rollback.roll_back_failed(entry)
            raise
        await self._rollback.commit(entry)
        self._rollback.tell((LIGHT_CURVE, product.target))

    async def _remove(self, product: DataProduct) -> None:
        await self._check_unused([product])
        entry = await self._removal([product])
        with self._rollback.resolved_later(entry):
            await self._store.journal.insert(entry)
            # From now on no submit finds the product, but one may have found it just before.
            await self._store.products.delete_many([product.pk])
            try:
                await self._check_unused([product])
            except Conflict:
                await self._store.products.insert_many([product])
                await self._rollback.close(entry)
                raise
            await self._rollback.delete_and_answer(entry)
        tell_each(self._rollback.tell, (product.target,), *OUTPUTS)

    async def _remove_process(
        self, record: ProcessRecord, delete: Callable[[ProcessRecord], Awaitable[None]]
    ) -> None:
        products = await self._store.products.of_process(record.pk)
        await self._check_unused(products)
        groups = await self._store.groups.of_process(record.pk)
        entry = await self._entry(
            products,
            made_by=_tokens([*products, *groups[:1]]),
            group=groups[0].pk if groups else None,
            process=record.pk,
            whole=True,
            series=record.series,
        )
        with self._rollback.resolved_later(entry):
            await self._store.journal.insert(entry)
            await self._store.submissions.mark_gone(record.pk)
            await delete(record)
            await self._rollback.delete_and_answer(entry)
        tell_each(self._rollback.tell, (record.target,), *OUTPUTS)

    async def _add_anew(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None,
        chunks: Sequence[LightCurveChunk],
    ) -> Deposit:
        """Add, again with new PKs where another server has got the same ones."""
        for _ in range(PK_TRIES - 1):
            try:
                return await self._add(files, target, run, chunks)
            except (AlreadyTaken, AlreadyStored) as error:
                log.warning(
                    "Outputs or uploads are stored under new PKs: %s",
                    error,
                    extra={"action": "pks_taken"},
                )
        return await self._add(files, target, run, chunks)

    async def _add(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None,
        chunks: Sequence[LightCurveChunk],
    ) -> Deposit:
        await self._rollback.resolve_leftovers()
        token = _new_token()
        products = await self._described(files, target, run, token)
        entry = await self._entry(
            products,
            token=token,
            made_by=[token],
            group=await self._store.counters.next("group") if run and files else None,
            process=run.pk if run else None,
            attempt=run.attempt if run else None,
            series=chunks[0].series if chunks else None,
        )
        # Before the entry is written: undoing it deletes what is under its keys.
        await self._files.check_free(entry.keys)
        try:
            await self._put(entry, files, products, run, chunks)
            await self._store.targets.get(target)
        except BaseException as error:
            if isinstance(error, AlreadyStored):  # another's file, which stays
                entry.keys.remove(error.key)
            await self._rollback.roll_back_failed(entry)
            raise
        if run is None:
            await self._rollback.commit(entry)
            self._rollback.tell((PRODUCTS, target))
        return Deposit(entry, products)

    async def _complete(
        self, entry: JournalEntry, files: Sequence[LocalFile], target: int
    ) -> list[DataProduct]:
        try:
            products = await self._described(files, target, None, entry.token, entry.products)
            await self._store.products.insert_many(products)
            await self._store.targets.get(target)
        except BaseException:
            await self._rollback.roll_back_failed(entry)
            raise
        await self._rollback.commit(entry)
        self._rollback.tell((PRODUCTS, target))
        return products

    async def _put(
        self,
        entry: JournalEntry,
        files: Sequence[LocalFile],
        products: list[DataProduct],
        run: ProcessRecord | None,
        chunks: Sequence[LightCurveChunk],
    ) -> None:
        """Write the entry, then what it is about."""
        await self._store.journal.insert(entry)
        paths = (file.path for file in files if file.path is not None)
        keys = (product.key for product in products)
        await self._files.put_many(list(zip(paths, keys, strict=True)))
        await self._store.products.insert_many(products)
        if run is not None and entry.group is not None:
            await self._store.groups.insert(_group(entry.group, products, run, entry.token))
        await self._store.light_curves.insert_many(chunks)
        # Whoever gave this server up for dead may have undone it before all of it was there.
        if run is not None and not await self._store.journal.extend(entry):
            raise DatabaseAway

    async def _described(
        self,
        files: Sequence[LocalFile],
        target: int,
        run: ProcessRecord | None,
        token: str,
        pks: Sequence[int] = (),
    ) -> list[DataProduct]:
        """Return the records that the files will have; without `pks`, with new ones."""
        findings = [await self._examined(file) for file in files]
        if not pks:
            first = await self._store.counters.next("dataproduct", len(files))
            pks = range(first, first + len(files))
        now = time.time()
        return [
            _product(pk, now, file, target, run, found | {"token": token})
            for pk, file, found in zip(pks, files, findings, strict=True)
        ]

    async def _examined(self, file: LocalFile) -> dict[str, Any]:
        """Examine a file and return the fields that its product gets from that."""
        if file.path is None:  # a large compressed file in remote storage: in the background
            return {"examinations_left": EXAMINATIONS}
        return await examined(self._examine, file.path, file.name)

    async def _removal(self, products: Sequence[DataProduct]) -> JournalEntry:
        processes = {product.process for product in products}
        process = processes.pop() if len(processes) == 1 else None
        return await self._entry(products, made_by=_tokens(products), process=process)

    async def _entry(self, products: Sequence[DataProduct], **facts: Any) -> JournalEntry:
        """Return a new entry about these products; `facts` are its other fields."""
        known: dict[str, Any] = {
            "pk": await self._store.counters.next("journal"),
            "server": self._server,
            "products": [product.pk for product in products],
            "keys": [product.key for product in products],
            "token": _new_token(),
        }
        return JournalEntry(**known | facts)

    async def _check_unused(self, products: Sequence[DataProduct]) -> None:
        names = {product.pk: product.name for product in products}
        for used, process in (await self._store.processes.users_of(names)).items():
            raise Conflict(f"{names[used]} is needed by process {process}, which has not ended")


def _new_token() -> str:
    # It begins with a letter, as the embedded engine takes some other texts for dates.
    return f"t{secrets.token_hex(TOKEN_BYTES)}"


def _tokens(stored: Sequence[DataProduct | DataProductGroup]) -> list[str]:
    return sorted({each.token for each in stored})


def _group(
    pk: int, products: list[DataProduct], run: ProcessRecord, token: str
) -> DataProductGroup:
    return DataProductGroup(
        pk=pk,
        created=products[0].created,
        name=f"{run.identifier}_outputs",
        products=[product.pk for product in products],
        process=run.pk,
        token=token,
    )


def _product(
    pk: int,
    now: float,
    file: LocalFile,
    target: int,
    run: ProcessRecord | None,
    found: dict[str, Any],
) -> DataProduct:
    return DataProduct(
        pk=pk,
        created=now,
        name=file.name,
        target=target,
        size=file.size,
        sha256=file.sha256,
        content_type=content_type(file.name),
        process=run.pk if run else None,
        attempt=run.attempt if run else None,
        data_product_type=file.data_product_type,
        **found,
    )

"""Targets, data products and groups: what handlers and runs do with them, files included.

Joins the records of the store with the bytes in storage. An output of a run is shown only if the
record of its process names it, so that outputs appear together with the end of the run.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from server.archive.examination import Examine
from server.archive.groups import Groups
from server.archive.light_curves import LightCurves
from server.archive.outputs import OutputFile, OutputPublisher, Publication
from server.archive.rollback import Rollback
from server.archive.storage import FileStorage, LocalFile
from server.archive.target_fields import checked, identifiers
from server.archive.transactions import FileTransactions
from server.archive.uploads import Upload, UploadLimits
from server.core.data_folder import DataFolder
from server.core.errors import AlreadyTaken, Conflict, NotFound
from server.core.records import DataProduct, DataProductGroup, ProcessRecord, Target
from server.store import Store
from server.store.archive.journal import JournalEntry
from server.store.base import Page
from server.store.processes.records import Published

__all__ = ["Archive", "OutputFile", "Publication"]

_DELETE_STEP = 100


class Archive:
    """All targets, data products and groups.

    `changed` is told of each process record that forgets a deleted output or group, `gone` of the
    PK of each deleted target, `deleted` of that of each process whose deletion is finished.
    """

    def __init__(
        self,
        store: Store,
        files: FileStorage,
        data_folder: DataFolder,
        examine: Examine,
        limits: UploadLimits,
        changed: Callable[[ProcessRecord], object] = lambda record: None,
        gone: Callable[[int], object] = lambda target: None,
        deleted: Callable[[int], object] = lambda process: None,
    ) -> None:
        self._store = store
        self._files = files
        self._data_folder = data_folder
        self._limits = limits
        self._changed = changed
        self._gone = gone
        server = data_folder.server_id
        self._rollback = Rollback(store, files, server, changed, deleted)
        self._transactions = FileTransactions(store, files, server, examine, self._rollback)
        grouping = Groups(store, self.existing)
        self.create_group = grouping.create
        self.add_to_group = grouping.add
        publishing = OutputPublisher(self._transactions, self._rollback, store, data_folder)
        self.light_curves = LightCurves(store)
        self.publish = publishing.publish
        self.confirm = publishing.confirm
        self.discard = publishing.discard
        self.delete_process = self._transactions.remove_process
        self.take_over = self._rollback.take_over
        self.resolve_leftovers = self._rollback.resolve_leftovers

    async def recover(self) -> None:
        """At start: make whole or take back what this server did when it ended."""
        await self._rollback.resolve_own()

    async def unfinished_of_others(self) -> list[JournalEntry]:
        """What other servers are about to store or delete, or have left behind."""
        entries = await self._store.journal.all()
        return [entry for entry in entries if entry.server != self._data_folder.server_id]

    async def create_target(
        self,
        name: str,
        identifier: str | None = None,
        ra: float | None = None,
        dec: float | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> Target:
        """Make a target, its identifier from the name when none is given.

        :raises InvalidInput: naming each field that is wrong.
        :raises Conflict: the identifier given is taken.
        """
        given = {"name": name, "ra": ra, "dec": dec, "extra_fields": extra_fields or {}}
        fields = checked(given if identifier is None else given | {"identifier": identifier})
        pk = await self._store.counters.next("target")
        for candidate in identifiers(name, pk) if identifier is None else [identifier]:
            target = Target(**fields | {"pk": pk, "created": time.time(), "identifier": candidate})
            try:
                await self._store.targets.insert(target)
            except AlreadyTaken:
                continue
            return target
        raise Conflict(f"The identifier {identifier} is taken")

    async def edit_target(self, pk: int, changes: dict[str, Any]) -> Target:
        """Change fields of a target. :raises Conflict: the new identifier is taken."""
        await self.target(pk)
        try:
            return await self._store.targets.change(pk, **checked(changes))
        except AlreadyTaken as error:
            raise Conflict(f"The identifier {changes['identifier']} is taken") from error

    async def delete_target(self, pk: int) -> None:
        """Delete a target with its products; its processes are gone already."""
        await self.target(pk)
        await self._delete_products_of(pk)
        await self._store.targets.delete(pk)
        self._gone(pk)
        await self._delete_products_of(pk)  # an upload may have come in between

    async def target(self, pk: int) -> Target:
        """One target. :raises NotFound: there is none."""
        return await self._store.targets.get(pk)

    async def targets(
        self, before: int | None = None, limit: int = 100, search: str | None = None
    ) -> Page[Target]:
        """A page of the targets that have the search text in name or identifier."""
        return await self._store.targets.find(before, limit, search)

    def upload(self, target: int) -> Upload:
        """An upload of files for a target, to be entered with `async with`."""

        async def store(files: list[LocalFile]) -> list[DataProduct]:
            return (await self._transactions.add(files, target)).products

        return Upload(self._data_folder.incoming, self._limits, store)

    async def product(self, pk: int) -> DataProduct:
        """One product. :raises NotFound: there is none, or nobody may see it yet."""
        for product in await self._visible([await self._store.products.get(pk)]):
            return product
        raise NotFound("data product", pk)

    async def products(
        self, target: int, before: int | None = None, limit: int = 100
    ) -> Page[DataProduct]:
        """A page of a target's products; it may be short and still have a `next`."""
        page = await self._store.products.find(target, before, limit)
        return Page(await self._visible(page.items), page.next)

    async def existing(self, pks: Sequence[int]) -> list[DataProduct]:
        """Those of these products that there are to be seen, in the order given."""
        return await self._visible(await self._store.products.get_many(pks))

    async def count_products(self, target: int, most: int) -> int:
        """How many products a target has; `most` + 1 stands for any larger number."""
        return await self._store.products.count(target, most)

    async def product_fields(self, products: Sequence[DataProduct]) -> list[dict[str, Any]]:
        """The products as the contract shows them."""
        groups = await self._store.groups.containing([product.pk for product in products])
        names = ("pk", "name", "target", "size", "sha256", "content_type", "created", "url")
        return [
            {name: getattr(product, name) for name in names}
            | {"groups": groups[product.pk], "process": product.process, "fits": product.fits}
            for product in products
        ]

    async def delete_product(self, pk: int) -> None:
        """Delete a product and its file. :raises Conflict: an unended process needs it."""
        try:
            product = await self.product(pk)
        except NotFound:
            # It may be gone by a try that failed: then groups and its process may still name it.
            await self._rollback.resolve_leftovers()
            raise
        await self._transactions.remove(product)

    async def group(self, pk: int) -> DataProductGroup:
        """One group. :raises NotFound: there is none, or nobody may see it yet."""
        for group in await self._visible_groups([await self._store.groups.get(pk)]):
            return group
        raise NotFound("group", pk)

    async def groups(self, before: int | None = None, limit: int = 100) -> Page[DataProductGroup]:
        """A page of all groups; it may be short and still have a `next`."""
        page = await self._store.groups.find(before, limit)
        return Page(await self._visible_groups(page.items), page.next)

    async def delete_group(self, pk: int) -> None:
        """Delete a group, not its products. :raises NotFound: there is none."""
        group = await self.group(pk)
        if group.process is not None:
            record = await self._store.processes.forget_group(group.process, pk)
            if record is not None:
                self._changed(record)
        await self._store.groups.delete(pk)

    def read(
        self, product: DataProduct, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of a product from `start` to before `stop`, in pieces."""
        return self._files.read(product.key, start, stop)

    async def path(self, product: DataProduct, folder: Path | None = None) -> Path:
        """A local file with the product's bytes, not to be changed; a copy goes to the folder."""
        copies = self._data_folder.incoming / "copies"
        return await self._files.local(product.key, copies if folder is None else folder)

    async def _delete_products_of(self, target: int) -> None:
        while products := (await self._store.products.find(target, limit=_DELETE_STEP)).items:
            await self._transactions.remove_all(products)

    async def _visible(self, products: Sequence[DataProduct]) -> list[DataProduct]:
        named = await self._published({product.process for product in products})
        return [
            product
            for product in products
            if product.process is None
            or (product.process in named and product.pk in named[product.process].outputs)
        ]

    async def _visible_groups(self, groups: Sequence[DataProductGroup]) -> list[DataProductGroup]:
        named = await self._published({group.process for group in groups})
        return [
            group
            for group in groups
            if group.process is None
            or (group.process in named and named[group.process].group == group.pk)
        ]

    async def _published(self, processes: Iterable[int | None]) -> dict[int, Published]:
        pks = [pk for pk in processes if pk is not None]
        return await self._store.processes.published_by(pks) if pks else {}

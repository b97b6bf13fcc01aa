"""Groups of data products: what may be in one, create, add, find and delete.

The groups of runs' outputs are made in `transactions`; nothing can be added to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from server.archive.products import DataProducts
from server.archive.target_fields import checked_name
from server.archive.visibility import Visibility
from server.core.changes import GROUPS, Tell, tell_each, tell_nobody
from server.core.errors import AlreadyTaken, Conflict, InvalidInput, NotFound
from server.core.records import DataProduct, DataProductGroup, ProcessRecord
from server.store import Store
from server.store.base import Page

GROUP_PRODUCTS_LIMIT = 10_000


class Groups:
    """All groups that may be seen.

    `changed` is called with each process record that no longer names a deleted group, `tell` with
    the changes about the targets of the products.
    """

    def __init__(
        self,
        store: Store,
        products: DataProducts,
        visibility: Visibility,
        changed: Callable[[ProcessRecord], object],
        tell: Tell = tell_nobody,
    ) -> None:
        self._store = store
        self._products = products
        self._visibility = visibility
        self._changed = changed
        self._tell = tell

    async def create(self, name: str, products: Sequence[int]) -> DataProductGroup:
        """Create a group.

        :raises InvalidInput: the name is not valid, a product is missing, or there are too many.
        """
        members = list(dict.fromkeys(products))
        bad = _faults(name, members)
        if bad:
            raise InvalidInput(bad)
        await self._check_exist(members)
        pk = await self._store.counters.next("group")
        group = DataProductGroup(pk=pk, created=time.time(), name=name, products=members)
        group = await self._insert(group)
        self._tell_targets(await self._drop_deleted(members))
        return await self._store.groups.get(group.pk)

    async def _insert(self, group: DataProductGroup) -> DataProductGroup:
        """Store a group, under the next PK if another one has its PK."""
        while True:
            try:
                await self._store.groups.insert(group)
                return group
            except AlreadyTaken:
                if await self._store.groups.get_many([group.pk]) == [group]:
                    return group  # it was stored, and only the answer was lost
            group = group.evolve(pk=await self._store.counters.next("group"))

    async def add(self, group: DataProductGroup, products: Sequence[int]) -> DataProductGroup:
        """Add products to a group; those that are in it already stay where they are.

        :raises InvalidInput: a product is missing, or there are too many.
        :raises Conflict: it is the group of a run's outputs.
        """
        if group.process is not None:
            raise Conflict(f"{group.name} holds outputs of a process; nothing can be added to it")
        members = list(dict.fromkeys([*group.products, *products]))
        if not products or len(members) > GROUP_PRODUCTS_LIMIT:
            raise InvalidInput.of("products", _how_many())
        await self._check_exist(list(dict.fromkeys(products)))
        await self._store.groups.add_products(group.pk, products)
        self._tell_targets(await self._drop_deleted(members))
        return await self._store.groups.get(group.pk)

    async def get(self, pk: int) -> DataProductGroup:
        """Return one group. :raises NotFound: there is no such group, or it is not visible."""
        for group in await self._visibility.groups([await self._store.groups.get(pk)]):
            return group
        raise NotFound("group", pk)

    async def find(self, *, before: int | None = None, limit: int = 100) -> Page[DataProductGroup]:
        """Return a page of all groups; it may be short and still have a `next`."""
        page = await self._store.groups.find(before=before, limit=limit)
        return Page(await self._visibility.groups(page.items), page.next)

    async def delete(self, pk: int) -> None:
        """Delete a group, not its products.

        :raises NotFound: there is no such group, or it is not visible.
        """
        group = await self.get(pk)
        products = await self._store.products.get_many(group.products)
        if group.process is not None:
            record = await self._store.processes.forget_group(group.process, pk)
            if record is not None:
                self._changed(record)
        await self._store.groups.delete(pk)
        self._tell_targets(products)

    def _tell_targets(self, products: Sequence[DataProduct]) -> None:
        """Tell of a change of a group with these products."""
        tell_each(self._tell, (product.target for product in products), GROUPS)

    async def _check_exist(self, products: list[int]) -> None:
        found = await self._products.get_many(products)
        if missing := set(products) - {product.pk for product in found}:
            raise InvalidInput.of("products", f"There is no data product {min(missing)}")

    async def _drop_deleted(self, members: list[int]) -> list[DataProduct]:
        """Remove products that were deleted meanwhile. Return the others."""
        found = await self._store.products.get_many(members)
        if gone := set(members) - {product.pk for product in found}:
            await self._store.groups.remove_products(gone)
        return found


def _faults(name: str, members: list[int]) -> dict[str, list[str]]:
    bad: dict[str, list[str]] = {}
    try:
        checked_name(name)
    except ValueError as error:
        bad["name"] = [str(error)]
    if not 1 <= len(members) <= GROUP_PRODUCTS_LIMIT:
        bad["products"] = [_how_many()]
    return bad


def _how_many() -> str:
    return f"1 to {GROUP_PRODUCTS_LIMIT} data products are needed"

"""Groups that people make: what may be in one, making it, adding to it.

The groups of runs' outputs are made with these, in `transactions`; nothing is added to them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from server.archive.target_fields import checked_name
from server.core.errors import Conflict, InvalidInput
from server.core.records import DataProduct, DataProductGroup
from server.store import Store

GROUP_PRODUCTS_LIMIT = 10_000

#: Gives those of some products that there are to be seen.
Existing = Callable[[Sequence[int]], Awaitable[list[DataProduct]]]


class Groups:
    """Makes groups and adds to them."""

    def __init__(self, store: Store, existing: Existing) -> None:
        self._store = store
        self._existing = existing

    async def create(self, name: str, products: Sequence[int]) -> DataProductGroup:
        """Make a group. :raises InvalidInput: the name, or a product that there is not."""
        members = list(dict.fromkeys(products))
        bad = _faults(name, members)
        if bad:
            raise InvalidInput(bad)
        await self._check_exist(members)
        pk = await self._store.counters.next("group")
        group = DataProductGroup(pk=pk, created=time.time(), name=name, products=members)
        await self._store.groups.insert(group)
        await self._drop_gone(members)
        return await self._store.groups.get(pk)

    async def add(self, group: DataProductGroup, products: Sequence[int]) -> DataProductGroup:
        """Put further products into a group; those that are in it stay where they are.

        :raises InvalidInput: a product that there is not, or too many.
        :raises Conflict: the group is that of a run's outputs.
        """
        if group.process is not None:
            raise Conflict(f"{group.name} has what a process made, and nothing else")
        members = list(dict.fromkeys([*group.products, *products]))
        if not products or len(members) > GROUP_PRODUCTS_LIMIT:
            raise InvalidInput.of("products", _how_many())
        await self._check_exist(list(dict.fromkeys(products)))
        await self._store.groups.add_products(group.pk, products)
        await self._drop_gone(list(products))
        return await self._store.groups.get(group.pk)

    async def _check_exist(self, products: list[int]) -> None:
        found = await self._existing(products)
        if missing := set(products) - {product.pk for product in found}:
            raise InvalidInput.of("products", f"There is no data product {min(missing)}")

    async def _drop_gone(self, members: list[int]) -> None:
        """Take out what was deleted meanwhile."""
        existing = {found.pk for found in await self._store.products.get_many(members)}
        for gone in set(members) - existing:
            await self._store.groups.remove_product(gone)


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

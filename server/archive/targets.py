"""Targets: create, edit, find and delete. What a field may hold is left to `target_fields`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from server.archive.target_fields import checked, identifier_of
from server.archive.transactions import FileTransactions
from server.core.changes import TARGET, Tell, tell_nobody
from server.core.errors import AlreadyTaken, Conflict
from server.core.numbering import free_number
from server.core.records import Target
from server.store import Store
from server.store.base import Page

_DELETE_STEP = 100
#: How many identifiers are tried; each time others have been faster in taking the one found free.
_IDENTIFIER_TRIES = 100


class Targets:
    """All targets. `gone` is called with the PK of each deleted one, `tell` with each change."""

    def __init__(
        self,
        store: Store,
        transactions: FileTransactions,
        gone: Callable[[int], object],
        tell: Tell = tell_nobody,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._gone = gone
        self._tell = tell
        self._naming: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def create(
        self,
        name: str,
        *,
        identifier: str | None = None,
        ra: float | None = None,
        dec: float | None = None,
        extra_fields: dict[str, Any] | None = None,
    ) -> Target:
        """Create a target; without an identifier, derive one from its name.

        :raises InvalidInput: some fields are not valid; it names each of them.
        :raises Conflict: the given identifier is taken.
        """
        given = {"name": name, "ra": ra, "dec": dec, "extra_fields": extra_fields or {}}
        fields = checked(given if identifier is None else given | {"identifier": identifier})
        pk = await self._store.counters.next("target")
        target = Target(**{"identifier": ""} | fields | {"pk": pk, "created": time.time()})
        if identifier is None:
            return await self._insert_named(target)
        try:
            return await self._insert(target)
        except AlreadyTaken as error:
            raise Conflict(f"The identifier {identifier} is taken") from error

    async def _insert_named(self, target: Target) -> Target:
        """Store a target under a free identifier made from its name."""
        first = identifier_of(target.name, target.pk)
        # One at a time of a name, as they would all find the same number.
        lock = self._naming.setdefault(first, asyncio.Lock())
        async with lock:
            number = 1
            for _ in range(_IDENTIFIER_TRIES):
                identifier = identifier_of(target.name, target.pk, number)
                try:
                    return await self._insert(target.evolve(identifier=identifier))
                except AlreadyTaken:
                    number = await free_number(partial(self._taken, target))
        raise Conflict(f"No identifier is free for a target named {target.name}")

    async def _taken(self, target: Target, numbers: Sequence[int]) -> set[int]:
        """Return the numbers under which the identifier made from a target's name is taken."""
        made = {identifier_of(target.name, target.pk, number): number for number in numbers}
        return {made[identifier] for identifier in await self._store.targets.taken(made)}

    async def _insert(self, target: Target) -> Target:
        """Store a target, under the next PK if another one has its PK.

        :raises AlreadyTaken: its identifier is taken.
        """
        while True:
            try:
                await self._store.targets.insert(target)
                self._tell((TARGET, target.pk))
                return target
            except AlreadyTaken:
                stored = await self._store.targets.get_many([target.pk])
                if stored == [target]:  # it was stored, and only the answer was lost
                    return target
                if not stored:
                    raise
            target = target.evolve(pk=await self._store.counters.next("target"))

    async def edit(self, pk: int, changes: dict[str, Any]) -> Target:
        """Change fields of a target.

        :raises NotFound: there is no such target.
        :raises InvalidInput: some fields are not valid; it names each of them.
        :raises Conflict: the new identifier is taken.
        """
        await self.get(pk)
        try:
            changed = await self._store.targets.change(pk, **checked(changes))
        except AlreadyTaken as error:
            raise Conflict(f"The identifier {changes['identifier']} is taken") from error
        self._tell((TARGET, pk))
        return changed

    async def delete(self, pk: int) -> None:
        """Delete a target with its products; its processes must have been deleted before.

        :raises NotFound: there is no such target.
        """
        await self.get(pk)
        await self._delete_products(pk)
        await self._store.targets.delete(pk)
        for imported in await self._store.imports.of_target(pk):  # what came without a product
            await self._store.light_curves.delete_import(imported.series, imported.product)
            await self._store.imports.delete(imported.series, imported.product)
        self._gone(pk)
        await self._delete_products(pk)  # an upload may have come in between

    async def get(self, pk: int) -> Target:
        """Return one target. :raises NotFound: there is no such target."""
        return await self._store.targets.get(pk)

    async def by_pk(self, pks: Iterable[int]) -> dict[int, Target]:
        """Return those of these targets that there are, by PK."""
        return {target.pk: target for target in await self._store.targets.get_many(pks)}

    async def find(
        self, *, before: int | None = None, limit: int = 100, search: str | None = None
    ) -> Page[Target]:
        """Return a page of the targets whose name or identifier contains the search text."""
        return await self._store.targets.find(before=before, limit=limit, search=search)

    async def _delete_products(self, target: int) -> None:
        while products := (await self._store.products.find(target, limit=_DELETE_STEP)).items:
            await self._transactions.remove_all(products)

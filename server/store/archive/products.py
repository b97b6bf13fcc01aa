"""The records of data products; their bytes are in `server/archive/storage.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server.core.records import KEY_RANGE, DataProduct
from server.store.base import Page, RecordCollection, text_key, upper_bound
from server.store.counts import TargetCounts
from server.store.driver.connection import Database

#: How many products are written at once, so that nothing else waits long.
_AT_ONCE = 200
_READ_AT_ONCE = 1_000


class DataProducts(RecordCollection[DataProduct]):
    """All data products."""

    kind, record, name = "data product", DataProduct, "dataproducts"

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.counts = TargetCounts(self._collection, _of_target)

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("by_target", "process", "examinations_left", "by_name"):
            await self._collection.ensure_index(field)

    async def insert_many(self, products: Sequence[DataProduct]) -> None:
        """Store new products. :raises AlreadyTaken: one of the PKs exists."""
        for start in range(0, len(products), _AT_ONCE):
            await self._collection.insert_many(
                [
                    product.to_document() | _keys(product)
                    for product in products[start : start + _AT_ONCE]
                ]
            )
        self.counts.forget(*(product.target for product in products))

    async def count(self, target: int, most: int) -> int:
        """Return how many products a target has; `most` + 1 stands for any larger number."""
        return await self.counts.of(target, most)

    async def find(
        self, target: int, *, before: int | None = None, limit: int = 100
    ) -> Page[DataProduct]:
        """Return a page of a target's products."""
        start = target * KEY_RANGE
        return await self._page("by_target", start, start + upper_bound(before), limit)

    async def named(self, beginning: str, limit: int) -> list[DataProduct]:
        """Return products whose names begin so, in the order of their names; case is ignored."""
        low = _name_key(beginning)
        span = {"by_name": {"$gte": low, "$lt": f"{low}\uffff"}}
        return self._records(await self._collection.find(span, sort=("by_name", 1), limit=limit))

    async def of_name(self, name: str, limit: int) -> list[DataProduct]:
        """Return products of exactly this name."""
        wanted = {"by_name": _name_key(name)}
        found = self._records(await self._collection.find(wanted, limit=limit))
        return [product for product in found if product.name == name]

    async def key_names(self) -> None:
        """Have those found by their names that a program has stored before there was that key."""
        last = 0
        while found := await self._collection.find(
            {"by_target": {"$gt": last}},
            sort=("by_target", 1),
            limit=_READ_AT_ONCE,
            fields=("by_target", "name", "by_name"),
        ):
            last = found[-1]["by_target"]
            for each in found:
                if "by_name" not in each:
                    key = {"by_name": _name_key(each["name"])}
                    await self._collection.change({"_id": each["_id"]}, set=key)

    async def of_process(self, process: int) -> list[DataProduct]:
        """Return all outputs of a process's attempts, in the order of their PKs."""
        found = self._records(await self._collection.find({"process": process}))
        return sorted(found, key=lambda product: product.pk)

    async def unexamined(self, limit: int) -> list[DataProduct]:
        """Return products that are to be examined again, those with the most tries left first."""
        field = "examinations_left"
        return self._records(
            await self._collection.find({field: {"$gt": 0}}, sort=(field, -1), limit=limit)
        )

    async def take_examination(self, product: DataProduct) -> bool:
        """Use one of a product's tries; return False if that has been done, or it is deleted."""
        unchanged = {"_id": product.pk, "examinations_left": product.examinations_left}
        return await self._collection.change(unchanged, inc={"examinations_left": -1}) is not None

    async def set_metadata(self, pk: int, fits: dict[str, Any] | None) -> None:
        """Store what an examination found, None if it is not a FITS file; no try is left then."""
        await self._collection.change({"_id": pk}, set={"fits": fits, "examinations_left": 0})

    async def delete_many(self, pks: Iterable[int]) -> None:
        """Delete products; missing ones are fine."""
        await self._collection.delete_many(pks)
        self.counts.forget()


def _keys(product: DataProduct) -> dict[str, Any]:
    by_target = product.target * KEY_RANGE + product.pk
    return {"by_target": by_target, "by_name": _name_key(product.name)}


def _name_key(name: str) -> str:
    return text_key(name.casefold())


def _of_target(target: int) -> dict[str, int]:
    return {"$gt": target * KEY_RANGE, "$lt": (target + 1) * KEY_RANGE}

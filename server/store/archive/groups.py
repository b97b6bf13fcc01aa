"""The records of groups of data products, and which products are in which groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from server.core.errors import AlreadyTaken
from server.core.records import DataProductGroup
from server.store.base import Page, RecordCollection, upper_bound
from server.store.driver.collection import Document
from server.store.driver.connection import Database


class Groups(RecordCollection[DataProductGroup]):
    """All groups.

    A group's document lists its products. The other way round, a document of `memberships` has
    the product's PK as its `_id` and a field `g<pk>` for each group: an array cannot be grown in
    place on the embedded engine, nor searched on an index.
    """

    kind, record, name = "group", DataProductGroup, "groups"

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._memberships = database.collection("memberships")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await super().ensure_indexes()
        await self._collection.ensure_index("process")

    async def insert(self, group: DataProductGroup) -> None:
        """Store a new group. :raises AlreadyTaken: its PK exists."""
        # Memberships first: one without its group is never seen, but a group without memberships
        # would keep the PKs of its products when they are deleted.
        await self._join_all(list(dict.fromkeys(group.products)), group.pk)
        try:
            await self._collection.insert(group.to_document() | {"version": 1})
        except AlreadyTaken:
            await self._leave(group)
            raise

    async def insert_many(self, groups: Sequence[DataProductGroup]) -> None:
        """Store new groups. :raises AlreadyTaken: one of the PKs exists."""
        joined: dict[int, dict[str, bool]] = {}
        for group in groups:
            for product in group.products:
                joined.setdefault(product, {})[_field(group.pk)] = True
        known = {each["_id"] for each in await self._memberships.get_many(joined)}
        await self._memberships.insert_many(
            [{"_id": product, **of} for product, of in joined.items() if product not in known]
        )
        for product in known:
            await self._memberships.change({"_id": product}, set=joined[product])
        await self._collection.insert_many([each.to_document() | {"version": 1} for each in groups])

    async def add_products(self, pk: int, products: Sequence[int]) -> None:
        """Append products to those of a group; those that are in it already stay where they are.

        A group that does not exist, or is deleted meanwhile, is fine.
        """
        await self._join_all(list(dict.fromkeys(products)), pk)
        while (document := await self._collection.get(pk)) is not None:
            members = list(dict.fromkeys([*document["products"], *products]))
            if await self._change_products(document, members):
                return

    async def find(self, *, before: int | None = None, limit: int = 100) -> Page[DataProductGroup]:
        """Return a page of all groups."""
        return await self._page("pk", 0, upper_bound(before), limit)

    async def containing(self, products: Sequence[int]) -> dict[int, list[int]]:
        """Return the PKs of the groups that each product is in, ascending."""
        documents = await self._memberships.get_many(dict.fromkeys(products))
        claimed = {document["_id"]: _groups(document) for document in documents}
        groups = {group for pks in claimed.values() for group in pks}
        existing = {found.pk for found in await self.get_many(groups)} if groups else set()
        return {
            pk: [group for group in claimed.get(pk, ()) if group in existing] for pk in products
        }

    async def remove_products(self, products: Iterable[int]) -> None:
        """Remove deleted products from all their groups, each of which is written once."""
        gone = set(products)
        memberships = await self._memberships.get_many(gone)
        for pk in sorted({pk for membership in memberships for pk in _groups(membership)}):
            await self._remove(pk, gone)
        await self._memberships.delete_many(gone)

    async def of_process(self, process: int) -> list[DataProductGroup]:
        """Return the groups of outputs of a process's attempts."""
        return self._records(await self._collection.find({"process": process}))

    async def delete(self, pk: int) -> None:
        """Delete a group, not its products; a missing one is fine."""
        document = await self._collection.get(pk)
        await super().delete(pk)
        for product in [] if document is None else document["products"]:
            await self._memberships.change({"_id": product}, unset=(_field(pk),))

    async def _join_all(self, products: Sequence[int], group: int) -> None:
        """Make products members of a group, those that are in no other at once."""
        known = {each["_id"] for each in await self._memberships.get_many(products)}
        new = [
            {"_id": product, _field(group): True} for product in products if product not in known
        ]
        try:
            await self._memberships.insert_many(new)
        except AlreadyTaken:  # one of them joins another group at this moment
            known = set(products)
        for product in known:
            await self._join(product, group)

    async def _join(self, product: int, group: int) -> None:
        member = {"_id": product}
        try:
            await self._memberships.change(member, set={_field(group): True}, upsert=True)
        except AlreadyTaken:  # another group of the product inserted the document first
            await self._memberships.change(member, set={_field(group): True})

    async def _leave(self, group: DataProductGroup) -> None:
        """Undo memberships in a group whose PK another one has; those of that one stay."""
        document = await self._collection.get(group.pk)
        members = [] if document is None else document["products"]
        for product in set(group.products).difference(members):
            await self._memberships.change({"_id": product}, unset=(_field(group.pk),))

    async def _remove(self, pk: int, gone: Collection[int]) -> None:
        # Others may be removed at the same time, so try until nothing came in between.
        while (document := await self._collection.get(pk)) is not None:
            left = [member for member in document["products"] if member not in gone]
            if await self._change_products(document, left):
                return

    async def _change_products(self, document: Document, products: list[int]) -> bool:
        """Return whether the group has not changed since it was read, and so was written."""
        unchanged = {"_id": document["_id"], "version": document["version"]}
        changed = await self._collection.change(
            unchanged, set={"products": products}, inc={"version": 1}
        )
        return changed is not None


def _field(group: int) -> str:
    return f"g{group}"


def _groups(membership: dict[str, object]) -> list[int]:
    return sorted(int(field[1:]) for field in membership if field != "_id")

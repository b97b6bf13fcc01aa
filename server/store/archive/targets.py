"""The records of targets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server.core.errors import NotFound
from server.core.records import Target
from server.store.base import Page, RecordCollection, taken_texts, text_key, upper_bound

#: How many targets one search may examine before it returns a short page.
_EXAMINED_LIMIT = 10_000
_SEARCH_BATCH = 1_000


class Targets(RecordCollection[Target]):
    """All targets."""

    kind, record, name = "target", Target, "targets"

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        await super().ensure_indexes()
        await self._collection.ensure_index("by_identifier", unique=True)

    async def insert(self, target: Target) -> None:
        """Store a new target. :raises AlreadyTaken: its PK or identifier exists."""
        key = {"by_identifier": text_key(target.identifier)}
        await self._collection.insert(target.to_document() | key)

    async def insert_many(self, targets: Sequence[Target]) -> None:
        """Store new targets. :raises AlreadyTaken: a PK or identifier exists."""
        keys = [{"by_identifier": text_key(target.identifier)} for target in targets]
        documents = [each.to_document() | key for each, key in zip(targets, keys, strict=True)]
        await self._collection.insert_many(documents)

    async def by_identifier(self, identifier: str) -> Target | None:
        """Return the target with this identifier, if there is one."""
        wanted = {"by_identifier": text_key(identifier)}
        found = self._records(await self._collection.find(wanted, limit=1))
        return found[0] if found else None

    async def taken(self, identifiers: Iterable[str]) -> set[str]:
        """Return those of the identifiers that targets have."""
        return await taken_texts(self._collection, "by_identifier", identifiers)

    async def find(
        self, *, before: int | None = None, limit: int = 100, search: str | None = None
    ) -> Page[Target]:
        """Return a page of the targets whose name or identifier contains the search text.

        Case does not matter. A search examines a bounded number of targets, so its page may be
        short and still have a `next`.
        """
        if not search:
            return await self._page("pk", 0, upper_bound(before), limit)
        matching: list[Target] = []
        for _ in range(_EXAMINED_LIMIT // _SEARCH_BATCH):
            page = await self._page("pk", 0, upper_bound(before), _SEARCH_BATCH)
            matching += [target for target in page.items if _has(target, search.casefold())]
            if len(matching) > limit:
                return Page(matching[:limit], matching[limit - 1].pk)
            before = page.next
            if before is None:
                break
        return Page(matching, before)

    async def change(self, pk: int, **fields: Any) -> Target:
        """Change fields of a target. :raises NotFound: there is no such target."""
        # By way of a record, which knows how each field is stored.
        before = await self.get(pk)
        if not fields:  # which the database would refuse
            return before
        document = before.evolve(**fields).to_document()
        keys = {"identifier": {"by_identifier": text_key(document["identifier"])}}
        changes = {name: document[name] for name in fields}
        for name in fields:
            changes |= keys.get(name, {})
        changed = await self._collection.change({"_id": pk}, set=changes)
        if changed is None:
            raise NotFound(self.kind, pk)
        return Target.from_document(changed)


def _has(target: Target, search: str) -> bool:
    return search in target.name.casefold() or search in target.identifier

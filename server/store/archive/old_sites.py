"""Sites that were moved in from tom_education: which they are, and which PKs their records have.

How a site is read and brought here is left to `server/operations/importing`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from server.store.base import load, text_key
from server.store.driver.connection import Database

#: What old records are, by the names of the counters that their PKs come from here.
Kind = Literal["target", "dataproduct", "group", "processes"]

#: How many are read at once.
_AT_ONCE = 500


@dataclass(frozen=True)
class OldSite:
    """A site, by the id that its database gives it.

    `claimed` has, by kind, ranges of old PKs that have PKs here: the first, the last, and by how
    much those here are larger. `through` is how far the measurements have been brought. It is not
    `complete` while an import is under way.
    """

    id: str
    begun: float
    complete: bool = False
    claimed: dict[str, list[list[int]]] = field(default_factory=dict)
    through: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OldRecord:
    """A record of an old site and the PK that it has here; `path` is that of a product's file."""

    site: str
    kind: Kind
    old: int
    new: int
    path: str | None = None


class OldSites:
    """The sites that were moved in, or are being."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("old_sites")

    async def ensure_indexes(self) -> None:
        """Make no index: sites are found by `_id`."""

    async def get(self, site: str) -> OldSite | None:
        """Return a site, None if nothing was ever moved from it."""
        document = await self._collection.get(site)
        return None if document is None else load(OldSite, document)

    async def put(self, site: OldSite) -> None:
        """Store a site in place of what was known of it. May be repeated."""
        await self._collection.replace({"_id": site.id, **vars(site)}, upsert=True)

    async def advance(self, site: str, through: Mapping[str, int]) -> None:
        """Note how far the measurements of a site have been brought. May be repeated."""
        await self._collection.change({"_id": site}, set={"through": dict(through)})


class OldRecords:
    """Which PK here each record of an old site has, also where it is the same one."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("old_records")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for indexed in ("key", "path_key", "of_site"):
            await self._collection.ensure_index(indexed)

    async def new_pk(self, kind: Kind, old: int) -> int | None:
        """Return the PK that a record has got here, None if it has kept its own, or is unknown.

        That is where an old URL leads which names nothing here.
        """
        found = await self._collection.find(
            {"key": text_key(f"{kind}/{old}")}, fields=("old", "new")
        )
        others = [int(each["new"]) for each in found if each["new"] != each["old"]]
        return max(others, default=None)

    async def has_kept(self, kind: Kind, pk: int) -> bool:
        """Return whether a record of an old site has here the PK that it had there."""
        found = await self._collection.find({"key": text_key(f"{kind}/{pk}")}, fields=("new",))
        return any(each["new"] == pk for each in found)

    async def at_path(self, path: str) -> int | None:
        """Return the PK here of the product whose file was at a path below the media folder."""
        found = await self._collection.find({"path_key": text_key(path)}, fields=("new",))
        return max((int(each["new"]) for each in found), default=None)

    async def insert_many(self, records: Sequence[OldRecord]) -> None:
        """Store new records. :raises AlreadyTaken: one of them is known."""
        await self._collection.insert_many([_document(record) for record in records])

    async def known(self, site: str, kind: Kind, olds: Iterable[int]) -> dict[int, int]:
        """Return the PKs here of those of a site's records that were brought, by their old PKs."""
        found = await self._collection.get_many(_id(site, kind, old) for old in olds)
        return {int(each["old"]): int(each["new"]) for each in found}

    async def of_site(self, site: str, kind: Kind) -> AsyncIterator[dict[int, int]]:
        """Iterate over the PKs here of all records of one kind from a site, some at a time.

        They come by their old PKs, ascending.
        """
        low, high = text_key(f"{site}/{kind}/"), text_key(f"{site}/{kind}/~")
        while found := await self._collection.find(
            {"of_site": {"$gt": low, "$lt": high}},
            sort=("of_site", 1),
            limit=_AT_ONCE,
            fields=("of_site", "old", "new"),
        ):
            yield {int(each["old"]): int(each["new"]) for each in found}
            low = found[-1]["of_site"]


def _document(record: OldRecord) -> dict[str, Any]:
    keys = {
        "_id": _id(record.site, record.kind, record.old),
        "key": text_key(f"{record.kind}/{record.old}"),
        "of_site": text_key(f"{record.site}/{record.kind}/{record.old:020d}"),
    }
    if record.path is not None:
        keys["path_key"] = text_key(record.path)
    return keys | vars(record)


def _id(site: str, kind: Kind, old: int) -> str:
    return f"{site}-{kind}-{old}"

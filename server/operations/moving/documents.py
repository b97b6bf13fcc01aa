"""Copies documents from the data folder to the database, and compares both afterwards.

Some megabytes are in memory at a time. What an earlier migration has brought stays as it is, if it
is the same; so a copy can be made again, and go on after a kill.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.core.errors import NotDone
from server.operations.keeping.layout import Progress
from server.operations.moving.contents import Digest, canonical, in_batches
from server.operations.moving.source import Source
from server.operations.moving.target import Target
from server.store.documents import Document
from server.store.driver.collection import Collection
from server.store.installation import Contents

_Batch = dict[int | str, tuple[Document, bytes]]


@dataclass
class DocumentCopy:
    """One copy of all documents. `written` counts those that had to be written or deleted."""

    source: Source
    target: Target
    progress: Progress
    written: int = 0

    async def run(self) -> Contents:
        """Copy everything, and return what there is. :raises NotDone: the copies differ."""
        there = self.target.collections()
        names = sorted(self.source.collections() | there)
        total = sum(self.source.count(name) for name in names)
        wanted: dict[str, Digest] = {}
        done = 0
        for name in names:
            if name in there:
                await self._correct(name)
            wanted[name] = await self._copy(name, name not in there, done, total)
            done += wanted[name].count
        self._compare(wanted, total)
        return {name: digest.stored() for name, digest in wanted.items()}

    async def _correct(self, name: str) -> None:
        """Delete what the source does not have any more, and replace what differs from it."""
        collection = self.target.database.collection(name)
        for batch in in_batches(self.target.documents(name)):
            kept = self.source.get_many(name, list(batch))
            self.progress("Comparing what is there", len(batch), None)
            gone = [pk for pk in batch if pk not in kept]
            await collection.delete_many(gone)
            self.written += len(gone)
            for pk, document in kept.items():
                if pk in batch and canonical(document) != batch[pk][1]:
                    await collection.replace(document)
                    self.written += 1

    async def _copy(self, name: str, fresh: bool, done: int, total: int) -> Digest:
        """Insert what is missing in the target, and return what the source has."""
        collection = self.target.database.collection(name)
        digest = Digest()
        for batch in in_batches(self.source.documents(name)):
            missing = batch if fresh else await _missing(collection, batch)
            await collection.insert_many([document for document, _ in missing.values()])
            self.written += len(missing)
            for _, written in batch.values():
                digest.add(written)
            self.progress("Copying records", done + digest.count, total)
        return digest

    def _compare(self, wanted: dict[str, Digest], total: int) -> None:
        found = self.target.digests(
            wanted, lambda doing, done, _: self.progress(doing, done, max(done, total))
        )
        for name, digest in wanted.items():
            if found[name] != digest:
                raise NotDone(
                    f"The copy of {name} is not the same: {found[name].count:,} of "
                    f"{digest.count:,} records, or others; run the same command again, with "
                    "nothing else writing to the database"
                )


async def _missing(collection: Collection, batch: _Batch) -> _Batch:
    """Return those of the documents that are not in a collection."""
    found = await collection.find({"_id": {"$in": list(batch)}}, fields=("_id",))
    there = {document["_id"] for document in found}
    return {pk: each for pk, each in batch.items() if pk not in there}

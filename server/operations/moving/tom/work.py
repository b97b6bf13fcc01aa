"""What the modules of each kind share while a site is brought: where from, where to, what is known.

Of a batch, the files come first, then the records, then the note that these are here. A kill in
between leaves records at PKs that nothing else can have, which the next import finds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.core.errors import NotDone
from server.core.records import Record
from server.operations.keeping.layout import Progress
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.destination import Destination
from server.operations.moving.tom.media import Media
from server.operations.moving.tom.pks import WORDS, Pks
from server.operations.moving.tom.report import Imported
from server.operations.moving.tom.site import Site
from server.operations.moving.tom.values import moment
from server.store.archive.old_sites import Kind, OldRecord

#: Returns the fields that the record of a product gets from its file, which has this name.
Examine = Callable[[Path, str], Awaitable[dict[str, Any]]]
#: Has what examines files ready until its block is left.
Examining = Callable[[], AbstractAsyncContextManager[Examine]]


@dataclass
class Work:
    """One import. `pipelines` has the names of the pipelines here, by those of their classes.

    `before` is whether something of the site is here already; then `brought` collects the PKs of
    the products that come now.
    """

    site: Site
    here: Destination
    media: Media
    pks: Pks
    examine: Examine
    progress: Progress
    pipelines: Mapping[str, str]
    before: bool
    report: Imported
    brought: set[int] = field(default_factory=set)
    now: float = field(default_factory=time.time)

    async def unknown(self, kind: Kind, rows: Sequence[Row]) -> list[Row]:
        """Return those rows whose records have not been brought."""
        olds = [row["id"] for row in rows]
        known = await self.here.store.old_records.known(self.site.id, kind, olds)
        return [row for row in rows if row["id"] not in known]

    async def note(self, kind: Kind, olds: Iterable[int], paths: Mapping[int, str] = {}) -> None:
        """Note that records are here now."""
        records = [
            OldRecord(self.site.id, kind, old, self.pk(kind, old), paths.get(old)) for old in olds
        ]
        await self.here.store.old_records.insert_many(records)
        self.report.written += len(records)

    def pk(self, kind: Kind, old: int) -> int:
        """Return the PK here of one of the site's records."""
        pk = self.pks.new(kind, old)
        if pk is None:  # the database is one moment, so it cannot have got a new one
            raise NotDone(f"{WORDS[kind].capitalize()} {old} of the old site has no PK here")
        return pk

    def known_pks(self, kind: Kind, olds: Iterable[Any]) -> list[int]:
        """Return the PKs here of those that are of the site, each once, in their order."""
        found = (self.pks.new(kind, old) for old in olds)
        return list(dict.fromkeys(pk for pk in found if pk is not None))

    async def targets_here(self, olds: Iterable[Any]) -> set[int]:
        """Return the PKs here of those targets that are here."""
        pks = self.known_pks("target", olds)
        return {target.pk for target in await self.here.store.targets.get_many(pks)}

    def created(self, row: Row) -> float:
        """Return when a record was created, in Unix seconds."""
        for name in ("created", "modified"):
            found = moment(row.get(name))
            if found is not None:
                return found
        return self.now


def missing(kind: Kind, wanted: Sequence[Any], stored: Sequence[Record]) -> list[Any]:
    """Return those of the wanted records that are not stored, at PKs that only they can have."""
    found = {each.pk: each for each in stored}
    for record in wanted:
        there = found.get(record.pk)
        if there is not None and abs(there.created - record.created) > 1.0:
            raise NotDone(
                f"There is another {WORDS[kind]} {record.pk} here, at a PK that was kept for the "
                "old site: import into an empty data folder (--data)"
            )
    return [record for record in wanted if record.pk not in found]

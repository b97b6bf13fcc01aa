"""Copies a data folder to a MongoDB and to a storage of files, while nothing runs.

The source is only read. Everything that would be refused is found out first; then the target is
marked, filled, compared, and the mark is removed. After a kill at any moment, the same again goes
on from there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from server.archive.storage.masking import masked
from server.config import Config
from server.operations.keeping.layout import Missing, Progress
from server.operations.moving.documents import DocumentCopy
from server.operations.moving.failures import told
from server.operations.moving.files import files_of
from server.operations.moving.source import opened
from server.operations.moving.target import connected
from server.store import Store
from server.store.driver.errors import refusals_told


@dataclass(frozen=True)
class Migrated:
    """What there is in both places now; `counts` has the documents of each collection.

    `written` and `copied` are how many documents and files were not there before. `storage` is
    where the files are, without credentials, and `stay` whether they were there before. `lost`
    names those that the source has not.
    """

    database: str
    storage: str
    counts: dict[str, int]
    written: int
    files: int
    size: int
    copied: int
    stay: bool
    lost: list[Missing] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many documents there are."""
        return sum(self.counts.values())


def migrate(config: Config, uri: str, url: str | None, progress: Progress) -> Migrated:
    """Copy the data folder to a database and to a storage, by default `files.url`.

    :raises NotDone: something is in the way; the sentence says what to change.
    :raises StartError: a server uses the data folder, or it is of a newer program.
    """
    with told(), refusals_told():
        return asyncio.run(_migrate(config, uri, url, progress))


async def _migrate(config: Config, uri: str, url: str | None, progress: Progress) -> Migrated:
    with opened(config) as source:
        async with connected(uri, config.mongodb.database) as target:
            found = await target.admit(source.facts, config.leases, progress)
            files = await files_of(config, url, source)
            token = await target.mark(source.facts, found, config.leases)
            await files.prepare()
            await Store.open(target.database)  # the indexes, while there is little to go into them
            files.run(source, progress)
            documents = DocumentCopy(source, target, progress)
            contents = await documents.run()
            facts = replace(source.facts, in_storage=files.identified)
            await target.finish(facts, token, contents)
            return Migrated(
                database=target.name,
                storage=masked(files.place, files.place),
                counts={name: int(count) for name, (count, _) in contents.items()},
                written=documents.written,
                files=files.count,
                size=files.size,
                copied=files.copied,
                stay=files.stay,
                lost=files.lost,
            )

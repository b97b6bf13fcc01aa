"""Decides at the start whether a database and a file storage belong together.

Both keep the same id, made at the first start: first in the database, where one of several servers
comes first, then in the storage. An installation from before there were ids gets one if its
database and files fit. Nothing is written before the decision.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Sequence

from server.core.errors import NoRoom, StartError
from server.operations import schema
from server.operations.accepted import Accepted
from server.operations.storage_root import StorageRoot
from server.store import Store
from server.store.installation import Facts

log = logging.getLogger(__name__)

#: Among how many of the newest PKs a product is looked for whose file must be there.
NEWEST = 1_000
#: What is wrong with a database that lacks a part of what it is to have, and what to do.
MIGRATING = (
    "This database is not complete: `heliograph migrate` is filling it, or was interrupted; run "
    "the same command again, which goes on from there, and then start the server"
)


class StartChecks:
    """The database and the storage of a server that is about to start."""

    def __init__(
        self,
        store: Store,
        files: StorageRoot,
        accepted: Accepted,
        steps: Sequence[schema.Step] = schema.STEPS,
    ) -> None:
        self._store = store
        self._files = files
        self._accepted = accepted
        self._steps = steps

    async def check(self) -> None:
        """Check everything, give the installation its id, and migrate the schema. Repeatable.

        :raises StartError: the database is missing, older than its files, not theirs, or newer than
            this program; or a migration to it is not complete.
        """
        # The storage first: what another server begins or stores meanwhile is then in the database.
        written = await self._files.read_id()
        highest = await self._files.highest_pk()
        highest_log = await self._files.highest_log()
        counter = await self._store.counters.last("dataproduct")
        processes = await self._store.counters.last("processes")
        facts = await self._store.installation.get()
        if facts is not None:
            check_complete(facts)
            schema.check_not_newer(facts.schema, self._steps, facts.compatible_since)
        self._check_present(facts, written, highest or highest_log, counter)
        await self._check_belong(facts, written, counter)
        self._check_not_older("data products", "a file", highest, counter)
        self._check_not_older("processes", "a log", highest_log, processes)
        await self._store.counters.raise_to("processes", highest_log)
        await self._settle(facts, written, highest)

    async def _settle(self, facts: Facts | None, written: str | None, highest: int) -> None:
        """Write the id where it is missing, skip the numbers of unknown files, and migrate."""
        if facts is None:
            facts = await self._store.installation.create(
                Facts(written or _new_id(), schema.FIRST_VERSION)
            )
            check_complete(facts)  # a migration may have been faster
        await self._store.counters.raise_to("dataproduct", highest)
        # A full disk keeps no server from starting; the id is written at the next start.
        with contextlib.suppress(NoRoom):
            if written != facts.id:
                await self._files.write_id(facts.id)
            if not facts.in_storage:
                await self._store.installation.change(in_storage=True)
        await schema.migrate(self._store, facts.schema, self._steps)

    def _check_present(
        self, facts: Facts | None, written: str | None, highest: int, counter: int
    ) -> None:
        """Refuse files whose database is not there."""
        if facts is not None or counter or not (highest or written):
            return
        if not self._accepted.missing_database:
            raise StartError(
                "There are files here, but their database is missing: restore it, correct "
                "mongodb.uri, mongodb.database or --data, or begin an empty one beside the files "
                "with --accept-missing-database"
            )

    async def _check_belong(self, facts: Facts | None, written: str | None, counter: int) -> None:
        """Refuse files that belong to another database."""
        if self._accepted.other_files or not (counter or written):
            return
        if facts is None:
            fit = written is None and await self._has_newest(counter)
            fit = fit or not counter  # then the database is missing, which was accepted
        elif written is None:
            # Without a product there is nothing to be missed; a kill came before the id was there.
            fit = not facts.in_storage and await self._has_newest(counter)
            fit = fit or not await self._newest_keys(counter)
        else:
            fit = written == facts.id
        if not fit:
            raise StartError(
                "The files here do not belong to this database: mount or restore its own files, "
                "correct files.url, mongodb.uri or --data, or accept these with "
                "--accept-other-files"
            )

    def _check_not_older(self, counted: str, found: str, highest: int, counter: int) -> None:
        """Refuse a database that does not know of files which are there."""
        if highest <= counter:
            return
        accepted = self._accepted
        known = accepted.older_database or accepted.other_files
        if known or (accepted.missing_database and not counter):
            log.warning(
                "New %s are numbered from %d, so that nothing stored is taken for theirs",
                counted,
                highest + 1,
                extra={"action": "counter_raised", "counter": highest},
            )
            return
        raise StartError(
            f"The database is older than its files (it has counted {counter} {counted}, "
            f"there is {found} of number {highest}): restore the newest backup of the database, "
            "or go on with this one, which leaves the newer files aside, with "
            "--accept-older-database"
        )

    async def _has_newest(self, counter: int) -> bool:
        """Return whether the file of the newest product is there; true without any product."""
        keys = await self._newest_keys(counter)
        return not keys or await self._files.has(keys[-1])

    async def _newest_keys(self, counter: int) -> list[str]:
        """Return the keys of the files of the newest products, in the order of their PKs."""
        pks = range(max(1, counter - NEWEST + 1), counter + 1)
        return [product.key for product in await self._store.products.get_many(pks)]


def check_complete(facts: Facts) -> None:
    """Raise StartError for a database that a migration has not filled completely."""
    if facts.migrating is not None:
        raise StartError(MIGRATING)


def _new_id() -> str:
    return f"h{secrets.token_hex(16)}"

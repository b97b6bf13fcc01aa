"""The form of the documents in the database, its version, and the steps from one to the next.

A version is raised when documents that an older program wrote have to be changed before this one
can read them; a new field with a default needs none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from server.core.errors import StartError
from server.store import Store

log = logging.getLogger(__name__)

#: Changes all documents that need it. A kill may end it anywhere, and two servers may be at it at
#: once, so it leaves alone what is changed already.
Step = Callable[[Store], Awaitable[None]]


async def _have_logs_sealed(store: Store) -> None:
    """Have `log_sealing` look at all logs. An older program would show gaps in sealed ones."""
    await store.installation.change(examined_logs=0)


#: The version that databases have from before a version was written.
FIRST_VERSION = 1
#: `STEPS[n]` leads from version `FIRST_VERSION + n` to the next.
STEPS: Sequence[Step] = (_have_logs_sealed,)


def newest(steps: Sequence[Step] = STEPS) -> int:
    """Return the version that this program reads and writes."""
    return FIRST_VERSION + len(steps)


def check_not_newer(version: int, steps: Sequence[Step] = STEPS) -> None:
    """Raise StartError for a database that a newer program has written."""
    if version > newest(steps):
        raise StartError(
            f"The database was written by a newer Heliograph (its schema is version {version}, "
            f"this one knows {newest(steps)}): install that version again, or restore a backup "
            "from before the upgrade"
        )


async def migrate(store: Store, version: int, steps: Sequence[Step] = STEPS) -> None:
    """Take a database to the newest version, step by step; each step is noted when it is done."""
    for reached, step in enumerate(steps[version - FIRST_VERSION :], version + 1):
        log.info(
            "The database is changed to schema version %d",
            reached,
            extra={"action": "schema_migrated", "version": reached},
        )
        await step(store)
        await store.installation.change(schema=reached)

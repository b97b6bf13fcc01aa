"""The form of the documents in the database, its version, and the steps from one to the next.

A version is raised when documents that an older program wrote have to be changed before this one
can read them; a new field with a default needs none. Which servers may run side by side while the
versions differ is left to `upgrade`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from server.core.errors import StartError
from server.core.records import Target
from server.store import Store
from server.store.archive.activity import Active
from server.store.processes.index import FIRST_TURN, place_in

log = logging.getLogger(__name__)

#: Changes all documents that need it. A kill may end it anywhere, and two servers may be at it at
#: once, so it leaves alone what is changed already.
Change = Callable[[Store], Awaitable[None]]


class Step(NamedTuple):
    """One step of the schema to the next version.

    `side_by_side` is whether servers that know only the version before can go on while it is made
    and after it: they find what they need, and what they write is read rightly.
    """

    change: Change
    side_by_side: bool = False


async def _have_logs_sealed(store: Store) -> None:
    """Have `log_sealing` look at all logs. An older program would show gaps in sealed ones."""
    await store.installation.change(examined_logs=0)


async def _give_turns(store: Store) -> None:
    """Have the targets of what is queued take turns. An older program would know no turns."""
    given = Counter(process.target for process in await store.processes.queued())
    after = 0
    while waiting := await store.processes.queued_by_pk(after):
        after = waiting[-1].pk
        for process in waiting:
            if not process.place:
                turn = FIRST_TURN + given[process.target]
                await store.processes.move(process.pk, place_in(turn, process.pk))
                given[process.target] += 1


async def _note_activity(store: Store) -> None:
    """Have targets listed by what was done last about each, and found by words, files by names."""
    await store.products.key_names()
    before = None
    while (page := await store.targets.find(before=before, limit=500)).items:
        for target in page.items:
            await store.target_words.put(target)
            await store.activity.put(Active(await last_activity(store, target), target.pk))
        before = page.next
        if before is None:
            return


async def last_activity(store: Store, target: Target) -> float:
    """Return when something was last done about a target, as far as its records say."""
    products = await store.products.find(target.pk, limit=1)
    processes = await store.processes.find(target=target.pk, limit=1)
    times = [each.created for each in (*products.items, *processes.items)]
    ends = [each.terminal_timestamp or 0.0 for each in processes.items]
    return max([target.created, *times, *ends])


#: The version that databases have from before a version was written.
FIRST_VERSION = 1
#: `STEPS[n]` leads from version `FIRST_VERSION + n` to the next.
STEPS: Sequence[Step] = (Step(_have_logs_sealed), Step(_give_turns), Step(_note_activity, True))


def newest(steps: Sequence[Step] = STEPS) -> int:
    """Return the version that this program reads and writes."""
    return FIRST_VERSION + len(steps)


def needed_by(version: int, steps: Sequence[Step] = STEPS) -> int | None:
    """Return the version that all programs must know once a database of this one is migrated.

    None if the programs that know the database as it is can live with all steps that are left.
    """
    numbered = list(enumerate(steps, FIRST_VERSION + 1))
    left = [reached for reached, step in numbered if reached > version and not step.side_by_side]
    return left[-1] if left else None


def check_not_newer(
    version: int, steps: Sequence[Step] = STEPS, compatible_since: int | None = None
) -> None:
    """Raise StartError for a database that a newer program has written, unless this one may too.

    `compatible_since` is the oldest version that a program must know to live with the database,
    None for the database's own.
    """
    if (version if compatible_since is None else compatible_since) > newest(steps):
        raise StartError(
            f"The database was written by a newer Heliograph (its schema is version {version}, "
            f"this one knows {newest(steps)}): install that version again, or restore a backup "
            "from before the upgrade"
        )


async def migrate(store: Store, version: int, steps: Sequence[Step] = STEPS) -> None:
    """Take a database to the newest version, step by step; each step is noted when it is done.

    Nothing is done to one that is newer, as while a newer program runs beside this one.
    """
    facts = await store.installation.get()
    compatible = version if facts is None else facts.compatible_since or version
    for reached, step in enumerate(steps[version - FIRST_VERSION :], version + 1):
        log.info(
            "The database is changed to schema version %d",
            reached,
            extra={"action": "schema_migrated", "version": reached},
        )
        await step.change(store)
        compatible = compatible if step.side_by_side else reached
        await store.installation.change(schema=reached, compatible_since=compatible)

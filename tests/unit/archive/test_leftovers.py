"""What could not be undone at once is undone by whoever comes first."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from server.archive.rollback import Rollback
from server.store.archive.journal import JournalEntry


async def test_two_tasks_resolve_what_waits_once(runner: asyncio.Runner) -> None:
    none = cast("Any", None)
    rollback = Rollback(none, none, "s1", none, none)
    rollback._leftovers = [
        JournalEntry(pk=pk, server="s1", products=[], keys=[], token="t") for pk in (1, 2, 3)
    ]
    resolved: list[int] = []

    async def resolve(entry: JournalEntry) -> None:
        await asyncio.sleep(0)
        resolved.append(entry.pk)

    rollback.resolve = resolve  # type: ignore[method-assign]
    await asyncio.gather(rollback.resolve_waiting(), rollback.resolve_waiting())
    assert sorted(resolved) == [1, 2, 3]

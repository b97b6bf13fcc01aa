"""Many records at once: read without keeping everybody else waiting."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from server.core.records import Target
from server.store.archive.targets import Targets
from server.store.driver.connection import Database
from tests.fakes.some_records import a_target


class Immediate:
    """A collection, and a database of it, that answers at once."""

    def collection(self, _name: str, **_options: Any) -> Immediate:
        return self

    async def get_many(self, pks: range) -> list[dict[str, Any]]:
        return [a_target(pk).to_document() for pk in pks]


def test_others_get_their_turn_while_many_records_are_made() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read(count: int) -> list[Target]:
        nonlocal turns
        busy = asyncio.create_task(others())
        await asyncio.sleep(0)
        turns = 0
        found = await Targets(cast("Database", Immediate())).get_many(range(1, count + 1))
        busy.cancel()
        return found

    assert [target.pk for target in asyncio.run(read(2_000))] == list(range(1, 2_001))
    assert turns >= 3
    asyncio.run(read(100))
    assert turns == 0

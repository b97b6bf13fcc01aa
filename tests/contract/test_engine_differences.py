"""Where engines differ, beyond the dialect: each row of the table in docs/databases.md.

What an engine gets wrong is in `tests.engines.known_faults`; there, the test must fail.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from server.store.driver.connection import Database
from tests.engines.known_faults import KNOWN_FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "databases.md"
WATCH_SECONDS = 20


async def test_it_says_that_it_is_a_replica_set(runner: asyncio.Runner, database: Database) -> None:
    """Else the servers tell each other of changes by announcements."""
    assert database.replicated


async def test_what_changes_can_be_watched(runner: asyncio.Runner, database: Database) -> None:
    things = database.collection("things")
    await things.insert({"_id": 1, "version": 1})
    async with asyncio.timeout(WATCH_SECONDS), database.watch("things") as changes:
        await things.insert({"_id": 2, "version": 1})
        await things.change({"_id": 1}, inc={"version": 1})
        await things.delete({"_id": 2})
        assert [await anext(changes) for _ in range(3)] == [(2, 1), (1, 2), (2, None)]


async def test_each_of_many_upserts_at_once_answers_with_the_document(
    runner: asyncio.Runner, database: Database
) -> None:
    """No part of the store relies on it: see `Collection.add_to`."""
    things = database.collection("things")
    for number in range(40):
        changes = (things.change({"_id": number}, inc={"n": 1}, upsert=True) for _ in range(20))
        found = await asyncio.gather(*changes, return_exceptions=True)
        assert None not in found


async def test_numbers_added_at_once_to_a_document_that_is_missing_are_all_different(
    runner: asyncio.Runner, database: Database
) -> None:
    things = database.collection("things")
    for number in range(10):
        found = await asyncio.gather(*(things.add_to(number, "n", 1) for _ in range(20)))
        assert sorted(found) == list(range(1, 21))
        assert await things.get(number) == {"_id": number, "n": 20}


@pytest.mark.parametrize("engine", KNOWN_FAULTS)
def test_the_page_names_every_fault_and_no_other(engine: str) -> None:
    rows = re.findall(r"^\| .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    heads = [cell.strip() for cell in rows[0].split("|")]
    column = heads.index(engine)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows[1:]]
    faults = {cell[-2].strip("`") for cell in cells if cell[column].startswith("no")}
    assert faults == set(KNOWN_FAULTS[engine])


def test_each_row_of_the_page_is_a_test() -> None:
    rows = re.findall(r"^\| .*`(test_\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    assert len(rows) >= 5
    for name in rows:
        assert any(f"def {name}(" in source for source in sources), name

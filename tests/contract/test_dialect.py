"""What the store relies on in either engine, operation by operation.

Where the embedded engine is wrong, a test covers the workaround.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.errors import OperationFailure

from server.core.errors import AlreadyTaken
from server.store.driver.collection import Collection
from server.store.driver.connection import Database

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    2**63 - 1,
    1795485782.4920993,
    1e-300,
    "",
    "plain",
    "a\0b\x1f\u2028 ß 星 🔭",
    "2026-11-24",
    "2026-11-24T00:10:02.123456",
    "$set",
    "12",
    "1e5",
    [],
    [1, [2, {"three": None}]],
    {},
    {"date": "2026-11-24T00:10:02", "width": 1024, "deep": {"er": [1.5, None]}},
]


@pytest.fixture
def collection(database: Database) -> Collection:
    """Return an empty collection."""
    return database.collection("things")


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_comes_back_as_it_was_inserted_and_as_it_was_set(
    runner: asyncio.Runner, collection: Collection, value: Any
) -> None:
    """By itself, the embedded engine rounds floats and turns booleans into numbers when set."""
    await collection.insert({"_id": 1, "value": value})
    changed = await collection.change({"_id": 1}, set={"other": value})
    replaced = await collection.change({"_id": 1}, set={"value": 0})
    assert replaced is not None
    restored = await collection.change({"_id": 1}, set={"value": value})
    for found in (changed, restored, await collection.get(1)):
        assert found == {"_id": 1, "value": value, "other": value}
        # The driver has a class of its own for 64-bit integers, derived from `int`.
        assert isinstance(found["value"], type(value))
        assert isinstance(found["other"], bool) is isinstance(value, bool)


async def test_a_document_of_megabytes_is_stored(
    runner: asyncio.Runner, collection: Collection
) -> None:
    text = "é\n\\" * 1_000_000
    await collection.insert({"_id": 1, "entries": text})
    found = await collection.get(1)
    assert found is not None
    assert found["entries"] == text


async def test_an_id_is_taken_once(runner: asyncio.Runner, collection: Collection) -> None:
    await collection.insert({"_id": 1})
    with pytest.raises(AlreadyTaken) as raised:
        await collection.insert({"_id": 1})
    assert raised.value.collection == "things"
    assert raised.value.__cause__ is not None


async def test_inserting_many_stops_at_the_first_that_is_taken(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.insert({"_id": 3})
    with pytest.raises(AlreadyTaken):
        await collection.insert_many([{"_id": pk} for pk in (1, 2, 3, 4)])
    assert [found["_id"] for found in await collection.get_many([1, 2, 3, 4])] == [1, 2, 3]


async def test_inserting_none_is_fine(runner: asyncio.Runner, collection: Collection) -> None:
    await collection.insert_many([])
    assert await collection.find({}) == []


async def test_thousands_are_inserted_at_once_and_found_in_the_order_asked_for(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.insert_many([{"_id": pk} for pk in range(3_000)])
    asked = [2_999, -1, 5, 0, *range(1_000, 2_500)]
    found = [document["_id"] for document in await collection.get_many(asked)]
    assert found == [pk for pk in asked if pk >= 0]
    assert len(await collection.find({})) == 3_000


async def test_a_range_is_found_in_order_and_in_part(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.ensure_index("key")
    await collection.insert_many([{"_id": pk, "key": pk * 2**32, "x": "y"} for pk in range(20)])
    span = {"key": {"$gte": 3 * 2**32, "$lt": 9 * 2**32}}
    newest = await collection.find(span, sort=("key", -1), limit=2, fields=("key",))
    assert newest == [{"_id": 8, "key": 8 * 2**32}, {"_id": 7, "key": 7 * 2**32}]
    oldest = await collection.find(span, sort=("key", 1))
    assert [found["_id"] for found in oldest] == [3, 4, 5, 6, 7, 8]


async def test_a_document_without_the_field_is_in_no_range_of_it(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.ensure_index("queued")
    await collection.insert_many([{"_id": 1}, {"_id": 2, "queued": 2}, {"_id": 3, "queued": None}])
    assert [found["_id"] for found in await collection.find({"queued": {"$gt": 0}})] == [2]
    assert [found["_id"] for found in await collection.find({"queued": {"$gt": ""}})] == []


async def test_a_change_sets_counts_and_unsets_in_one_step(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.insert({"_id": 1, "state": "queued", "queued": 1, "attempt": 0})
    changed = await collection.change(
        {"_id": 1, "state": "queued"},
        set={"state": "running", "progress": {"done": 1.0, "total": 2.0}, "outputs": [1, 2]},
        inc={"attempt": 1, "new": 5},
        unset=("queued", "absent"),
    )
    assert changed == await collection.get(1)
    assert changed == {
        "_id": 1,
        "state": "running",
        "progress": {"done": 1.0, "total": 2.0},
        "outputs": [1, 2],
        "attempt": 1,
        "new": 5,
    }


@pytest.mark.parametrize(
    "fence", [{"state": "other"}, {"attempt": 2}, {"owner": "x"}, {"flag": False}]
)
async def test_a_change_whose_fence_does_not_hold_changes_nothing(
    runner: asyncio.Runner, collection: Collection, fence: dict[str, Any]
) -> None:
    document = {"_id": 1, "state": "running", "attempt": 1, "owner": None, "flag": True}
    await collection.insert(document)
    assert await collection.change({"_id": 1, **fence}, set={"changed": True}) is None
    assert await collection.get(1) == document


async def test_a_change_takes_the_first_in_the_order_given(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.ensure_index("queued")
    await collection.insert_many([{"_id": pk, "queued": pk} for pk in (5, 3, 9)])
    taken = []
    while document := await collection.change(
        {"queued": {"$gt": 0}}, set={"taken": True}, unset=("queued",), sort=("queued", 1)
    ):
        taken.append(document["_id"])
    assert taken == [3, 5, 9]


async def test_hundreds_of_changes_at_once_are_all_counted(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.insert({"_id": "counter", "last": 0})
    changes = (collection.change({"_id": "counter"}, inc={"last": 1}) for _ in range(300))
    found = await asyncio.gather(*changes)
    assert sorted(document["last"] for document in found if document) == list(range(1, 301))


async def test_of_many_changes_with_the_same_fence_one_wins(
    runner: asyncio.Runner, collection: Collection
) -> None:
    """Compare and swap again and again, from twenty tasks at once: no step gets lost."""
    await collection.insert({"_id": 1, "version": 0, "sum": 0})
    wins = []

    async def add() -> None:
        for _ in range(5):
            while True:
                seen = await collection.get(1)
                assert seen is not None
                fence = {"_id": 1, "version": seen["version"], "sum": seen["sum"]}
                step = {"sum": seen["sum"] + 1}
                if changed := await collection.change(fence, set=step, inc={"version": 1}):
                    wins.append(changed["version"])
                    break

    await asyncio.gather(*(add() for _ in range(20)))
    assert sorted(wins) == list(range(1, 101))
    assert await collection.get(1) == {"_id": 1, "version": 100, "sum": 100}


async def test_an_upsert_makes_the_document_of_filter_and_change(
    runner: asyncio.Runner, collection: Collection
) -> None:
    made = await collection.change({"_id": "s1"}, set={"seen": 1.5}, inc={"beats": 1}, upsert=True)
    assert made == {"_id": "s1", "seen": 1.5, "beats": 1}
    again = await collection.change({"_id": "s1"}, set={"seen": 2.5}, inc={"beats": 1}, upsert=True)
    assert again == {"_id": "s1", "seen": 2.5, "beats": 2}


async def test_a_unique_value_is_taken_once_also_by_a_change(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.ensure_index("identifier", unique=True)
    await collection.ensure_index("identifier", unique=True)
    await collection.insert_many([{"_id": 1, "identifier": "=a"}, {"_id": 2, "identifier": "=b"}])
    with pytest.raises(AlreadyTaken):
        await collection.insert({"_id": 3, "identifier": "=a"})
    with pytest.raises(AlreadyTaken):
        await collection.change({"_id": 2}, set={"identifier": "=a"})
    assert await collection.find({"identifier": "=b"}) == [{"_id": 2, "identifier": "=b"}]


async def test_a_change_that_cannot_be_made_is_an_error(
    runner: asyncio.Runner, collection: Collection
) -> None:
    """The embedded engine's package reports no match instead, to a run a lost lease."""
    await collection.insert({"_id": 1, "text": "no number"})
    with pytest.raises(OperationFailure):
        await collection.change({"_id": 1}, inc={"text": 1})
    assert await collection.get(1) == {"_id": 1, "text": "no number"}


async def test_a_document_is_replaced_whole(runner: asyncio.Runner, collection: Collection) -> None:
    assert not await collection.replace({"_id": 1, "a": 1})
    assert await collection.get(1) is None
    assert not await collection.replace({"_id": 1, "a": 1}, upsert=True)
    assert await collection.replace({"_id": 1, "b": [2]})
    assert await collection.get(1) == {"_id": 1, "b": [2]}


async def test_deleting_tells_how_many_there_were(
    runner: asyncio.Runner, collection: Collection
) -> None:
    await collection.ensure_index("key")
    await collection.insert_many([{"_id": pk, "key": pk + 0.5} for pk in range(10)])
    assert await collection.delete({"_id": 0}) == 1
    assert await collection.delete({"_id": 0}) == 0
    assert await collection.delete({"_id": {"$in": [1, 2, 77]}}) == 2
    assert await collection.delete({"key": {"$gte": 3.5, "$lt": 6.5}}) == 3
    assert [found["_id"] for found in await collection.find({})] == [6, 7, 8, 9]


async def test_an_empty_collection_answers_everything(
    runner: asyncio.Runner, collection: Collection
) -> None:
    assert await collection.get(1) is None
    assert await collection.get_many([1]) == []
    assert await collection.find({"a": {"$gt": 1}}, sort=("a", 1), limit=3) == []
    assert await collection.change({"_id": 1}, set={"a": 1}) is None
    assert await collection.delete({"_id": 1}) == 0


async def test_a_text_that_begins_like_a_date_is_found_with_a_sign_in_front(
    runner: asyncio.Runner, collection: Collection
) -> None:
    """The embedded engine compares what looks like a date as a time, and then finds nothing."""
    await collection.ensure_index("key", unique=True)
    keys = ["=2026-11-24", "=2026-11-24-comet", "=2026-11-24T00:00:00", "=11-24-2026x"]
    await collection.insert_many([{"_id": pk, "key": key} for pk, key in enumerate(keys)])
    for pk, key in enumerate(keys):
        assert [found["_id"] for found in await collection.find({"key": key})] == [pk]
    ranged = await collection.find({"key": {"$gte": "=2026", "$lt": "=2027"}}, sort=("key", 1))
    assert [found["_id"] for found in ranged] == [0, 1, 2]


async def test_a_text_as_id_with_a_letter_in_front_stays_a_text(
    runner: asyncio.Runner, collection: Collection
) -> None:
    """The embedded engine turns digits into a number, and 24 hex digits into an ObjectId."""
    pks = ["k123", "k1e5", "k" + "a" * 23, "k" + "0" * 64]
    await collection.insert_many([{"_id": pk} for pk in pks])
    assert [found["_id"] for found in await collection.get_many(pks)] == pks


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_comes_back_as_it_was(
    runner: asyncio.Runner, collection: Collection, text: str
) -> None:
    async def round_trip() -> None:
        await collection.replace({"_id": 1, "text": text}, upsert=True)
        found = await collection.get(1)
        assert found is not None
        assert found["text"] == text
        changed = await collection.change({"_id": 1}, set={"text": text, "again": [text]})
        assert changed == {"_id": 1, "text": text, "again": [text]}

    runner.run(round_trip())


async def test_every_operation_comes_through_the_one_seam(
    runner: asyncio.Runner, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    real = Collection._call

    async def call(self: Collection, operation: str, work: Any) -> Any:
        if self is collection:
            seen.append(operation)
        return await real(self, operation, work)

    monkeypatch.setattr(Collection, "_call", call)
    await collection.insert({"_id": 1})
    await collection.insert_many([{"_id": 2}])
    await collection.get(1)
    await collection.find({})
    await collection.change({"_id": 1}, set={"a": 1})
    await collection.replace({"_id": 1})
    await collection.delete({"_id": 1})
    await collection.ensure_index("a")
    assert seen == [
        *("insert", "insert_many", "get", "find", "change", "replace", "delete", "ensure_index")
    ]

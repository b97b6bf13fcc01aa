"""Versions of the schema: newer ones are refused, older ones are taken forward, step by step."""

from __future__ import annotations

import asyncio

import pytest

from server.core.errors import StartError
from server.core.records import State, Target
from server.operations import schema
from server.store import Store
from server.store.installation import Facts
from server.store.processes.index import FIRST_TURN, place_in
from tests.fakes.some_records import a_record


class Killed(BaseException):
    """Stands for a kill in the middle of a step."""


class Rename:
    """A step over a sample: a field of three documents gets another name; may be cut short."""

    def __init__(self, before: str, after: str) -> None:
        self.before, self.after = before, after
        self.killed_after: int | None = None
        self.changed = 0

    async def __call__(self, store: Store) -> None:
        sample = store.counters._collection
        for document in await sample.find({}):
            if self.before not in document:
                continue
            if self.changed == self.killed_after:
                raise Killed
            await sample.change(
                {"_id": document["_id"]},
                set={self.after: document[self.before]},
                unset=[self.before],
            )
            self.changed += 1


async def sample(store: Store) -> list[dict[str, object]]:
    return sorted(await store.counters._collection.find({}), key=lambda found: str(found["_id"]))


async def filled(store: Store) -> None:
    await store.installation.create(Facts("h1", schema.FIRST_VERSION))
    for kind in "abc":
        await store.counters.next(kind)


async def version(store: Store) -> int:
    facts = await store.installation.get()
    assert facts is not None
    return facts.schema


async def test_each_step_is_made_once_and_in_its_order(
    runner: asyncio.Runner, store: Store
) -> None:
    await filled(store)
    renames = [Rename("last", "newest"), Rename("newest", "largest")]
    steps = [schema.Step(each) for each in renames]
    await schema.migrate(store, 1, steps)
    assert await sample(store) == [{"_id": kind, "largest": 1} for kind in "abc"]
    assert await version(store) == 3
    await schema.migrate(store, 3, steps)
    assert [each.changed for each in renames] == [3, 3]


@pytest.mark.parametrize("changed", [0, 1, 2])
async def test_a_migration_that_was_killed_is_finished_by_the_next_start(
    runner: asyncio.Runner, store: Store, changed: int
) -> None:
    await filled(store)
    renames = [Rename("last", "newest"), Rename("newest", "largest")]
    steps = [schema.Step(each) for each in renames]
    renames[1].killed_after = changed
    with pytest.raises(Killed):
        await schema.migrate(store, 1, steps)
    assert await version(store) == 2
    renames[1].killed_after = None
    await schema.migrate(store, await version(store), steps)
    assert await sample(store) == [{"_id": kind, "largest": 1} for kind in "abc"]
    assert (await version(store), renames[0].changed, renames[1].changed) == (3, 3, 3)


async def test_no_step_is_needed_today(runner: asyncio.Runner, store: Store) -> None:
    await filled(store)
    before = await sample(store)
    await schema.migrate(store, schema.FIRST_VERSION)
    assert await sample(store) == before
    assert await version(store) == schema.newest() == schema.FIRST_VERSION + len(schema.STEPS)


def test_a_newer_schema_is_refused_with_both_versions() -> None:
    schema.check_not_newer(schema.newest())
    newer = schema.newest() + 1
    with pytest.raises(StartError, match=f"version {newer}, this one knows {newer - 1}"):
        schema.check_not_newer(newer)


async def test_steps_that_older_programs_can_live_with_keep_what_they_must_know(
    runner: asyncio.Runner, store: Store
) -> None:
    async def change(store: Store) -> None:
        pass

    await filled(store)
    side_by_side = schema.Step(change, side_by_side=True)
    steps = [side_by_side, schema.Step(change), side_by_side]
    assert [schema.needed_by(version, steps) for version in (1, 2, 3, 4)] == [3, 3, None, None]
    for count, compatible in ((1, 1), (2, 3), (3, 3)):
        await schema.migrate(store, await version(store), steps[:count])
        facts = await store.installation.get()
        assert facts is not None
        assert (facts.schema, facts.compatible_since) == (count + 1, compatible)
        schema.check_not_newer(facts.schema, steps[: compatible - 1], compatible)
        if compatible > 1:
            with pytest.raises(StartError, match="newer Heliograph"):
                schema.check_not_newer(facts.schema, steps[: compatible - 2], compatible)
    await schema.migrate(store, 4, steps[:2])  # by an older program, beside the newer one
    assert await version(store) == 4


async def test_what_is_queued_gets_turns_also_after_a_kill_in_between(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.installation.create(Facts("h1", 2))
    for pk, target in enumerate((1, 1, 1, 2, 1, 2, 3), 1):
        await store.processes.insert(a_record(pk).evolve(target=target))
    collection = store.processes._collection
    for pk in range(1, 8):  # as the program before has written them
        await collection.change({"_id": pk}, unset=("place", "turn"))
    await store.processes.move(1, place_in(FIRST_TURN, 1))
    await store.processes.move(2, place_in(FIRST_TURN + 1, 2))
    await schema.migrate(store, 2)
    assert [each.pk for each in await store.processes.queued()] == [1, 4, 7, 2, 6, 3, 5]
    claimed = await store.processes.claim("s1", 2.5)
    assert claimed is not None
    assert claimed.pk == 1
    await schema.migrate(store, 2)
    assert [each.pk for each in await store.processes.queued()] == [4, 7, 2, 6, 3, 5]


async def test_targets_of_before_are_listed_by_activity_and_found_by_words(
    runner: asyncio.Runner, store: Store
) -> None:
    await store.installation.create(Facts("h1", 3))
    for pk, created in ((1, 100.0), (2, 200.0), (3, 300.0)):
        target = Target(pk=pk, created=created, identifier=f"t{pk}", name=f"Messier {pk}")
        await store.targets.insert(target)
    ended = {"state": State.FAILED, "terminal_timestamp": 250.0, "created": 90.0}
    await store.processes.insert(a_record(1).evolve(**ended))
    for _ in range(2):  # again after a kill
        await schema.migrate(store, 3)
        await store.installation.change(schema=3)
    assert [each.target for each in await store.activity.newest(None, 9)] == [3, 1, 2]
    assert sorted(await store.target_words.beginning("mess", 9)) == [1, 2, 3]

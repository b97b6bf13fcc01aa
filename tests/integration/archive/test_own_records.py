"""A PK that another record has, and an insert whose answer was lost, are told apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.archive.groups import Groups
from server.archive.targets import Targets
from server.core.errors import AlreadyTaken, Conflict
from server.core.hub import Hub
from server.core.records import PipelineDescription, ProcessRecord
from server.processes.repository import ProcessRepository
from server.processes.submission import SubmissionService, Submit
from server.store import Store
from server.store.driver.collection import Collection

SUBMIT = Submit(1, "Sample", [], {})


async def put_back(store: Store, kind: str, last: int) -> None:
    """Have a counter hand out PKs again that records have."""
    await store.counters._collection.change({"_id": kind}, set={"last": last})


class Unheard:
    """Has each first insert into some collections take effect, and then say that it is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *collections: str) -> None:
        self.times = 0
        insert = Collection.insert

        async def unheard(collection: Collection, document: dict[str, Any]) -> None:
            await insert(collection, document)
            if collection.name in collections and not self.times:
                self.times += 1
                raise AlreadyTaken(collection.name)

        monkeypatch.setattr(Collection, "insert", unheard)


def targets(store: Store) -> Targets:
    return Targets(store, None, lambda _: None)  # type: ignore[arg-type]  # nothing is deleted


class Products:
    """Products that are all there."""

    async def get_many(self, pks: list[int]) -> list[Any]:
        return [type("Product", (), {"pk": pk}) for pk in pks]


def groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> Groups:
    async def keep(_members: object) -> list[Any]:
        return []

    made = Groups(store, Products(), None, lambda _: None)  # type: ignore[arg-type]
    monkeypatch.setattr(made, "_drop_deleted", keep)
    return made


async def submissions(store: Store) -> SubmissionService:
    if not await store.targets.get_many([1]):
        await targets(store).create("Messier 13")
    sample = PipelineDescription(name="Sample", path="sample.Sample", short_name="sample")
    repository = ProcessRepository(store.processes, Hub(), "s1")
    return SubmissionService(store, repository, {"Sample": sample}, 1000, lambda: None)


@pytest.fixture(autouse=True)
def any_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes have no inputs."""
    monkeypatch.setattr("server.processes.submission.check_products", lambda *_: None)


async def stored(store: Store) -> list[ProcessRecord]:
    return (await store.processes.find(limit=100)).items


async def test_a_target_under_a_pk_that_is_taken_gets_the_next_one(
    runner: asyncio.Runner, store: Store
) -> None:
    first = [await targets(store).create("Messier 13") for _ in range(3)]
    await put_back(store, "target", 0)
    made = await targets(store).create("Messier 31")
    assert (made.pk, made.identifier) == (4, "messier-31")
    assert await store.targets.get_many([1, 2, 3]) == first
    with pytest.raises(Conflict):
        await targets(store).create("Another", identifier="messier-31")


async def test_a_group_under_a_pk_that_is_taken_gets_the_next_one(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await groups(store, monkeypatch).create("First", [1, 2])
    await put_back(store, "group", 0)
    made = await groups(store, monkeypatch).create("Second", [2, 3])
    assert (made.pk, made.products) == (2, [2, 3])
    assert await store.groups.get(1) == first
    assert await store.groups.containing([1, 2, 3]) == {1: [1], 2: [1, 2], 3: [2]}


async def test_a_record_whose_answer_was_lost_is_not_made_twice(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        unheard = Unheard(patch, "targets")
        target = await targets(store).create("Messier 13")
    assert (target.pk, unheard.times) == (1, 1)
    with monkeypatch.context() as patch:
        Unheard(patch, "groups")
        group = await groups(store, monkeypatch).create("Group", [1])
    assert group.pk == 1
    submits = await submissions(store)
    with monkeypatch.context() as patch:
        Unheard(patch, "processes")
        record, new = await submits.submit(SUBMIT, None)
    assert ([found.pk for found in await stored(store)], new) == ([record.pk], True)


async def test_submits_that_get_the_same_pk_are_all_stored(
    runner: asyncio.Runner, store: Store
) -> None:
    submits = await submissions(store)
    made = []
    for _ in range(5):
        await put_back(store, "processes", 0)
        made.append((await submits.submit(SUBMIT, None))[0])
    assert len({record.pk for record in made}) == 5
    assert {record.token for record in await stored(store)} == {record.token for record in made}


async def test_a_key_whose_pk_another_submit_has_is_refused_and_not_given_that_record(
    runner: asyncio.Runner, store: Store
) -> None:
    submits = await submissions(store)
    await submits.submit(SUBMIT, None)
    await put_back(store, "processes", 0)
    for _ in range(2):
        with pytest.raises(Conflict, match="use another key"):
            await submits.submit(SUBMIT, "a key")
    assert len(await stored(store)) == 1


async def test_a_key_repeated_gives_its_record_also_one_from_before_there_were_tokens(
    runner: asyncio.Runner, store: Store
) -> None:
    submits = await submissions(store)
    record, new = await submits.submit(SUBMIT, "a key")
    assert new
    assert (await submits.submit(SUBMIT, "a key")) == (record, False)
    await store.processes._collection.change({"_id": record.pk}, unset=["token"])
    again, new = await submits.submit(SUBMIT, "a key")
    assert (again.pk, again.token, new) == (record.pk, "", False)

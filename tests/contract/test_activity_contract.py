"""Targets by their last activity and by their words, and files by how their names begin."""

from __future__ import annotations

import asyncio

import pytest

from server.archive.derived import activity as activity_module
from server.archive.derived.activity import Activity
from server.core import changes
from server.core.hub import Hub
from server.core.records import Target
from server.store import Store
from server.store.archive.activity import Active
from server.store.archive.target_words import words_of
from tests.fakes.some_records import NOW, a_product, a_target


async def made(store: Store, hub: Hub, names: list[str]) -> None:
    for pk, name in enumerate(names, 1):
        await store.targets.insert(a_target(pk, name=name, identifier=f"t{pk}"))
        hub.wake((changes.TARGET, pk))


async def order(activity: Activity, limit: int = 50) -> list[int]:
    """Return the PKs of all pages."""
    pks: list[int] = []
    behind = None
    while True:
        page, behind = await activity.find(behind, limit)
        pks += [each.target.pk for each in page]
        if behind is None:
            return pks


async def test_the_last_active_target_comes_first_on_every_page(
    runner: asyncio.Runner, store: Store
) -> None:
    hub = Hub()
    activity = Activity(store, hub)
    await made(store, hub, ["A", "B", "C", "D", "E"])
    assert await order(activity, 2) == [5, 4, 3, 2, 1]
    for kind, target in ((changes.PRODUCTS, 2), (changes.LIGHT_CURVE, 4), ("process", 1)):
        hub.wake((kind, target))
    assert await order(activity, 2) == [4, 2, 5, 3, 1]
    await store.targets.delete(4)
    hub.wake((changes.TARGET, 4))
    assert await order(activity, 2) == [2, 5, 3, 1]
    assert await store.activity.newest(None, 10) == await store.activity.newest(None, 4)


async def test_a_run_that_goes_on_is_noted_now_and_then(
    runner: asyncio.Runner, store: Store
) -> None:
    hub = Hub()
    activity = Activity(store, hub)
    await made(store, hub, ["A"])
    await activity.store_news()
    [before] = await store.activity.newest(None, 1)
    for _ in range(100):
        hub.wake((changes.PROCESSES, 1))
    await activity.store_news()
    assert await store.activity.newest(None, 1) == [before]
    activity._stored[1] -= activity_module.SAME_SECONDS
    hub.wake((changes.PROCESSES, 1))
    await activity.store_news()
    assert (await store.activity.newest(None, 1))[0].time > before.time


async def test_times_are_sorted_whatever_their_size(runner: asyncio.Runner, store: Store) -> None:
    times = [0.0, 9.5, 10.25, 1_795_485_782.25, 1_795_485_782.5, 9_795_485_782.0]
    for pk, time in enumerate(times, 1):
        await store.activity.put(Active(time, pk))
    assert await store.activity.newest(None, 9) == [
        Active(time, pk) for pk, time in reversed(list(enumerate(times, 1)))
    ]
    assert await store.activity.newest(Active(10.25, 3), 9) == [Active(9.5, 2), Active(0.0, 1)]


async def test_targets_are_found_by_how_their_words_begin(
    runner: asyncio.Runner, store: Store
) -> None:
    hub = Hub()
    activity = Activity(store, hub)
    await made(store, hub, ["M 31", "Messier 13", "2017-12-20 flat", "Straße_im Weltall", "λ Cep"])

    async def found(text: str) -> list[int]:
        return sorted(target.pk for target in await activity.named(words_of(text), 10))

    for text, pks in (
        ("m31", [1]),
        ("M", [1, 2]),
        ("mess 1", [2]),
        ("13 mess", [2]),
        ("2017-12-20", [3]),
        ("20", [3]),
        ("strasse", [4]),
        ("weltall", [4]),
        ("t5", [5]),
        ("Λ", [5]),
        ("essier", []),
        ("mess 31", []),
        (".*", []),
        ("", []),
        ("\uffff", []),
    ):
        assert await found(text) == pks, text
    await store.targets.change(1, name="Andromeda")
    hub.wake((changes.TARGET, 1))
    assert (await found("m31"), await found("andro"), await found("t1")) == ([], [1], [1])
    await store.targets.delete(2)
    hub.wake((changes.TARGET, 2))
    assert await found("messier") == []
    assert await store.target_words.beginning("messier", 10) == []


async def test_a_word_that_very_many_targets_have_hides_none(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_module, "WORDS_READ", 3)
    hub = Hub()
    activity = Activity(store, hub)
    await made(store, hub, [f"NGC {number}" for number in range(101, 107)])
    for number in range(101, 107):
        [found] = await activity.named(["ngc", str(number)], 10)
        assert found.name == f"NGC {number}"


async def test_a_target_that_is_renamed_while_its_words_are_stored_is_found_by_its_last_name(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub()
    activity = Activity(store, hub)
    await made(store, hub, ["First"])
    put = store.target_words.put

    async def put_and_rename(target: Target) -> None:
        monkeypatch.undo()
        await put(target)
        await store.targets.change(1, name="Second")
        hub.wake((changes.TARGET, 1))

    monkeypatch.setattr(store.target_words, "put", put_and_rename)
    await activity.store_news()
    assert [target.pk for target in await activity.named(["second"], 10)] == [1]


async def test_a_new_target_that_a_kill_left_unnoted_is_noted_at_the_next_start(
    runner: asyncio.Runner, store: Store
) -> None:
    await made(store, Hub(), ["A", "B"])  # and nobody has stored that
    activity = Activity(store, Hub())
    activity.start()
    try:
        async with asyncio.timeout(20):
            while sorted(await order(activity)) != [1, 2]:
                await asyncio.sleep(0.01)
    finally:
        await activity.stop()
    assert [target.pk for target in await activity.named(["b"], 10)] == [2]


async def test_files_are_found_by_how_their_names_begin(
    runner: asyncio.Runner, store: Store
) -> None:
    names = ["2017-12-20-001.fits", "20171220.fits", "m13_1.fits", "M13_2.fits", "=x", "a.*"]
    await store.products.insert_many(
        [a_product(pk, name, b"x").evolve(created=NOW) for pk, name in enumerate(names, 1)]
    )

    async def found(beginning: str) -> list[int]:
        return [product.pk for product in await store.products.named(beginning, 10)]

    for beginning, pks in (
        ("2017-12-20", [1]),
        ("2017", [1, 2]),
        ("20171220", [2]),
        ("m13", [3, 4]),
        ("M13_2", [4]),
        ("=", [5]),
        (".*", []),
        ("fits", []),
    ):
        assert await found(beginning) == pks, beginning
    for pk in (1, 3):  # as a program before has written them
        await store.products._collection.change({"_id": pk}, unset=("by_name",))
    assert await found("m13") == [4]
    await store.products.key_names()
    assert await found("m13") == [3, 4]
    assert await found("2017-12-20") == [1]

"""Databases that cannot keep what they are given are refused in one sentence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.errors import StartError
from server.operations.atomicity import CHANGES, check_atomic
from server.store import Store
from server.store.driver.connection import Database
from server.store.installation import Installation
from tests.fakes.fake_mongodb import FakeMongoDB


async def trial(fake: FakeMongoDB) -> None:
    async with fake.serving() as uri:
        database = await Database.open(uri)
        try:
            await check_atomic(Installation(database), "s1")
        finally:
            database.close()


async def test_an_atomic_database_is_taken_and_left_as_it_was(
    runner: asyncio.Runner,
) -> None:
    fake = FakeMongoDB()
    await trial(fake)
    assert fake.documents == {}


@pytest.mark.parametrize("fault", [{"loses_changes": True}, {"repeats_answers": True}])
async def test_a_database_that_loses_or_repeats_changes_is_refused(
    runner: asyncio.Runner, fault: dict[str, Any]
) -> None:
    with pytest.raises(StartError, match="loses changes that are made at the same time"):
        await trial(FakeMongoDB(**fault))


@pytest.mark.parametrize("fault", [{"wire_version": 6}, {"knows_hello": False}])
async def test_a_database_too_old_or_without_hello_is_refused_in_one_sentence(
    runner: asyncio.Runner, fault: dict[str, Any]
) -> None:
    async with FakeMongoDB(**fault).serving() as uri:
        with pytest.raises(StartError, match=r"MongoDB 4\.4 or newer") as refused:
            await Database.open(uri)
    assert "\n" not in str(refused.value)


async def test_a_late_change_of_an_earlier_trial_counts_for_nothing(
    runner: asyncio.Runner, store: Store
) -> None:
    installation = store.installation
    await installation.begin_trial("s1", "earlier")
    await installation.begin_trial("s1", "later")
    assert await installation.count("s1", "earlier") is None
    assert await installation.count("s1", "later") == 1
    assert await installation.end_trial("s1") == 1
    assert await installation.end_trial("s1") is None


async def test_each_engine_of_the_tests_passes(runner: asyncio.Runner, store: Store) -> None:
    for _ in range(3):
        await check_atomic(store.installation, "s1")
    assert CHANGES == 20

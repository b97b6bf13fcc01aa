"""A newer and an older server on one database: side by side, or one of them is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from server.config.sections import Leases
from server.core.errors import StartError
from server.operations import schema
from server.operations.upgrade import Upgrade
from server.store import Store
from server.store.installation import Facts
from server.store.peers.heartbeats import UNTOLD_SCHEMA, Program

LEASES = Leases(heartbeat_seconds=0.05, lease_seconds=0.5, check_seconds=0.05)


async def change(store: Store) -> None:
    """Change nothing: only what is written about steps matters here."""


OLD = [schema.Step(change)]
SIDE_BY_SIDE = [*OLD, schema.Step(change, side_by_side=True)]
ALONE = [*OLD, schema.Step(change)]


def start(store: Store, server: str, steps: Sequence[schema.Step]) -> Upgrade:
    program = Program(f"version {len(steps)}", schema.newest(steps))
    return Upgrade(store, server, program, LEASES, steps)


async def started(upgrade: Upgrade) -> int:
    """Start a server as far as the schema goes; return the version of the database."""
    async with upgrade.taking_part():
        facts = await upgrade.store.installation.get()
        assert facts is not None
        schema.check_not_newer(facts.schema, upgrade.steps, facts.compatible_since)
        await schema.migrate(upgrade.store, facts.schema, upgrade.steps)
    facts = await upgrade.store.installation.get()
    assert facts is not None
    return facts.schema


@asynccontextmanager
async def running(upgrade: Upgrade, told: Program | None) -> AsyncIterator[None]:
    """Have a server beat while the block runs."""

    async def beat() -> None:
        while True:
            await upgrade.store.servers.beat(upgrade.server, 1.0, told)
            await asyncio.sleep(LEASES.heartbeat_seconds)

    await upgrade.store.servers.beat(upgrade.server, 1.0, told)
    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


@pytest.fixture
def old_database(runner: asyncio.Runner, store: Store) -> Store:
    """Return a database that the old program has written."""
    runner.run(store.installation.create(Facts("h1", schema.newest(OLD))))
    return store


async def test_a_newer_server_joins_older_ones_that_can_live_with_its_steps(
    runner: asyncio.Runner, old_database: Store
) -> None:
    store, old = old_database, start(old_database, "old", OLD)
    async with running(old, old.program):
        assert await started(start(store, "new", SIDE_BY_SIDE)) == 3
        assert await started(start(store, "older and started again", OLD)) == 3
    assert await started(old) == 3
    peers = await store.servers.peers()
    assert {name: peer.program.schema for name, peer in peers.items()} == {
        "old": 2, "new": 3, "older and started again": 2
    }  # fmt: skip
    assert all(peer.program.upgrading_to is None for peer in peers.values())


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_a_newer_server_is_refused_while_older_ones_run_that_cannot_live_with_it(
    runner: asyncio.Runner, old_database: Store, told: bool
) -> None:
    """The program before heartbeats told the version counts by the last schema of that time."""
    assert schema.newest(OLD) == UNTOLD_SCHEMA
    store, old = old_database, start(old_database, "h-old", OLD)
    async with running(old, old.program if told else None):
        with pytest.raises(StartError, match=r"some still run: h-old \(.*version"):
            await started(start(store, "new", ALONE))
        facts = await store.installation.get()
        assert facts is not None
        assert facts.schema == 2
        assert set(await store.servers.all()) == {"h-old"}
    # It was killed: its heartbeat stands still, and after a lease it is gone.
    assert await started(start(store, "new", ALONE)) == 3
    with pytest.raises(StartError, match="newer Heliograph"):
        await started(old)
    assert set(await store.servers.all()) == {"new"}


async def test_an_older_server_is_refused_while_a_newer_one_changes_the_database(
    runner: asyncio.Runner, old_database: Store
) -> None:
    store, old = old_database, start(old_database, "old", OLD)
    async with start(store, "h-new", ALONE).taking_part():
        with pytest.raises(StartError, match=r"just changing the database.*h-new \(version 2\)"):
            await started(old)
    # That one ended before it changed anything.
    assert await started(old) == 2


async def test_an_older_server_starts_when_the_newer_one_was_killed_before_its_first_step(
    runner: asyncio.Runner, old_database: Store
) -> None:
    await old_database.servers.beat("killed", 1.0, Program("9", 3, upgrading_to=3))
    assert await started(start(old_database, "old", OLD)) == 2


async def test_of_an_old_and_a_new_server_started_at_once_not_both_come_up(
    runner: asyncio.Runner, old_database: Store
) -> None:
    store = old_database
    found = await asyncio.gather(
        started(start(store, "old", OLD)),
        started(start(store, "new", ALONE)),
        return_exceptions=True,
    )
    assert any(isinstance(each, StartError) for each in found), found


async def test_servers_of_one_version_start_at_once(
    runner: asyncio.Runner, old_database: Store
) -> None:
    starts = (started(start(old_database, f"s{number}", ALONE)) for number in range(3))
    assert await asyncio.gather(*starts) == [3, 3, 3]

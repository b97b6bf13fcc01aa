"""Servers on one Dask cluster: together they have no more runs than it has threads."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from server.config.sections import Leases
from server.core.errors import DatabaseAway
from server.execution.places import sharing
from server.execution.places.cluster import Workers
from server.execution.places.places import Claimable
from server.execution.places.sharing import ClusterSharing
from server.peers.heartbeats import Heartbeats
from server.store.peers.heartbeats import ClusterUse
from tests.unit.execution.test_places import places
from tests.unit.peers.test_heartbeats import FakeServers

GPU = {"gpu": 1.0}


class SlowServers(FakeServers):
    """The heartbeats, with a database that takes its time, and may be away."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.away = False

    async def _call(self) -> None:
        for _ in range(self.random.randrange(6)):
            await asyncio.sleep(0)
        if self.away:
            raise DatabaseAway

    async def beat(self, *told: Any) -> int:
        await self._call()
        beats = await super().beat(*told)
        await self._call()
        return beats

    async def peers(self) -> Any:
        await self._call()
        found = await super().peers()
        await self._call()
        return found


class OneServer:
    """A server as far as it claims."""

    def __init__(
        self, name: str, servers: FakeServers, threads: int = 2, scheduler: str = "S"
    ) -> None:
        self.running: list[str] = []
        resources = {"gpu": 1.0}
        workers = Workers(threads, resources, (resources,), scheduler=scheduler)
        self.places = places(workers)
        self.heartbeats = Heartbeats(cast("Any", servers), name, Leases())
        self.sharing = ClusterSharing(
            self.places, self.heartbeats, lambda: list(self.running), alone=False
        )

    async def claim(self, pipeline: str = "Plain") -> bool:
        """Try to claim a process of a pipeline; return whether that was allowed."""
        try:
            found = await self.sharing.claimable()
            if allowed := _allows(found, pipeline):
                self.running.append(pipeline)
            return allowed
        finally:
            self.sharing.claimed()

    async def end(self, pipeline: str = "Plain") -> None:
        """End a run."""
        self.running.remove(pipeline)
        await self.sharing.tell()


def _allows(found: Claimable | None, pipeline: str) -> bool:
    if found is None or pipeline in found.without:
        return False
    return found.only is None or pipeline in found.only


@pytest.mark.parametrize("seed", range(8))
def test_servers_that_claim_at_once_never_have_more_runs_than_threads(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PAUSE_SECONDS", 0.001)
    threads, servers = 3, SlowServers(seed)
    together = [OneServer(name, servers, threads) for name in "abc"]
    left, most = 40, 0

    async def work(one: OneServer) -> None:
        nonlocal left, most
        while left > 0:
            if await one.claim():
                left -= 1
                most = max(most, sum(len(each.running) for each in together))
            await one.sharing.tell()
            await asyncio.sleep(0.001 * servers.random.random())
            if one.running and servers.random.random() < 0.5:
                await one.end()
        while one.running:
            await one.end()

    async def all_work() -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*(work(one) for one in together))

    asyncio.run(all_work())
    assert most == threads


def ran(work: Callable[[OneServer, OneServer], Any], **given: Any) -> None:
    """Run a coroutine function with two servers on one database."""
    servers = FakeServers()
    asyncio.run(work(OneServer("a", servers, **given), OneServer("b", servers, **given)))


def test_a_thread_that_another_server_gives_back_is_claimed() -> None:
    async def work(one: OneServer, other: OneServer) -> None:
        assert [await one.claim() for _ in range(3)] == [True, True, False]
        await one.sharing.tell()
        assert not await other.claim()
        await one.end()
        assert await other.claim()
        await other.sharing.tell()
        assert not await one.claim()

    ran(work)


def test_local_pipelines_do_not_wait_for_the_cluster() -> None:
    async def work(one: OneServer, other: OneServer) -> None:
        assert [await one.claim(), await one.claim()] == [True, True]
        await one.sharing.tell()
        assert not await other.claim()
        assert await other.claim("Here")

    ran(work)


def test_resources_are_shared_too() -> None:
    async def work(one: OneServer, other: OneServer) -> None:
        assert await one.claim("Deep")
        assert not await one.claim("Deep")
        await one.sharing.tell()
        assert not await other.claim("Deep")
        assert await other.claim("Plain")
        assert other.places.problem("Deep") == "gpu: 1 on the Dask cluster is being used"

    ran(work, threads=8)


def test_a_server_on_another_cluster_takes_nothing_of_this_one() -> None:
    servers = FakeServers()

    async def work() -> None:
        one, other = OneServer("a", servers), OneServer("b", servers, scheduler="T")
        for each in (one, other):
            assert [await each.claim() for _ in range(3)] == [True, True, False]
            await each.sharing.tell()

    asyncio.run(work())


def test_runs_stay_told_while_the_scheduler_is_away() -> None:
    async def work(one: OneServer, other: OneServer) -> None:
        assert [await one.claim(), await one.claim()] == [True, True]
        one.places._dask.cluster.workers = None  # type: ignore[union-attr]
        assert not await one.claim()
        await one.sharing.tell()
        assert not await other.claim()

    ran(work)


def test_what_a_server_that_is_gone_had_told_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work(one: OneServer, other: OneServer) -> None:
        assert [await one.claim(), await one.claim()] == [True, True]
        await one.sharing.tell()
        assert not await other.claim()
        beats, _ = other.heartbeats._beats["a"]
        lease = Leases().lease_seconds
        other.heartbeats._beats["a"] = (beats, asyncio.get_running_loop().time() - lease)
        assert await other.claim()

    ran(work)


def test_a_claim_that_broke_off_is_told_as_soon_as_the_database_is_back() -> None:
    servers = SlowServers()

    async def work() -> None:
        one = OneServer("a", servers)
        servers.away = True
        with pytest.raises(DatabaseAway):
            await one.claim()
        servers.away = False
        await one.sharing.tell()
        assert servers.uses["a"] == ClusterUse("S", 0, False, {})
        before = servers.beats["a"]
        await one.sharing.tell()
        assert servers.beats["a"] == before  # nothing is told twice

    asyncio.run(work())


def test_a_server_alone_on_its_database_tells_nobody() -> None:
    servers = SlowServers()
    servers.away = True
    one = OneServer("a", servers)
    one.sharing = ClusterSharing(one.places, one.heartbeats, lambda: list(one.running), alone=True)
    assert [asyncio.run(one.claim()) for _ in range(3)] == [True, True, False]
    asyncio.run(one.sharing.tell())
    assert servers.beats == {}

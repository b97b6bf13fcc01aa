"""Whether a server is gone: judged by looking at a counter, never by comparing clocks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.config.sections import Leases
from server.peers.heartbeats import Heartbeats
from server.store.peers.heartbeats import ClusterUse, Peer, Program

LEASES = Leases(heartbeat_seconds=5.0, lease_seconds=20.0, check_seconds=2.0)


class FakeServers:
    """The counters, as the store has them."""

    def __init__(self) -> None:
        self.beats: dict[str, int] = {}
        self.programs: dict[str, Program] = {}
        self.uses: dict[str, ClusterUse] = {}

    async def beat(
        self,
        server: str,
        now: float,
        program: Program | None = None,
        use: ClusterUse | None = None,
    ) -> int:
        self.beats[server] = self.beats.get(server, 0) + 1
        self.uses[server] = use or ClusterUse()
        self.programs[server] = program or Program()
        return self.beats[server]

    async def all(self) -> dict[str, int]:
        return dict(self.beats)

    async def peers(self) -> dict[str, Peer]:
        return {
            name: Peer(beats, self.programs[name], self.uses[name])
            for name, beats in self.beats.items()
        }

    async def delete(self, server: str) -> None:
        self.beats.pop(server, None)


class Watch:
    """An observer whose monotonic clock the test controls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.servers: Any = FakeServers()
        self.heartbeats = Heartbeats(self.servers, "me", LEASES)
        monkeypatch.setattr("server.peers.heartbeats.asyncio", self)

    def get_running_loop(self) -> Watch:
        return self

    def time(self) -> float:
        return self.now

    def look(self, seconds: float, *servers: str) -> set[str]:
        """Return which servers are still, this long after the last look."""
        self.now += seconds
        return asyncio.run(self.heartbeats.still(set(servers)))

    def beat(self, server: str) -> None:
        asyncio.run(self.servers.beat(server, 0.0))


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Return an observer that has not seen any server yet."""
    return Watch(monkeypatch)


def looks_until_still(watch: Watch, server: str) -> int:
    """Return how many looks it takes until a server is found still."""
    for number in range(1, 50):
        if watch.look(LEASES.check_seconds, server):
            return number
    raise AssertionError("it was never found still")


def test_a_server_that_beats_is_never_still(watch: Watch) -> None:
    for number in range(100):
        if number % 3 == 0:  # a beat every 6 s: late, but alive
            watch.beat("other")
        assert watch.look(2.0, "other") == set()


@pytest.mark.parametrize("beaten", [False, True], ids=["never beaten", "beaten once"])
def test_a_server_is_still_after_a_lease_of_looks(watch: Watch, beaten: bool) -> None:
    if beaten:
        watch.beat("other")
    assert looks_until_still(watch, "other") == 1 + LEASES.lease_seconds / LEASES.check_seconds


def test_the_observer_itself_is_never_still(watch: Watch) -> None:
    assert all(watch.look(2.0, "me") == set() for _ in range(50))


def test_a_pause_of_the_observer_says_nothing_about_others(watch: Watch) -> None:
    """The database was away for an hour, or the observer stopped: no one could beat or be seen."""
    watch.beat("other")
    watch.look(2.0, "other")
    assert watch.look(3600.0, "other") == set()
    assert watch.look(2.0, "other") == set()
    watch.beat("other")
    assert watch.look(2.0, "other") == set()
    assert looks_until_still(watch, "other") == LEASES.lease_seconds / LEASES.check_seconds


def test_a_server_that_comes_back_is_counted_anew(watch: Watch) -> None:
    watch.beat("other")
    looks_until_still(watch, "other")
    watch.beat("other")
    assert watch.look(2.0, "other") == set()
    assert watch.look(2.0) == set()
    assert looks_until_still(watch, "other") > 5


def test_others_run_while_their_counters_move(watch: Watch) -> None:
    def met(seconds: float) -> set[str]:
        watch.now += seconds
        asyncio.run(watch.heartbeats.meet())
        return set(watch.heartbeats.peers)

    watch.beat("me")
    watch.beat("a")
    watch.beat("b")
    assert met(0) == {"a", "b"}
    watch.beat("a")
    assert met(15) == {"a", "b"}
    assert met(15) == {"a"}
    watch.beat("b")
    assert met(1) == {"a", "b"}
    asyncio.run(watch.servers.delete("a"))
    assert met(1) == {"b"}


def test_what_others_have_of_a_cluster_counts_while_they_run(watch: Watch) -> None:
    use = ClusterUse("Scheduler-1", 3, True, {"gpu": 1.0})
    asyncio.run(watch.servers.beat("a", 0.0, None, use))
    asyncio.run(watch.heartbeats.meet())
    assert watch.heartbeats.uses == {"a": use}
    watch.now += LEASES.lease_seconds
    asyncio.run(watch.heartbeats.meet())
    assert watch.heartbeats.uses == {}


def test_a_server_tells_with_each_heartbeat_what_it_has_of_a_cluster(watch: Watch) -> None:
    watch.heartbeats.own_use = lambda: ClusterUse("Scheduler-1", watch.servers.beats.get("me", 0))
    for runs in range(2):
        asyncio.run(watch.heartbeats.beat())
        assert watch.servers.uses["me"].runs == runs


def test_pipelines_that_only_others_have_are_known(watch: Watch) -> None:
    program = Program(pipelines=("Stacks", "Measures"))
    asyncio.run(watch.servers.beat("a", 0.0, program))
    assert watch.heartbeats.unknown_to({"Measures"}) == set()
    asyncio.run(watch.heartbeats.meet())
    assert watch.heartbeats.unknown_to({"Measures", "Mine"}) == {"Stacks"}
    assert watch.heartbeats.unknown_to({"Measures", "Stacks"}) == set()

"""What may be claimed, by where pipelines have their runs and what is free there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from runners.execution.pool import Pool
from server.config import Config, PipelineEntry
from server.config.sections import Leases, Runner
from server.config.sections.runs import Security
from server.core.errors import StartError
from server.execution.places.cluster import Workers
from server.execution.places.dask import DaskPlace
from server.execution.places.local import LocalPlace
from server.execution.places.place import PlaceAway
from server.execution.places.places import Claimable, Places
from server.store.peers.heartbeats import ClusterUse

ADDRESS = "tcp://127.0.0.1:8786"


class FakeCluster:
    """A cluster as a place sees it."""

    address = ADDRESS
    away = PlaceAway(f"the Dask scheduler at {ADDRESS} cannot be reached")

    def __init__(self, workers: Workers | None) -> None:
        self.workers = workers


def dask_place(config: Config, cluster: FakeCluster, most: int | None = None) -> DaskPlace:
    return DaskPlace(
        cast("Any", cluster),
        cast("Any", None),
        workers=most,
        silence_seconds=1.0,
        resources_of=config.resources_of,
        environment_of=lambda pipeline: None,
        find_file=cast("Any", None),
    )


def places(workers: Workers | None, most: int | None = None) -> Places:
    entries = {
        "Plain": PipelineEntry(path="a.B"),
        "Here": PipelineEntry(path="a.B", runner="local"),
        "Deep": PipelineEntry(path="a.B", resources={"gpu": 1.0}),
    }
    config = Config(
        data=Path("data"), pipelines=entries, runner=Runner(type="dask", address=ADDRESS)
    )
    dask = dask_place(config, FakeCluster(workers), most)
    return Places(config, LocalPlace(Pool(1)), dask, entries.keys)


def cluster(threads: int, **resources: float) -> Workers:
    return Workers(threads, resources, (resources,) if resources else ())


def test_without_a_scheduler_only_local_pipelines_are_claimed() -> None:
    found = places(None)
    assert found.claimable([]) == Claimable(only=frozenset({"Here"}))
    assert found.claimable(["Here"]) is None
    assert found.slots == 0
    assert found.problem("Plain") == f"the Dask scheduler at {ADDRESS} cannot be reached"
    assert found.problem("Here") is None


@pytest.mark.parametrize(
    ("running", "claimable"),
    [
        ([], Claimable(without=frozenset({"Deep"}))),
        (["Here"], Claimable(without=frozenset({"Deep", "Here"}))),
        (["Plain", "Plain"], Claimable(only=frozenset({"Here"}))),
        (["Plain", "Plain", "Here"], None),
    ],
)
def test_each_place_has_slots_of_its_own(running: list[str], claimable: Claimable | None) -> None:
    assert places(cluster(2)).claimable(running) == claimable


def test_what_other_servers_have_of_the_cluster_is_not_free() -> None:
    found = places(cluster(3, gpu=2), most=2)
    for runs, free in ((0, 1), (1, 1), (2, 0), (9, -7)):
        assert found.free_on_cluster(["Plain", "Here"], ClusterUse(runs=runs)) == free
    assert found.claimable(["Plain"], ClusterUse(runs=2)) == Claimable(only=frozenset({"Here"}))
    assert found.claimable(["Plain"]) == Claimable()
    assert found.problem("Deep") is None
    found.note_others(ClusterUse(resources={"gpu": 2.0}))
    assert found.problem("Deep") == "gpu: 1 on the Dask cluster is being used"
    assert found.claimable([]) == Claimable(without=frozenset({"Deep"}))


def test_a_claimed_run_holds_its_resources_before_it_is_launched() -> None:
    assert places(cluster(3, gpu=1)).claimable(["Deep"]) == Claimable(without=frozenset({"Deep"}))


def test_resources_are_wanted_of_one_worker() -> None:
    assert places(cluster(2, gpu=0.5)).problem("Deep") == "no worker of the Dask cluster has gpu: 1"
    assert places(cluster(2, gpu=1)).problem("Deep") is None
    assert places(cluster(0)).problem("Deep") == "the Dask cluster has no workers"


def test_the_configuration_bounds_the_slots() -> None:
    assert places(cluster(8), most=3).slots == 3
    assert places(cluster(8)).slots == 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runner": Runner(type="dask")}, "runner.address"),
        ({"runner": Runner(type="dask", address="tls://a:1")}, "runner.address"),
        (
            {"runner": Runner(type="dask", address="tls://a:1", security=Security(ca="ca"))},
            "runner.security.key",
        ),
        (
            {
                "runner": Runner(type="dask", address=ADDRESS, silence_seconds=3.0),
                "leases": Leases(heartbeat_seconds=1, lease_seconds=5),
            },
            "runner.silence_seconds",
        ),
        ({"pipelines": {"A": PipelineEntry(path="a.B", runner="dask")}}, "runner.type"),
    ],
)
def test_half_a_configuration_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StartError, match=said):
        Config(data=Path("data"), **changes)


def test_no_run_that_waits_misses_that_its_worker_has_gone_while_another_begins_to_wait() -> None:
    async def waited() -> None:
        there = FakeCluster(cluster(2, gpu=1))
        place = dask_place(Config(data=Path("data")), there)
        stopped, arrivals = asyncio.Event(), [asyncio.Future[Any]() for _ in range(2)]

        async def another() -> None:
            there.workers = cluster(2)
            place.changed()
            await place._arrived(arrivals[1], {}, stopped)

        first = asyncio.create_task(place._arrived(arrivals[0], {"gpu": 1.0}, stopped))
        second = asyncio.create_task(another())
        with pytest.raises(PlaceAway, match="no worker of the Dask cluster has gpu: 1"):
            await asyncio.wait_for(first, 20)
        second.cancel()

    asyncio.run(waited())

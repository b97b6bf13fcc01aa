"""All places of this server, which of them a pipeline's runs have, and what may be claimed now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass

from server.config import Config
from server.execution.places.dask import DaskPlace
from server.execution.places.local import LocalPlace
from server.execution.places.place import Place, PlacedRun
from server.store.peers.heartbeats import ClusterUse

NOBODY_ELSE = ClusterUse()


@dataclass(frozen=True)
class Claimable:
    """Which queued processes may be claimed: of these pipelines only, and not of those."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()


class Places:
    """The places, and the runs that go on in them."""

    def __init__(
        self,
        config: Config,
        local: LocalPlace,
        dask: DaskPlace | None,
        known: Callable[[], Set[str]],
    ) -> None:
        self._config = config
        self._local = local
        self._dask = dask
        #: returns the names of all pipelines
        self._known = known
        #: the runs by PK of their processes
        self.runs: dict[int, PlacedRun] = {}

    def of(self, pipeline: str) -> Place:
        """Return the place of a pipeline's runs."""
        if self._dask is None or self._config.runner_of(pipeline) == "local":
            return self._local
        return self._dask

    @property
    def slots(self) -> int:
        """How many runs can go on at the same time, where this server's runs have their place."""
        return (self._dask or self._local).slots()

    @property
    def dashboard(self) -> str | None:
        """The address of the cluster's dashboard."""
        workers = None if self._dask is None else self._dask.cluster.workers
        return None if workers is None else workers.dashboard

    @property
    def clustered(self) -> bool:
        """Whether runs can have their place on a cluster."""
        return self._dask is not None

    @property
    def scheduler(self) -> str | None:
        """The id of the cluster's scheduler, None while it is away."""
        workers = None if self._dask is None else self._dask.cluster.workers
        return None if workers is None else workers.scheduler

    def on_cluster(self, running: Iterable[str]) -> tuple[int, Mapping[str, float]]:
        """Return how many of these pipelines' runs are on the cluster, and what they hold there."""
        if self._dask is None:
            return 0, {}
        there = [each for each in running if self.of(each) is self._dask]
        return len(there), self._dask.needed_by(there)

    def free_on_cluster(self, running: Iterable[str], others: ClusterUse) -> int:
        """Return how many more runs have a thread of the cluster, beside those here and others'."""
        if self._dask is None:
            return 0
        there, _ = self.on_cluster(running)
        return self._dask.free(there, others)

    def note_others(self, use: ClusterUse) -> None:
        """Take note of what runs of other servers have of the cluster."""
        if self._dask is not None:
            self._dask.others = use

    def problem(self, pipeline: str) -> str | None:
        """Return why no run of a pipeline can be started now, in a clause, or None."""
        return self.of(pipeline).problem(pipeline)

    def claimable(
        self, running: Iterable[str], others: ClusterUse = NOBODY_ELSE
    ) -> Claimable | None:
        """Return what may be claimed while these pipelines run here; None if nothing may.

        `others` is what other servers have of the cluster.
        """
        if self._dask is None:
            free = sum(1 for _ in running) < self._local.slots()
            return Claimable() if free else None
        pipelines = list(running)
        there, held = self.on_cluster(pipelines)
        local = frozenset(each for each in self._known() if self.of(each) is self._local)
        local_free = len(pipelines) - there < self._local.slots()
        if self.free_on_cluster(pipelines, others) <= 0:
            return Claimable(only=local) if local_free and local else None
        busy = {
            each for each in self._known() - local if self._dask.problem(each, held) is not None
        }
        return Claimable(without=frozenset(busy if local_free else busy | local))

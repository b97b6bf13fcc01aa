"""Runs on the machines of a Dask cluster: each has a task there, which is only its place."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runners.execution.worker import RunSpec
from server.core.errors import HeliographError
from server.core.records import DataProduct
from server.core.version import version
from server.execution.places.cluster import Cluster, WorkerFailed
from server.execution.places.listener import AgentListener, Arrival
from server.execution.places.place import PlaceAway, Stopped
from server.execution.places.remote_run import RemoteRun
from server.store.peers.heartbeats import ClusterUse

#: Returns a local file with a product's bytes, in this folder if it is not stored as one.
FindFile = Callable[[DataProduct, Path], Awaitable[Path]]


class DaskPlace:
    """The threads of a cluster. `resources_of` says what a pipeline's runs need beside one."""

    sends_inputs = True

    def __init__(
        self,
        cluster: Cluster,
        listener: AgentListener,
        *,
        workers: int | None,
        silence_seconds: float,
        resources_of: Callable[[str], Mapping[str, float]],
        environment_of: Callable[[str], Sequence[str] | None],
        find_file: FindFile,
    ) -> None:
        self.cluster = cluster
        self._listener = listener
        self._most = workers
        self._silence_seconds = silence_seconds
        self._resources_of = resources_of
        self._environment_of = environment_of
        self._find_file = find_file
        #: what our runs hold of the cluster's resources
        self._held: Counter[str] = Counter()
        #: what runs of other servers have of the cluster, as far as it is known
        self.others = ClusterUse()
        self._news = asyncio.Event()

    def slots(self) -> int:
        """Return how many runs this server can have there: one a thread, 0 while it is away."""
        workers = self.cluster.workers
        if workers is None:
            return 0
        return workers.threads if self._most is None else min(self._most, workers.threads)

    def free(self, ours: int, others: ClusterUse) -> int:
        """Return how many more runs have a thread, beside `ours` and those of other servers."""
        workers = self.cluster.workers
        return 0 if workers is None else min(self.slots(), workers.threads - others.runs) - ours

    def needed_by(self, pipelines: Iterable[str]) -> Counter[str]:
        """Return what runs of these pipelines hold of the cluster's resources together."""
        held: Counter[str] = Counter()
        for pipeline in pipelines:
            held.update(self._resources_of(pipeline))
        return held

    def changed(self) -> None:
        """Take note that workers have come or gone."""
        # Whoever waits has this event, also where the waiting has not begun yet.
        self._news.set()
        self._news = asyncio.Event()

    def problem(self, pipeline: str, held: Mapping[str, float] | None = None) -> str | None:
        """Return why no run of a pipeline can be started there now, in a clause, or None.

        `held` is what our runs have of the resources, if some are not launched yet.
        """
        ours = self._held if held is None else held
        workers, needed = self.cluster.workers, self._resources_of(pipeline)
        if (away := self._away(needed)) is not None:
            return away
        assert workers is not None
        for name, amount in needed.items():
            used = ours.get(name, 0) + self.others.resources.get(name, 0)
            if used + amount > workers.resources.get(name, 0):
                return f"{_amounts({name: amount})} on the Dask cluster is being used"
        return None

    async def launch(
        self,
        pipeline: str,
        spec: RunSpec,
        products: Sequence[DataProduct],
        folder: Path,
        stopped: asyncio.Event,
    ) -> RemoteRun:
        """Submit a task, wait for its agent to connect, and have that start the run."""
        needed = self._resources_of(pipeline)
        # The environment is the worker's, of which the agent is told the names.
        spec = msgspec.structs.replace(spec, environment=None)
        self._held.update(needed)
        stack = contextlib.AsyncExitStack()
        stack.callback(self._held.subtract, needed)
        try:
            arrival = self._submitted(spec.identifier, needed, stack)
            wire, facts = await self._arrived(arrival, needed, stopped)
            run = RemoteRun(
                wire,
                _known(facts),
                folder,
                self._silence_seconds,
                _finder(products, folder, self._find_file),
            )
            stack.push_async_callback(run.release)
            self._check_version(run.facts)
            await _unless_stopped(run.start(spec, self._environment_of(pipeline)), stopped)
        except BaseException:
            await stack.aclose()
            raise
        run.on_release(stack)
        return run

    def _submitted(
        self, identifier: str, needed: Mapping[str, float], stack: contextlib.AsyncExitStack
    ) -> asyncio.Future[Arrival]:
        """Submit a task, given up with the stack; return what becomes its agent's connection."""
        ticket, arrival = self._listener.expect()
        stack.callback(self._listener.withdraw, ticket)

        def on_end(why: HeliographError) -> None:
            if not arrival.done():
                arrival.set_exception(why)

        task = self.cluster.submit(ticket, f"{identifier}-{ticket.number}", needed, on_end)
        stack.callback(task.withdraw)
        return arrival

    def _check_version(self, facts: Mapping[str, str]) -> None:
        theirs = facts["heliograph"]
        if theirs != version():
            raise WorkerFailed(
                f"the Dask worker on {facts['host']} has Heliograph {theirs}, "
                f"and this server has {version()}: they must be the same"
            )

    async def _arrived(
        self,
        arrival: asyncio.Future[Arrival],
        needed: Mapping[str, float],
        stopped: asyncio.Event,
    ) -> Arrival:
        """Wait for the agent to connect, as long as the cluster may take the run at all."""
        while not arrival.done():
            if (problem := self._away(needed)) is not None:
                raise PlaceAway(problem)
            news = asyncio.ensure_future(self._news.wait())
            stop = asyncio.ensure_future(stopped.wait())
            waiting: set[asyncio.Future[Any]] = {arrival, news, stop}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
                stop.cancel()
            if stopped.is_set() and not arrival.done():
                raise Stopped
        return arrival.result()

    def _away(self, needed: Mapping[str, float]) -> str | None:
        """Return why the cluster cannot take a run at all at this moment, or None."""
        workers = self.cluster.workers
        if workers is None:
            return str(self.cluster.away)
        if not workers.threads:
            return "the Dask cluster has no workers"
        if needed and not any(
            all(each.get(name, 0) >= amount for name, amount in needed.items())
            for each in workers.largest
        ):
            return f"no worker of the Dask cluster has {_amounts(needed)}"
        return None


async def _unless_stopped(work: Awaitable[None], stopped: asyncio.Event) -> None:
    """Wait for work; raise Stopped if that comes first."""
    doing, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    waiting: set[asyncio.Future[Any]] = {doing, stop}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Stopped
        doing.result()
    finally:
        stop.cancel()
        doing.cancel()


def _finder(
    products: Sequence[DataProduct], folder: Path, find_file: FindFile
) -> Callable[[int], Awaitable[tuple[DataProduct, Path]]]:
    by_pk = {product.pk: product for product in products}

    async def find(pk: int) -> tuple[DataProduct, Path]:
        product = by_pk[pk]
        return product, await find_file(product, folder / "inputs")

    return find


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an agent says of its machine, as far as it is known here."""
    said: dict[str, Any] = {
        key: str(facts.get(key, ""))[:200] for key in ("host", "python", "heliograph")
    }
    withheld = facts.get("withheld")
    names = withheld if isinstance(withheld, list) else []
    return said | {"withheld": [str(name)[:255] for name in names[:1000]]}


def _amounts(needed: Mapping[str, float]) -> str:
    return ", ".join(f"{name}: {amount:g}" for name, amount in needed.items())

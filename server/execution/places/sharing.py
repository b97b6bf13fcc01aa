"""How the servers on one Dask cluster share its threads, and claim no more runs than it has.

Each tells with its heartbeat what its runs have of the cluster. Before a claim it tells the others
that it is about to, and looks at what they have told only then: of two that claim at the same time,
at least one sees the other. What a server that is gone had told does not count any more.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from server.execution.places.places import Claimable, Places
from server.peers.heartbeats import Heartbeats
from server.store.peers.heartbeats import ClusterUse

#: How often, and at most how far apart, a claim is tried that only the claims of others hinder.
TRIES, PAUSE_SECONDS = 4, 0.02


class ClusterSharing:
    """What this server tells of its runs on the cluster, and what it may claim beside the others.

    `running` returns the pipelines of the runs that are under way here. A server that is `alone` on
    its database tells nobody anything.
    """

    def __init__(
        self,
        places: Places,
        heartbeats: Heartbeats,
        running: Callable[[], list[str]],
        *,
        alone: bool,
    ) -> None:
        self._places = places
        self._heartbeats = heartbeats
        self._running = running
        self._shared = places.clustered and not alone
        #: the cluster, also while its scheduler is away: runs go on there
        self._scheduler: str | None = None
        #: whether this server is about to claim
        self._claiming = False
        #: what was told last, None if that is not known
        self._told: ClusterUse | None = None
        if self._shared:
            heartbeats.own_use = self._use

    async def claimable(self) -> Claimable | None:
        """Return what may be claimed now, None if nothing may; to be followed by `tell`.

        :raises DatabaseAway: the others could not be asked.
        """
        if not self._shared:
            return self._places.claimable(self._running())
        for _ in range(TRIES):
            self._claiming = True
            await self.tell()
            await self._heartbeats.meet()
            if self._has_room(claims=True) or not self._has_room(claims=False):
                break
            self._claiming = False
            await self.tell()
            await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))
        others = self._others(claims=True)
        self._places.note_others(others)
        return self._places.claimable(self._running(), others)

    def claimed(self) -> None:
        """Take note that the claim is over: its run, if there is one, is under way."""
        self._claiming = False

    async def tell(self) -> None:
        """Tell the others what this server has of the cluster, unless they know.

        :raises DatabaseAway: nobody could be told.
        """
        if self._shared and (use := self._use()) != self._told:
            self._told = None
            await self._heartbeats.beat()
            self._told = use

    def _has_room(self, *, claims: bool) -> bool:
        """Return whether one more run has a thread; claims of others are runs if `claims`."""
        return self._places.free_on_cluster(self._running(), self._others(claims=claims)) > 0

    def _others(self, *, claims: bool) -> ClusterUse:
        """Return what the others on this cluster have of it together, as they told last."""
        resources: Counter[str] = Counter()
        uses = [each for each in self._heartbeats.uses.values() if each.cluster == self._scheduler]
        for use in uses:
            resources.update(use.resources)
        runs = sum(use.runs + (claims and use.claiming) for use in uses)
        return ClusterUse(self._scheduler, runs, resources=resources)

    def _use(self) -> ClusterUse:
        runs, resources = self._places.on_cluster(self._running())
        self._scheduler = self._places.scheduler or self._scheduler
        return ClusterUse(self._scheduler, runs, self._claiming, resources)

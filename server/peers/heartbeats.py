"""Which servers on this database are gone: those whose heartbeat stands still.

A heartbeat is a counter, and how long it has been still is measured by the observer's own
monotonic clock, so no two clocks are ever compared. Only time in which the observer really looked
counts: after an outage of the database, or a stop of the observer itself, no server is taken for
dead that had no chance to beat.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set
from typing import NamedTuple

from server.config.sections import Leases
from server.store.peers.heartbeats import ClusterUse, Program, Servers

#: The most that one look can add, in periods between looks: a late look is no sign of a dead peer.
MOST_PERIODS = 2.0


class _Seen(NamedTuple):
    """A counter (None before the first beat), and for how long it has been seen at this value."""

    beats: int | None
    still_seconds: float


class Heartbeats:
    """The heartbeat of this server, and what it knows of the others'."""

    def __init__(
        self,
        servers: Servers,
        own: str,
        leases: Leases,
        program: Callable[[], Program | None] = lambda: None,
    ) -> None:
        self._servers = servers
        self._own = own
        self._leases = leases
        self._seen: dict[str, _Seen] = {}
        self._looked_at: float | None = None
        self._program = program
        self._beating = asyncio.Lock()
        #: by server: its last counter, and when that was first seen (monotonic)
        self._beats: dict[str, tuple[int, float]] = {}
        #: the others that run, as they were when `meet` was called last, with what they run
        self.peers: dict[str, Program] = {}
        #: what each of them then had of a Dask cluster
        self.uses: dict[str, ClusterUse] = {}
        #: returns what this server has of one, to be told with each heartbeat
        self.own_use: Callable[[], ClusterUse | None] = lambda: None

    async def beat(self) -> None:
        """Add one heartbeat of this server."""
        async with self._beating:  # what was told last is what holds
            await self._servers.beat(self._own, time.time(), self._program(), self.own_use())

    async def leave(self) -> None:
        """Delete this server's heartbeat, as none of its work is left."""
        await self._servers.delete(self._own)

    async def meet(self) -> None:
        """Look which others run: those whose counter has moved within a lease."""
        now, found = asyncio.get_running_loop().time(), await self._servers.peers()
        found.pop(self._own, None)
        for server, peer in found.items():
            beats, since = self._beats.get(server, (None, now))
            self._beats[server] = (peer.beats, since if beats == peer.beats else now)
        self._beats = {server: seen for server, seen in self._beats.items() if server in found}
        run = {
            server: peer
            for server, peer in found.items()
            if now - self._beats[server][1] < self._leases.lease_seconds
        }
        self.peers = {server: peer.program for server, peer in run.items()}
        self.uses = {server: peer.use for server, peer in run.items()}

    def unknown_to(self, pipelines: Set[str]) -> set[str]:
        """Return the pipelines that others have, and that are not among these."""
        return {name for peer in self.peers.values() for name in peer.pipelines} - pipelines

    async def still(self, servers: Set[str]) -> set[str]:
        """Return those that have not beaten for a lease; to be called every `check_seconds`."""
        others = servers - {self._own}
        beats = await self._servers.all() if others else {}
        passed = self._passed()
        for server in others:
            known = self._seen.get(server)
            counted = beats.get(server)
            alive = known is None or known.beats != counted
            still = 0.0 if known is None or alive else known.still_seconds + passed
            self._seen[server] = _Seen(counted, still)
        self._seen = {server: seen for server, seen in self._seen.items() if server in others}
        lease = self._leases.lease_seconds
        return {server for server, seen in self._seen.items() if seen.still_seconds >= lease}

    def _passed(self) -> float:
        """Return the seconds since the last look, as far as they count."""
        now, before = asyncio.get_running_loop().time(), self._looked_at
        self._looked_at = now
        if before is None:
            return 0.0
        return min(now - before, MOST_PERIODS * self._leases.check_seconds)

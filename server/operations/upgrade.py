"""Upgrades while other servers on the database go on: which of them may run side by side.

A server tells with its heartbeats which schema it knows, and to which it is about to take the
database. It does so before it looks at what the others tell, so that of two servers that start at
once, at least one sees the other. Whether a server still runs is seen by its heartbeats, which move
or stand still; no two clocks are compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from server.config.sections import Leases
from server.core.concurrency import repeat_every, retry_while_unavailable
from server.core.errors import DatabaseAway, NoRoom, StartError
from server.operations import schema
from server.store import Store
from server.store.peers.heartbeats import Peer, Program

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upgrade:
    """The start of one of several servers, as far as it concerns the others."""

    store: Store
    server: str
    program: Program
    leases: Leases
    steps: Sequence[schema.Step] = schema.STEPS

    @asynccontextmanager
    async def taking_part(self) -> AsyncIterator[None]:
        """Be seen by the others in the block, at whose end the schema must be that of the program.

        :raises StartError: a server that still runs does not go with this one.
        """
        program = replace(self.program, upgrading_to=await self._upgrading_to())

        async def beat() -> None:
            await self.store.servers.beat(self.server, time.time(), program)

        with contextlib.suppress(DatabaseAway, NoRoom):  # then the next one tells
            await beat()
        beating = asyncio.create_task(
            repeat_every(self.leases.heartbeat_seconds, beat, name="The heartbeat", log=log)
        )
        try:
            await self._check_others(program.upgrading_to)
            yield
        except BaseException:
            await self._stop(beating)
            with contextlib.suppress(DatabaseAway, NoRoom):
                await self.store.servers.delete(self.server)
            raise
        await self._stop(beating)
        with contextlib.suppress(DatabaseAway, NoRoom):
            await self.store.servers.beat(self.server, time.time(), self.program)

    async def _upgrading_to(self) -> int | None:
        """Return the last version that servers before it cannot live with, if that is still due."""
        facts = await retry_while_unavailable(self.store.installation.get)
        if facts is None:
            return None  # a new database, which nobody else has written to
        return schema.needed_by(facts.schema, self.steps)

    async def _check_others(self, upgrading_to: int | None) -> None:
        if upgrading_to is not None:
            older = await self._running(lambda peer: peer.program.schema < upgrading_to)
            if older:
                raise StartError(
                    f"This version changes the database (to schema {upgrading_to}) in a way that "
                    f"older servers cannot live with, and some still run: {named(older)}; stop "
                    "them, then start this one again"
                )
        known = schema.newest(self.steps)
        upgraders = await self._running(lambda peer: (peer.program.upgrading_to or 0) > known)
        if upgraders:
            raise StartError(
                "A newer Heliograph is just changing the database in a way that this version "
                f"cannot live with: {named(upgraders)}; start that version here too"
            )

    async def _running(self, concerned: Callable[[Peer], bool]) -> dict[str, Peer]:
        return await running_servers(self.store, self.leases, concerned, but=self.server)

    @staticmethod
    async def _stop(task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def running_servers(
    store: Store,
    leases: Leases,
    concerned: Callable[[Peer], bool] = lambda _: True,
    *,
    but: str | None = None,
) -> dict[str, Peer]:
    """Return those of the servers concerned that run: one is gone once it is still for long."""

    async def look() -> dict[str, Peer]:
        peers = await retry_while_unavailable(store.servers.peers)
        return {name: peer for name, peer in peers.items() if name != but and concerned(peer)}

    first = await look()
    deadline = time.monotonic() + leases.lease_seconds
    waited_for: set[str] = set()
    while True:
        now = await look()
        moved = {
            name: peer
            for name, peer in now.items()
            if name not in first or first[name].beats != peer.beats
        }
        if moved or not now or time.monotonic() >= deadline:
            return moved
        _log_waiting(leases, now, waited_for)
        await asyncio.sleep(min(leases.check_seconds, leases.heartbeat_seconds))


def _log_waiting(leases: Leases, peers: dict[str, Peer], known: set[str]) -> None:
    for name in peers.keys() - known:
        log.info(
            "Looking whether server %s still runs, for %.0f s at most",
            name,
            leases.lease_seconds,
            extra={"action": "older_server_watched", "server_id": name},
        )
    known |= peers.keys()


def named(peers: dict[str, Peer]) -> str:
    """Return servers with their versions, as a sentence names them."""
    return ", ".join(f"{name} ({peer.program.version})" for name, peer in sorted(peers.items()))

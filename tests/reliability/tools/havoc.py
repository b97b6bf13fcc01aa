"""Kills of a server, or of a process that it works with, at random moments while work goes on."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from tests.reliability.tools import victims
from tests.reliability.tools.serving import Server

CHILD = "child of a run"
#: Per kill of the server, the chances of a stop, of a kill while starting, and of other kills.
STOPS, STARTS = 0.2, 0.1
OTHERS = {victims.ENGINE: 0.25, victims.TEMPLATE: 0.35, victims.EXAMINER: 0.35, CHILD: 0.6}
#: How many moments of the work are waited for per kill of the server.
MOMENTS = 1 + STOPS + sum(OTHERS.values())
STOP_SECONDS = 0.5
#: How long it waits for work to go on once the server is ready, and how late a kill may be.
STALE_SECONDS, LATE_SECONDS = 1.5, 0.1


@dataclass
class Struck:
    """What was done to the server."""

    kills: int = 0
    starts: int = 0
    stops: int = 0
    #: the kills of each of the others
    others: Counter[str] = field(default_factory=Counter)


@dataclass
class Havoc:
    """The kills of one server. `progress` counts ended processes, `pace` of them between two."""

    server: Server
    chance: random.Random
    progress: Callable[[], int]
    pace: float
    struck: Struck = field(default_factory=Struck)
    #: set when it shall do no more
    enough: bool = False

    async def wreak(self, kills: int) -> None:
        """Kill the server this many times, and start it again each time."""
        while self.struck.kills < kills and not self.enough:
            if self.chance.random() < STOPS:
                await self._moment()
                await self._stop()
            for victim, chance in OTHERS.items():
                if self.chance.random() < chance:
                    await self._moment()
                    await self._kill_other(victim)
            starting = bool(self.struck.kills) and self.chance.random() < STARTS
            await (self._moment_of_the_start() if starting else self._moment())
            self.struck.starts += starting
            await self._kill()

    async def _moment(self) -> None:
        """Wait for a random moment of the work."""
        await self.server.url()
        goal = self.progress() + self.chance.uniform(0, 2 * self.pace)
        deadline = time.monotonic() + STALE_SECONDS
        while self.progress() < goal and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.chance.uniform(0, LATE_SECONDS))

    async def _moment_of_the_start(self) -> None:
        """Wait for a random moment of the server's start, by how long the last one took."""
        took = [life.ready - life.executed for life in self.server.lives if life.ready is not None]
        await asyncio.sleep(self.chance.uniform(0, took[-1]))

    async def _kill(self) -> None:
        status = await self.server.end()
        assert status == -signal.SIGKILL, f"the server ended with {status}:\n{self.server.words}"
        self.struck.kills += 1
        await self.server.start()

    async def _kill_other(self, victim: str) -> None:
        """Kill one of the processes that the server works with, if it is there."""
        if victim == CHILD:
            found = await self._child_of_a_run()
        else:
            found = victims.find(self.server.pid, victim)
        self.struck.others[victim] += victims.kill(found)

    async def _child_of_a_run(self) -> psutil.Process | None:
        """Wait for a run to have a child, but not for long."""
        deadline = time.monotonic() + STALE_SECONDS
        while not (found := victims.children_of_runs(self.server.pid)):
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.02)
        return self.chance.choice(found)

    async def _stop(self) -> None:
        self.server.send(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0, STOP_SECONDS))
        self.server.send(signal.SIGCONT)
        self.struck.stops += 1

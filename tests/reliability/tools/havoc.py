"""Kills of a server, or of its database engine, at random moments while work goes on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.reliability.tools.serving import Server

#: Per kill of the server, the chances of an engine kill, of a stop, and of a kill while starting.
ENGINE_KILLS, STOPS, STARTS = 0.25, 0.2, 0.1
STOP_SECONDS = 0.5
#: How long it waits for work to go on once the server is ready, and how late a kill may be.
STALE_SECONDS, LATE_SECONDS = 1.5, 0.1


@dataclass
class Struck:
    """What was done to the server."""

    kills: int = 0
    starts: int = 0
    engine_kills: int = 0
    stops: int = 0


@dataclass
class Havoc:
    """The kills of one server. `progress` counts ended processes, `pace` of them between kills."""

    server: Server
    chance: random.Random
    progress: Callable[[], int]
    pace: float
    struck: Struck = field(default_factory=Struck)

    async def wreak(self, kills: int) -> None:
        """Kill the server this many times, and start it again each time."""
        while self.struck.kills < kills:
            if self.chance.random() < STOPS:
                await self._moment()
                await self._stop()
            if self.chance.random() < ENGINE_KILLS:
                await self._moment()
                self._kill_engine()
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

    def _kill_engine(self) -> None:
        lock = self.server.data / "database" / "engine.lock"
        with suppress(ProcessLookupError):
            os.kill(int(lock.read_text()), signal.SIGKILL)
            self.struck.engine_kills += 1

    async def _stop(self) -> None:
        self.server.send(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0, STOP_SECONDS))
        self.server.send(signal.SIGCONT)
        self.struck.stops += 1

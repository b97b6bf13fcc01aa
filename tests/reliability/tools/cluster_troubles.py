"""What happens to the machines of a cluster, at moments that a seed chooses.

Servers, workers and their agents, the scheduler, the database and the storage are killed, stopped
for a while, drained, and cut off from each other; now and then two of these at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import psutil

from tests.reliability.tools.cluster_site import Member, Site, Worker
from tests.reliability.tools.network import Line
from tests.reliability.tools.nights import Tally

#: How long a trouble lasts: shorter than a lease, and longer than one.
SHORT_SECONDS, LONG_SECONDS = 1.0, 5.5
#: How long a moment of the work is waited for, and how often two troubles come at once.
STALE_SECONDS = 3.0
BOTH = 0.2
STORAGE_MODES = ("refuse", "hang", "cut", "slow", "500", "503")
#: How often each is chosen. Two at once begin with different words.
TROUBLES = {
    "server killed": 4,
    "server stopped": 2,
    "server drained": 3,
    "worker killed": 3,
    "worker stopped": 2,
    "worker vanished": 1,
    "agent killed": 2,
    "agent stopped": 1,
    "scheduler killed": 2,
    "scheduler stopped": 1,
    "database killed": 2,
    "database stopped": 1,
    "database cut off": 2,
    "storage away": 3,
    "storage stopped": 1,
    "network cut between server and worker": 2,
    "network cut between server and scheduler": 1,
    "network cut between worker and scheduler": 1,
}


class Troubles:
    """The troubles of a site."""

    def __init__(self, site: Site, chance: random.Random, tally: Tally, share: int) -> None:
        self._site = site
        self._chance = chance
        self._tally = tally
        self._share = share
        self.struck: Counter[str] = Counter()
        #: set when there shall be no more
        self.enough = False
        #: what went wrong with the machines themselves
        self.wrong: list[str] = []
        #: when the last one was over, by the monotonic clock; None during one
        self.quiet_since: float | None = time.monotonic()

    async def make(self, count: int, tell: Callable[[str], None]) -> None:
        """Make so many, most of them one after the other."""
        while not self.enough and (self.struck.total() < count or self._tally.held):
            await self._moment()
            kinds = [self._choose()]
            if self._chance.random() < BOTH:
                kinds += [each for each in [self._choose()] if each.split()[0] not in kinds[0]]
            self.quiet_since = None
            self._tally.release(self._share)
            tell(" and ".join(kinds))
            async with asyncio.TaskGroup() as tasks:
                for kind in kinds:
                    tasks.create_task(self._strike(kind))
            self.struck.update(kinds)
            self._site.keep_workers()
            self.quiet_since = time.monotonic()

    def _choose(self) -> str:
        return self._chance.choices(list(TROUBLES), list(TROUBLES.values()))[0]

    async def _moment(self) -> None:
        """Wait for a random moment of the work on a share of the runs."""
        goal = self._tally.ended + self._chance.uniform(0, self._share)
        deadline = time.monotonic() + STALE_SECONDS
        while self._tally.ended < goal and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def _strike(self, kind: str) -> None:
        member = self._chance.choice(self._site.members)
        worker = self._chance.choice(self._site.workers)
        seconds = self._chance.choice((SHORT_SECONDS, LONG_SECONDS))
        match kind.split():
            case ["server", how]:
                await self._server(how, member, seconds)
            case ["worker", how]:
                await self._worker(how, worker, seconds)
            case ["agent", how]:
                await self._agent(how, seconds)
            case ["scheduler", how]:
                await self._scheduler(how, seconds)
            case ["database", "killed"]:
                await self._site.database.kill()
                await asyncio.sleep(seconds)
                await self._site.database.start()
            case ["database", "stopped"]:
                await _stopped(self._site.database.pid, seconds)
            case ["storage", how]:
                await self._storage(how, seconds)
            case _:
                await self._cut(kind, member, worker, seconds)

    async def _server(self, how: str, member: Member, seconds: float) -> None:
        server = member.server
        if how == "stopped":
            await _stopped(server.pid, seconds)
            return
        number = signal.SIGKILL if how == "killed" else signal.SIGTERM
        wanted = -signal.SIGKILL if how == "killed" else 0
        if (status := await server.end(number)) != wanted:
            self.wrong.append(f"{member.node.name}, {how}, ended with status {status}")
        if how == "killed":
            await asyncio.sleep(seconds)
        await server.restart()

    async def _worker(self, how: str, worker: Worker, seconds: float) -> None:
        process = worker.process
        assert process is not None
        if how == "stopped":
            await _stopped(process.pid, seconds)
            return
        # A machine that vanishes says no word at the end.
        lines = [worker.scheduler, *self._lines_of(worker)] if how == "vanished" else []
        await _during(lines, True, lambda: self._end_worker(worker, seconds))
        self._site.keep_workers()

    async def _end_worker(self, worker: Worker, seconds: float) -> None:
        assert worker.process is not None
        worker.process.kill()
        await asyncio.to_thread(worker.process.wait)
        await asyncio.sleep(seconds)

    async def _agent(self, how: str, seconds: float) -> None:
        agents = self._site.agents()
        if not agents:
            return
        agent = self._chance.choice(agents)
        if how == "stopped":
            await _stopped(agent.pid, seconds)
        else:
            with contextlib.suppress(psutil.NoSuchProcess):
                agent.kill()

    async def _scheduler(self, how: str, seconds: float) -> None:
        cluster = self._site.cluster
        if how == "stopped":
            await _stopped(cluster.scheduler.pid, seconds)
            return
        cluster.scheduler.kill()
        await asyncio.to_thread(cluster.scheduler.wait)
        await asyncio.sleep(seconds)
        cluster.start_scheduler()

    async def _storage(self, how: str, seconds: float) -> None:
        if how == "stopped":
            await _stopped(self._site.s3.process.pid, seconds)
            return
        members = self._site.members
        chosen = members if self._chance.random() < 0.5 else [self._chance.choice(members)]
        for member in chosen:
            member.storage.set(self._chance.choice(STORAGE_MODES))
        await asyncio.sleep(seconds)
        for member in chosen:
            member.storage.set("pass")

    async def _cut(self, kind: str, member: Member, worker: Worker, seconds: float) -> None:
        silently = self._chance.random() < 0.5
        match kind:
            case "database cut off":
                lines = [member.database]
            case "network cut between server and worker":
                lines = [self._chance.choice(member.workers)]
            case "network cut between server and scheduler":
                lines = [member.scheduler]
            case _:
                lines = [worker.scheduler]
        await _during(lines, silently, lambda: asyncio.sleep(seconds))

    def _lines_of(self, worker: Worker) -> list[Line]:
        number = self._site.workers.index(worker)
        return [line for each in self._site.members for line in each.workers[number : number + 1]]


async def _during(lines: list[Line], silently: bool, work: Callable[[], Awaitable[None]]) -> None:
    """Do something while lines are cut."""
    for line in lines:
        line.cut(silently=silently)
    try:
        await work()
    finally:
        for line in lines:
            line.restore()


async def _stopped(pid: int, seconds: float) -> None:
    """Have a process stand still for a while."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        process.suspend()
        await asyncio.sleep(seconds)
        process.resume()

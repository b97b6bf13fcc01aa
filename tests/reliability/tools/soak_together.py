"""The soak of several servers: astronomers work at random while servers and the database suffer.

    python -m tests.reliability.tools.soak_together --servers 3 --processes 500 --seed 1

The servers share one database, each through a line of its own that can be cut or stalled, and one
storage. At moments that the seed chooses, a server is killed, stopped for a while, told to end and
started again, or cut off from the database, or the line of all of them is. Prints the figures and
each violation of what must hold; the exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.reliability.tools.invariants import Promises, log_violations
from tests.reliability.tools.nights import Tally, observe
from tests.reliability.tools.proxy import Proxy
from tests.reliability.tools.serving import Client, Server
from tests.reliability.tools.shared import observatory
from tests.reliability.tools.snapshot import Snapshot
from tests.reliability.tools.soak import unexpected
from tests.reliability.tools.viewers import watch

ASTRONOMERS_OF_A_SERVER = 3
#: How long a trouble lasts: shorter than a lease, and longer than one.
SHORT_SECONDS, LONG_SECONDS = 1.0, 3.5
#: The share of processes that end between the first trouble and the last one.
DENSITY = 0.8
STALE_SECONDS = 3.0
KILL, STOP, DRAIN, CUT, STALL, OUTAGE = "kill", "stop", "drain", "cut", "stall", "outage"
TROUBLES = {KILL: 4, STOP: 2, DRAIN: 2, CUT: 2, STALL: 1, OUTAGE: 1}


@dataclass(frozen=True)
class Options:
    """The extent of a soak."""

    servers: int
    processes: int
    troubles: int
    seed: int
    limit_seconds: float


@dataclass
class Soaked:
    """The outcome of a soak."""

    options: Options
    struck: Counter[str]
    promises: Promises
    found: Snapshot
    wrong: list[str]
    seconds: float
    twice: int
    #: how long after its storage a server showed a record that another server had written
    late: list[float] = field(default_factory=list)


class Troubles:
    """What happens to the servers; never to all of them at once, but for an outage."""

    def __init__(
        self,
        servers: list[Server],
        lines: list[Proxy],
        chance: random.Random,
        tally: Tally,
        pace: float,
    ) -> None:
        self._servers = servers
        self._lines = lines
        self._chance = chance
        self._tally = tally
        self._pace = pace
        self.struck: Counter[str] = Counter()
        #: when the last one was over, by the monotonic clock; None during one
        self.quiet_since: float | None = time.monotonic()

    async def make(self, count: int) -> None:
        """Make so many, one after the other."""
        for _ in range(count):
            await self._moment()
            kind = self._chance.choices(list(TROUBLES), list(TROUBLES.values()))[0]
            number = self._chance.randrange(len(self._servers))
            seconds = self._chance.choice((SHORT_SECONDS, LONG_SECONDS))
            self.quiet_since = None
            await self._strike(kind, self._servers[number], self._lines[number], seconds)
            self.struck[kind] += 1
            self.quiet_since = time.monotonic()

    async def _moment(self) -> None:
        goal = self._tally.ended + self._chance.uniform(0, 2 * self._pace)
        deadline = time.monotonic() + STALE_SECONDS
        while self._tally.ended < goal and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def _strike(self, kind: str, server: Server, line: Proxy, seconds: float) -> None:
        match kind:
            case "kill":
                assert await server.end() == -signal.SIGKILL, server.words
                await asyncio.sleep(seconds)
                await server.restart()
            case "drain":
                assert await server.end(signal.SIGTERM) == 0, server.words
                await server.restart()
            case "stop":
                server.send(signal.SIGSTOP)
                await asyncio.sleep(seconds)
                server.send(signal.SIGCONT)
            case _:
                lines = self._lines if kind == OUTAGE else [line]
                for each in lines:
                    each.stall() if kind == STALL else each.cut()
                await asyncio.sleep(seconds)
                for each in lines:
                    each.restore()


async def soak(options: Options) -> Soaked:
    """Put new servers through a soak."""
    began = time.monotonic()
    async with observatory() as shared, contextlib.AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(Proxy(shared.socket)) for _ in range(options.servers)
        ]
        servers = [shared.server(uri=line.uri, pool__workers=2) for line in lines]
        for server in servers:
            await server.start()
        await asyncio.gather(*(server.url() for server in servers))
        clients = [Client(server, patience_seconds=options.limit_seconds) for server in servers]
        tally = Tally(options.processes)
        pace = DENSITY * options.processes / max(1, options.troubles)
        chance = random.Random(options.seed)
        troubles = Troubles(servers, lines, chance, tally, pace)
        late: list[float] = []
        wrong = await _work(options, clients, troubles, tally, late)
        if not wrong:
            wrong = await shared.wrongs(tally.promises)
        found = await shared.look()
        wrong += unexpected(found, tally.promises)
        if wrong:
            wrong += [server.words for server in servers]
    took = time.monotonic() - began
    return Soaked(options, troubles.struck, tally.promises, found, wrong, took, tally.twice, late)


async def _work(
    options: Options,
    clients: list[Client],
    troubles: Troubles,
    tally: Tally,
    late: list[float],
) -> list[str]:
    """Work to the end amid the troubles; return what broke it off."""
    watching = asyncio.create_task(watch(clients, lambda: troubles.quiet_since, late))
    try:
        async with asyncio.timeout(options.limit_seconds), asyncio.TaskGroup() as tasks:
            tasks.create_task(troubles.make(options.troubles))
            for number in range(ASTRONOMERS_OF_A_SERVER * len(clients)):
                client = clients[number % len(clients)]
                tasks.create_task(observe(client, number, options.seed, tally))
        async with asyncio.timeout(options.limit_seconds):
            path = "/api/processes/?state=queued,running&limit=1"
            while (await clients[0].call(path))["processes"]:
                await asyncio.sleep(0.1)
    except TimeoutError:
        return [f"it was not done within {options.limit_seconds:g} s"]
    except ExceptionGroup as errors:
        return [f"it broke off: {error!r}" for error in errors.exceptions]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return []


def figures(soaked: Soaked) -> str:
    """Return the figures as text."""
    found, promises, options = soaked.found, soaked.promises, soaked.options
    records = found.processes.values()
    states = Counter(record["state"] for record in records)
    again = [record["attempt"] for record in records if record["attempt"] > 1]
    lost = promises.accepted.keys() - found.processes.keys() - promises.deleted
    late = sorted(soaked.late) or [0.0]
    return "\n".join(
        (
            f"seed {options.seed}: {options.servers} servers, "
            + ", ".join(f"{soaked.struck[kind]} of {kind}" for kind in TROUBLES)
            + f", {soaked.seconds:.0f} s",
            f"accepted {len(promises.accepted)}, lost {len(lost)}; {soaked.twice} submitted twice "
            f"at once, {len(promises.deleted)} deleted, {len(found.processes)} there",
            "states: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
            f"run more than once: {len(again)}, at most {max(again, default=1)} times",
            f"lines: {sum(len(log) for log in found.logs.values())}, gaps: "
            f"{len(list(log_violations(found)))}",
            f"seen on another server after: median {late[len(late) // 2]:.3f} s, at most "
            f"{late[-1]:.3f} s, of {len(soaked.late)}",
            f"violations: {len(soaked.wrong)}",
        )
    )


def _arguments() -> Iterator[tuple[str, type, float]]:
    yield "--servers", int, 3
    yield "--processes", int, 500
    yield "--troubles", int, 40
    yield "--seed", int, 1
    yield "--limit-seconds", float, 3600.0


def main() -> int:
    """Soak, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, kind, default in _arguments():
        parser.add_argument(name, type=kind, default=default)
    soaked = asyncio.run(soak(Options(**vars(parser.parse_args()))))
    print(figures(soaked), *soaked.wrong, sep="\n", flush=True)
    return 1 if soaked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

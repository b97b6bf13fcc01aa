"""The sweep: a server is killed or meets a fault at every database call of a scenario in turn.

    python -m tests.reliability.tools.sweep [--kind "kill after"] [--every 1] [--seed 1] [--jobs 3]

Prints every call at which something is wrong, then the figures; the exit status is 1 if there was
one. With `--twice` the next life is killed too, at a call of its start that the seed chooses. With
`--jobs` several servers, which know nothing of each other, share the calls.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.tools.faults import (
    DELAY,
    FILE_STEPS,
    KILL_AFTER,
    KILL_BEFORE,
    KINDS,
    VICTIMS,
    Orders,
)
from tests.reliability.tools.observer import Observer
from tests.reliability.tools.scenario import work_through, wrongs
from tests.reliability.tools.serving import Client, Life, Server, settled_words, short_folder

#: The number of calls of a start at which a second kill may fall.
START_CALLS = 40
#: A start may take half a minute on a busy machine.
PATIENCE_SECONDS = 240.0
#: More than any scenario makes.
MOST_CALLS = 100_000
#: The kinds after which the server is restarted.
KILLS = (KILL_BEFORE, KILL_AFTER)
SWEPT_KINDS = tuple(kind for kind in KINDS if kind != DELAY)
#: So rare that calls in the background do not shift those of the scenario.
SLOW_LEASES = {
    "HELIOGRAPH_LEASES_HEARTBEAT_SECONDS": "10",
    "HELIOGRAPH_LEASES_LEASE_SECONDS": "40",
    "HELIOGRAPH_LEASES_CHECK_SECONDS": "10",
}


@dataclass
class Swept:
    """The outcome of a sweep."""

    kills: int = 0
    #: how often each kind of call was struck
    struck: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    #: the starts after kills at which own runs were settled
    restarts: list[Life] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """The number of calls struck: the last ones of a scenario may not have been reached."""
        return sum(self.struck.values())


@dataclass(frozen=True)
class Plan:
    """The calls to strike at, and whether the next start is to be killed too."""

    kind: str
    calls: range
    seed: int
    twice: bool

    def then(self, call: int) -> int | None:
        """Return the call of the next start to kill at, None to let it start."""
        if not self.twice:
            return None
        return random.Random(f"{self.seed} {call}").randint(1, START_CALLS)


class Sweep:
    """One server on one data folder, put through the scenario again and again."""

    def __init__(self, folder: Path, kind: str, swept: Swept) -> None:
        self.kind = kind
        self.server = Server(
            folder / "data",
            environment=dict(SLOW_LEASES) if kind in KILLS else {},
            orders=folder / "orders.json",
        )
        client = Client(self.server, patience_seconds=PATIENCE_SECONDS)
        self.observer = Observer(client, patience_seconds=PATIENCE_SECONDS)
        self.swept = swept
        self._known: set[str] = set()

    async def __aenter__(self) -> Sweep:
        self._stack = AsyncExitStack()
        self._stack.push_async_callback(self.server.close)
        await self.server.start()
        self._keeping = asyncio.create_task(self.server.keep_up())
        self._stack.callback(self._keeping.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def length(self) -> int:
        """Return how many calls the scenario makes undisturbed."""
        self.server.follow(Orders(kinds=()))
        await self._work_through("undisturbed")
        calls = len(self.server.calls)
        self.server.follow(None)
        return calls

    async def strike(self, call: int, then: int | None = None) -> list[str]:
        """Strike at one call, and at one of the next start if given; return what went wrong."""
        lives = len(self.server.lives)
        self.server.next_orders = [] if then is None else [Orders(kinds=(self.kind,), at=(then,))]
        self.server.follow(Orders(kinds=(self.kind,), at=(call,)))
        name = f"{self.kind} {call}".replace(" ", "-") + ("" if then is None else f"-{then}")
        wrong = await self._work_through(name)
        struck = [] if self.kind in KILLS else self.server.calls[call - 1 : call]
        if self.kind not in VICTIMS:
            struck = [each for each in struck if each not in FILE_STEPS.values()]
        self.swept.struck.update([*struck, *self.server.last_calls])
        self.server.last_calls.clear()
        self.server.follow(None)
        self.swept.kills += len(self.server.lives) - lives
        self.swept.wrong += [f"{self.kind} at call {call}, {then}: {each}" for each in wrong]
        return wrong

    async def _work_through(self, name: str) -> list[str]:
        working = asyncio.create_task(work_through(self.observer, name))
        await asyncio.wait({working, self._keeping}, return_when=asyncio.FIRST_COMPLETED)
        if self._keeping.done():
            working.cancel()
            self._keeping.result()
        try:
            await working
        except (AssertionError, TimeoutError) as error:
            return [f"the scenario broke off: {error!r}\n{self.server.words}"]
        return await wrongs(self.observer, self.server.data, self._known)


async def sweep(
    kind: str, every: int, seed: int, twice: bool, tell: bool = True, jobs: int = 1
) -> Swept:
    """Strike at every call of the scenario, or at one call in every few, with several servers."""
    swept, began = Swept(), time.monotonic()
    plan = Plan(kind, range(random.Random(seed).randint(1, every), MOST_CALLS, every), seed, twice)
    async with asyncio.TaskGroup() as tasks:
        for job in range(jobs):
            tasks.create_task(_sweep(plan, swept, job, jobs, tell))
    swept.seconds = time.monotonic() - began
    return swept


async def _sweep(plan: Plan, swept: Swept, job: int, jobs: int, tell: bool) -> None:
    """Strike at one job's share of the calls, on a server of its own."""
    with short_folder() as folder:
        async with Sweep(folder, plan.kind, swept) as sweep:
            calls = await sweep.length()
            for call in plan.calls[job::jobs]:
                if call > calls:
                    break
                then = plan.then(call)
                for wrong in await sweep.strike(call, then):
                    if tell:
                        print(f"{plan.kind} at call {call} of {calls}, then {then}: {wrong}")
                        sys.stdout.flush()
            lives = sweep.server.lives[1:]
    swept.restarts += [life for life in lives if life.settled is not None]


def main() -> int:
    """Sweep with each kind asked for, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", action="append", choices=SWEPT_KINDS)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th call")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--twice", action="store_true", help="kill the next start as well")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="servers at once")
    options = parser.parse_args()
    wrong = 0
    for kind in options.kind or SWEPT_KINDS:
        swept = asyncio.run(
            sweep(kind, options.every, options.seed, options.twice, jobs=options.jobs)
        )
        print(figures(kind, swept), flush=True)
        wrong += len(swept.wrong)
    return 1 if wrong else 0


def figures(kind: str, swept: Swept) -> str:
    """Return the figures of a sweep in one line."""
    strikes = f"{swept.faults} {'kills' if kind in VICTIMS else 'failed calls'}"
    if kind in KILLS:
        strikes = f"{swept.kills} kills"
    told = (
        f"{kind}: {strikes} at {len(swept.struck)} kinds of calls, {len(swept.wrong)} wrongs, "
        f"{swept.seconds:.0f} s"
    )
    return f"{told}\n{settled_words(swept.restarts)}" if swept.restarts else told


if __name__ == "__main__":
    sys.exit(main())

"""The soak: astronomers work at random on a server that is killed at random moments.

    python -m tests.reliability.tools.soak --processes 10000 --kills 200 --seed 1

Prints its progress every ten seconds, then the figures and each violation of what must hold; the
exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.tools import victims
from tests.reliability.tools.havoc import CHILD, MOMENTS, Havoc, Struck
from tests.reliability.tools.invariants import Promises, log_violations, violations
from tests.reliability.tools.nights import Tally, observe
from tests.reliability.tools.serving import Client, Life, Server, settled_words, short_folder
from tests.reliability.tools.snapshot import Snapshot, socket_uri, take

ASTRONOMERS = 8
TELL_SECONDS = 10.0
SETTLE_SECONDS = 60.0
#: The share of processes that end between two kills, so that some are left after the last one.
DENSITY = 0.8
ENDS = {
    "Quick": "succeeded",
    "Makes": "succeeded",
    "Floods": "succeeded",
    "Forks": "succeeded",
    "Fails": "failed",
    "Dies": "failed",
    "Waits": "cancelled",
    "Pours": "succeeded",
    "Lasts": "succeeded",
    "Spills": "succeeded",
    "Timelapse": "succeeded",
    "LocalQuick": "succeeded",
    "LocalMakes": "succeeded",
    "LocalWaits": "cancelled",
}
#: Why those fail that are to fail: no kill of another process may be the reason.
FAILURES = {
    "Fails": "The stars were not right",
    "Dies": "The pipeline was killed by signal 9 (SIGKILL)",
}
#: What is said of the kills of each of the others.
KILLED = {
    victims.ENGINE: "of its engine",
    victims.TEMPLATE: "of its template",
    victims.EXAMINER: "of its examiner",
    CHILD: "of children of its runs",
}


@dataclass(frozen=True)
class Options:
    """The extent of a soak."""

    processes: int
    kills: int
    seed: int
    limit_seconds: float
    #: after so many, no more is submitted or killed
    minutes: float = math.inf
    tell: bool = True


@dataclass
class Soaked:
    """The outcome of a soak."""

    options: Options
    struck: Struck
    promises: Promises
    found: Snapshot
    wrong: list[str]
    seconds: float
    twice: int
    #: the starts after kills at which own runs were settled
    restarts: list[Life] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Accepted processes of which nothing is left."""
        there = self.found.processes.keys() | self.promises.deleted
        return len(self.promises.accepted.keys() - there)

    @property
    def doubled(self) -> int:
        """Processes whose outputs are stored more than once, or belong to others."""
        groups = Counter(group["process"] for group in self.found.groups.values())
        products = Counter(product["process"] for product in self.found.products.values())
        named = {pk: record["outputs"] for pk, record in self.found.processes.items()}
        return sum(
            process is not None and (groups[process] > 1 or count > len(named.get(process, [])))
            for process, count in products.items()
        )


async def soak(options: Options) -> Soaked:
    """Put a new server through a soak."""
    began = time.monotonic()
    with short_folder() as folder:
        server = Server(folder / "data")
        client = Client(server, patience_seconds=options.limit_seconds)
        tally = Tally(options.processes)
        pace = DENSITY * options.processes / max(1, options.kills) / MOMENTS
        chance = random.Random(options.seed)
        havoc = Havoc(server, chance, lambda: tally.ended, pace)
        try:
            await server.start()
            wrong = await _work(options, client, havoc, tally)
            if wrong:
                found, wrong = Snapshot(), [*wrong, server.words]
            else:
                found, wrong = await _settled(folder / "data", tally.promises)
        finally:
            await server.close()
    restarts = [life for life in server.lives[1:] if life.settled is not None]
    took = time.monotonic() - began
    return Soaked(options, havoc.struck, tally.promises, found, wrong, took, tally.twice, restarts)


async def _work(options: Options, client: Client, havoc: Havoc, tally: Tally) -> list[str]:
    """Work to the end amid the havoc; return what broke it off."""
    telling = asyncio.create_task(_tell(havoc, tally) if options.tell else asyncio.sleep(0))
    stopping = asyncio.create_task(_stop(options.minutes, havoc, tally))
    try:
        async with asyncio.timeout(options.limit_seconds):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(havoc.wreak(options.kills))
                for number in range(ASTRONOMERS):
                    tasks.create_task(observe(client, number, options.seed, tally))
            await _idle(client)
    except TimeoutError:
        return [f"it was not done within {options.limit_seconds:g} s"]
    except ExceptionGroup as errors:
        return [f"it broke off: {error!r}" for error in _leaves(errors)]
    finally:
        telling.cancel()
        stopping.cancel()
    return []


async def _stop(minutes: float, havoc: Havoc, tally: Tally) -> None:
    """Let the work and the havoc come to their end after some time."""
    if minutes < math.inf:
        await asyncio.sleep(60 * minutes)
        havoc.enough, tally.left = True, 0


def _leaves(errors: BaseException) -> Iterator[BaseException]:
    if isinstance(errors, BaseExceptionGroup):
        for error in errors.exceptions:
            yield from _leaves(error)
    else:
        yield errors


async def _idle(client: Client) -> None:
    """Wait until nothing is queued or running, including what a lost answer hid from us."""
    path = "/api/processes/?state=queued,running&limit=1"
    while (await client.call(path))["processes"]:
        await asyncio.sleep(0.1)


async def _settled(data: Path, promises: Promises) -> tuple[Snapshot, list[str]]:
    """Return the final snapshot and what is wrong with it, after some time for tidying up."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = await asyncio.to_thread(take, socket_uri(data), data)
        wrong = [*violations(found, promises), *unexpected(found, promises)]
        if not wrong or time.monotonic() > deadline:
            return found, wrong
        await asyncio.sleep(1)


def unexpected(found: Snapshot, promises: Promises) -> Iterator[str]:
    """Yield the processes that ended neither as their pipelines do nor as requested."""
    for pk, record in found.processes.items():
        fine = record["state"] == ENDS[record["pipeline"]]
        if fine and record["state"] == "failed":
            fine = record["failure_message"] == FAILURES[record["pipeline"]]
        if not fine and (record["state"] != "cancelled" or pk not in promises.cancelled):
            yield f"process {pk} of {record['pipeline']} is {record['state']}: {record}"


async def _tell(havoc: Havoc, tally: Tally) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(TELL_SECONDS)
        struck, accepted = havoc.struck, len(tally.promises.accepted)
        print(
            f"{time.monotonic() - began:4.0f} s: {accepted} accepted, {tally.ended} seen to end, "
            f"{struck.kills} kills, {_others(struck)}, {struck.stops} stops",
            flush=True,
        )


def _others(struck: Struck) -> str:
    return ", ".join(f"{struck.others[victim]} {words}" for victim, words in KILLED.items())


def figures(soaked: Soaked) -> str:
    """Return the figures as text."""
    struck, found, promises = soaked.struck, soaked.found, soaked.promises
    records = found.processes.values()
    states = Counter(record["state"] for record in records)
    again = [record["attempt"] for record in records if record["attempt"] > 1]
    lines = sum(len(log) for log in found.logs.values())
    return "\n".join(
        (
            f"seed {soaked.options.seed}: {struck.kills} kills of the server ({struck.starts} "
            f"while it started), {_others(struck)}, {struck.stops} stops, "
            f"{soaked.seconds:.0f} s",
            f"accepted {len(promises.accepted)}, lost {soaked.lost}; {soaked.twice} submitted "
            f"twice at once, {len(promises.deleted)} deleted, {len(found.processes)} there",
            "states: " + ", ".join(f"{count} {state}" for state, count in sorted(states.items())),
            f"run more than once: {len(again)}, at most {max(again, default=1)} times",
            f"outputs: {sum(len(record['outputs']) for record in records)} named, publications "
            f"doubled: {soaked.doubled}",
            f"lines: {lines}, {sum(map(len, promises.lines.values()))} of them read along, "
            f"gaps: {len(list(log_violations(found)))}",
            settled_words(soaked.restarts) if soaked.restarts else "no restarts",
            f"violations: {len(soaked.wrong)}",
        )
    )


def main() -> int:
    """Soak, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-seconds", type=float, default=3600.0)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="submit and kill no more after so many"
    )
    given = parser.parse_args()
    soaked = asyncio.run(soak(Options(**vars(given))))
    print(figures(soaked), *soaked.wrong, sep="\n", flush=True)
    return 1 if soaked.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

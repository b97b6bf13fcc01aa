"""Kill the children of many runs in a row, while other runs go on.

    python -m tests.reliability.tools.children --count 1000

Each is killed by SIGKILL: half of them by themselves in the midst of their work, half from outside.
Prints the figures; the exit status is 1 if one of them did not end as killed, or if another run was
harmed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from tests.reliability.tools.cancels import pid_of
from tests.reliability.tools.invariants import log_violations
from tests.reliability.tools.observer import Observer, Record
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Client, Server, short_folder
from tests.reliability.tools.snapshot import Entry, socket_uri, take

#: Runs that go on all the time, and runs that are killed at the same time.
STEADY, LANES = 2, 2
KILLED = "The pipeline was killed by signal 9 (SIGKILL)"


@dataclass
class Killed:
    """The outcome."""

    children: int = 0
    seconds: float = 0.0
    #: lines that the other runs logged meanwhile, and the longest time between two of them
    ticks: int = 0
    pause_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def kill_children(count: int) -> Killed:
    """Kill this many children."""
    done, left = Killed(), iter(range(count))
    with short_folder() as folder:
        workers = {"HELIOGRAPH_POOL_WORKERS": str(STEADY + LANES)}
        server = Server(folder / "data", environment=workers)
        try:
            await server.start()
            observer = Observer(Client(server, patience_seconds=300), patience_seconds=300)
            await observer.begin("children")
            products = await observer.upload("a.fits")
            others = [await _steady(observer, products) for _ in range(STEADY)]
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(LANES):
                    tasks.create_task(_lane(observer, products, left, done))
            done.seconds = time.monotonic() - began
            for pk in others:
                await observer.cancel(pk)
                done.wrong += _harm(await observer.ended(pk))
            found = await asyncio.to_thread(take, socket_uri(server.data), server.data)
            for pk in others:
                _count_ticks(done, [entry for _, entry in found.logs[pk]])
            done.wrong += [*log_violations(found), *await wrongs(observer, server.data, set())]
        finally:
            await server.close()
    return done


async def _steady(observer: Observer, products: list[int]) -> int:
    pk = await observer.submit("Waits", products, steady=True)
    await observer.until(pk, lambda record: record["status"] == "Waiting")
    return pk


async def _lane(observer: Observer, products: list[int], left: Iterator[int], done: Killed) -> None:
    """Start one run after another, each of which is killed."""
    for number in left:
        pk = await observer.submit("Dies" if number % 2 else "Waits", products)
        if not number % 2:
            await _kill(observer, pk)
        record = await observer.ended(pk)
        if (record["state"], record["failure_message"]) != ("failed", KILLED):
            done.wrong.append(f"process {pk} is {record['state']}: {record['failure_message']}")
        done.children += 1


async def _kill(observer: Observer, pk: int) -> None:
    pid = await pid_of(observer, pk)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _harm(record: Record) -> Iterator[str]:
    if (record["state"], record["attempt"]) != ("cancelled", 1):
        yield f"process {record['pk']} is {record['state']}, attempt {record['attempt']}"


def _count_ticks(done: Killed, entries: list[Entry]) -> None:
    ticks = [text.split() for _, _, _, text, *_ in entries if text.startswith("tick ")]
    numbers = [int(number) for _, number, _ in ticks]
    if numbers != list(range(1, len(numbers) + 1)):
        done.wrong.append(f"a run that went on has lost lines: {len(numbers)}, {numbers[-1:]}")
    done.ticks += len(ticks)
    pauses = [float(after[2]) - float(before[2]) for before, after in pairwise(ticks)]
    done.pause_seconds = max(done.pause_seconds, *pauses)


def figures(done: Killed) -> str:
    """Return the figures in one line."""
    return (
        f"{done.children} children killed in {done.seconds:.0f} s; {STEADY} other runs went on and "
        f"said {done.ticks} lines, with pauses of {done.pause_seconds:.2f} s at most; "
        f"{len(done.wrong)} wrongs"
    )


def main() -> int:
    """Kill, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1000)
    done = asyncio.run(kill_children(parser.parse_args().count))
    print(figures(done), *done.wrong, sep="\n", flush=True)
    return 1 if done.wrong else 0


if __name__ == "__main__":
    sys.exit(main())

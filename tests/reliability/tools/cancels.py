"""Cancel runs of every kind, and report how long each process group took to end.

    python -m tests.reliability.tools.cancels --count 200

Some have a child, some ignore SIGTERM, some are stopped. Prints the figures for each kind; the exit
status is 1 if a group lasted longer than it may.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tests.reliability.tools.observer import Observer
from tests.reliability.tools.scenario import wrongs
from tests.reliability.tools.serving import Client, Server, short_folder

BAR_SECONDS = 6.0
#: A cancelled run mostly waits, and so do we.
WORKERS = 12
STOPPED = "stopped"
KINDS = (
    ("plain",),
    ("steady",),
    ("family",),
    ("stubborn",),
    ("stubborn", "family"),
    (STOPPED,),
    (STOPPED, "stubborn", "family"),
)


@dataclass
class Cancelled:
    """The outcome: the seconds to the end of each group, by kind."""

    seconds: dict[tuple[str, ...], list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)

    @property
    def worst(self) -> float:
        """The longest time of all."""
        return max(seconds for of_kind in self.seconds.values() for seconds in of_kind)


async def cancels(count: int, seed: int) -> Cancelled:
    """Cancel this many runs, each kind in turn."""
    done, chance, left = Cancelled(), random.Random(seed), iter(range(count))
    with short_folder() as folder:
        server = Server(folder / "data", environment={"HELIOGRAPH_POOL_WORKERS": str(WORKERS)})
        try:
            await server.start()
            observer = Observer(Client(server, patience_seconds=300), patience_seconds=300)
            await observer.begin("cancels")
            products = await observer.upload("a.fits")
            async with asyncio.TaskGroup() as tasks:
                for _ in range(WORKERS):
                    tasks.create_task(_lane(observer, products, left, chance, done))
            done.wrong += await wrongs(observer, server.data, set())
        finally:
            await server.close()
    return done


async def _lane(
    observer: Observer,
    products: list[int],
    left: Iterator[int],
    chance: random.Random,
    done: Cancelled,
) -> None:
    """Start and cancel one run after another."""
    for number in left:
        kind = KINDS[number % len(KINDS)]
        flags = dict.fromkeys(set(kind) - {"plain", STOPPED}, True)
        pk = await observer.submit("Waits", products, **flags)
        await observer.until(pk, lambda record: record["status"] == "Waiting")
        group = os.getpgid(await pid_of(observer, pk))
        if STOPPED in kind:
            os.killpg(group, signal.SIGSTOP)
        await asyncio.sleep(chance.uniform(0, 0.2))
        began = time.monotonic()
        await observer.cancel(pk)
        await _gone(group)
        done.seconds[kind].append(time.monotonic() - began)
        record = await observer.ended(pk)
        if record["state"] != "cancelled":
            done.wrong.append(f"process {pk}, {kind}, is {record['state']}")


async def pid_of(observer: Observer, pk: int) -> int:
    """Return the run's OS process, as it logged it."""
    path = f"/api/processes/{pk}/logs/?limit=1"
    while not (lines := (await observer.client.call(path))["lines"]):
        await asyncio.sleep(0.005)
    return int(lines[0][3].split()[1])


async def _gone(group: int) -> None:
    """Wait until nothing is left of a process group."""
    with suppress(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            await asyncio.sleep(0.005)


def figures(done: Cancelled) -> str:
    """Return the figures, one line for each kind."""
    rows = [
        f"{', '.join(kind):28} {len(seconds):6} {statistics.median(seconds):8.2f} "
        f"{max(seconds):8.2f}"
        for kind, seconds in done.seconds.items()
    ]
    count = sum(map(len, done.seconds.values()))
    return "\n".join(
        (
            f"{'seconds to the end of the group':28}  count   median      max",
            *rows,
            f"{count} cancelled, {done.worst:.2f} s at most (bar {BAR_SECONDS:g} s), "
            f"{len(done.wrong)} wrongs",
        )
    )


def main() -> int:
    """Cancel, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    done = asyncio.run(cancels(given.count, given.seed))
    print(figures(done), *done.wrong, sep="\n", flush=True)
    return 1 if done.wrong or done.worst > BAR_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())

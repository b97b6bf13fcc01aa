"""What a run costs on a Dask cluster, against the local pool and a bare task.

    python -m benchmarks.dask_runs [--rounds 5] [--runs 40]

Starts a cluster of one worker with two threads on this machine (needs the extra `dask`), a server
whose runs go there, and one with a local pool of two. Trivial runs are submitted to each in turn,
from before the first POST to the end of the last; so are as many tasks that do nothing, by
`client.submit`. Printed are medians of milliseconds a run, and the ratios of these; the bar is that
a run on Dask takes at most 3 times as long as one of the local pool.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from distributed import Client, LocalCluster

from benchmarks.requests import make_target, submit, wait_for_end
from benchmarks.serving import forget_main, serving
from benchmarks.tables import head, row
from server.config.sections import Pool, Runner

BAR = 3.0
THREADS = 2


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--runs", type=int, default=40)
    given = options.parse_args()
    forget_main()
    measure(given.runs, given.rounds)


def measure(runs: int, count: int) -> None:
    """Measure so many runs in so many rounds, and print the table."""
    with LocalCluster(
        n_workers=1, threads_per_worker=THREADS, host="127.0.0.1", dashboard_address=":0"
    ) as cluster:
        runner = Runner(type="dask", address=cluster.scheduler_address)
        with (
            Client(cluster) as client,
            serving(pool=Pool(workers=THREADS)) as local,
            serving(runner=runner) as dask,
        ):
            _runs(local.heliograph, 4)
            _runs(dask.heliograph, 4)  # the worker's first run starts its agent
            rounds = [
                (
                    _tasks(client, runs),
                    _runs(local.heliograph, runs),
                    _runs(dask.heliograph, runs),
                )
                for _ in range(count)
            ]
    head("ms a run on Dask", "floor", "ours", "times", "bar")
    for place, (name, bar) in enumerate((("a bare task", ""), ("the local pool", f"≤ {BAR:g}"))):
        floor, ours = (median(each[at] for each in rounds) for at in (place, 2))
        row(f"against {name}", floor, ours, f"{ours / floor:.2f}", bar)


def _runs(port: int, count: int) -> float:
    """Return the milliseconds for each of this many runs."""
    target, products = make_target(port, "Runs")
    started = time.perf_counter()
    for _ in range(count):
        submit(port, "Nothing", target, products)
    wait_for_end(port, target)
    return (time.perf_counter() - started) / count * 1000


def _nothing(_number: int) -> None:
    """Do nothing."""


def _tasks(client: Any, count: int) -> float:
    """Return the milliseconds for each of this many tasks."""
    started = time.perf_counter()
    client.gather([client.submit(_nothing, number, pure=False) for number in range(count)])
    return (time.perf_counter() - started) / count * 1000


if __name__ == "__main__":
    main()

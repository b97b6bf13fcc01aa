"""How far servers, a cluster and the history of years go: ratios to floors of the same run.

    python -m benchmarks.scale [claims] [pushes] [polls] [dask] [--rounds 5]
    python -m tests.engines secantus -- python -m benchmarks.scale claims pushes

*Claims*: 1, 2 and 4 servers claim until the queue is empty; the floor is as many processes that
have Motor find and change documents of two fields in the same order. *Pushes*: lines are appended
one by one on one server and pushed to viewers, a quarter of the viewers on each of four servers, or
half on each of two; the floor is `write_message` of a ready string to the same viewers by bare
handlers in the same processes. A delivery is a line at a viewer. Below it, how long a line is on
its way from `log()` to a viewer on each server; it has to be seen within a second of its storage.

Both need a database for several servers, which `tests.engines` or HELIOGRAPH_TEST_MONGODB_URI
names; without one they are left out, and it says so. All of it is on one machine: with fewer cores
than servers, more of them cannot be faster.

*Polls*: the status of a target with 100 processes, while the database stores from 100 to 1,000,000
of others, written in batches; the floor of polls is a handler that sends the same bytes, and that
of a first poll, which reads the records, is Motor reading the same documents by their `_id`. Costs
have to stay flat. *Dask*: as `python -m benchmarks.dask_runs`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import tempfile
import time
from collections.abc import Iterator
from statistics import median

import uvloop

from benchmarks import claims
from benchmarks.inside import OTHER_TARGET, OTHER_TARGETS
from benchmarks.poll import Poll, measure
from benchmarks.requests import call, ended, make_target, submit, wait_for_end
from benchmarks.serving import Serving, forget_main, serving
from benchmarks.shared_database import shared_database
from benchmarks.tables import against, arguments, head, percentile, row
from benchmarks.viewers import END, Clocked, Viewer, close, connect
from server.config.sections import Files, MongoDB

PARTS = ("claims", "pushes", "polls", "dask")
SERVERS = (1, 2, 4)
STORED = (100, 1_000, 10_000, 100_000, 1_000_000)
#: Processes of the target that is polled, and the first PK of the others.
OWN, FIRST = 100, 10_000_000
VIEWERS, FRAMES = 100, 300
LAST = b"the last one"
DASK_RUNS = 40


def main() -> None:
    """Measure the parts that are asked for, and print their tables."""
    parser = arguments(__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; by default all")
    parser.add_argument("--queued", type=int, default=500, help="processes to claim")
    parser.add_argument("--most", type=int, default=STORED[-1], help="stored processes at most")
    given = parser.parse_args()
    parts = given.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    forget_main()
    if {"claims", "pushes"} & set(parts):
        with shared_database() as database:
            if database is not None and "claims" in parts:
                _measure_claims(database, given.queued, given.rounds)
            if database is not None and "pushes" in parts:
                _measure_pushes(database, given.rounds)
    if "polls" in parts:
        _measure_polls(given.most, given.rounds)
    if "dask" in parts:
        _measure_dask(given.rounds)


def _measure_claims(database: MongoDB, queued: int, rounds: int) -> None:
    head("claims/s", "floor", "ours", "ratio")
    for count in SERVERS:
        with claims.claimers(database, count) as pipes:
            found = [claims.rates(database, pipes, queued) for _ in range(rounds)]
        floors, ours = (list(each) for each in zip(*found, strict=True))
        against(f"{count} servers, {queued:,} queued", floors, ours)


def _measure_pushes(database: MongoDB, rounds: int) -> None:
    tables = []
    for count in SERVERS:
        with _together(database, count) as ports, _loop() as runner:
            found = [runner.run(_pushed(ports)) for _ in range(rounds)]
            ages = [runner.run(_ages(ports)) for _ in range(rounds)]
        tables.append((f"{count} servers, {VIEWERS} viewers", found, ages))
    head("pushes: deliveries/s", "floor", "ours", "ratio")
    for name, found, _ in tables:
        floors, ours = (list(each) for each in zip(*found, strict=True))
        against(name, floors, ours)
    head("log() to a viewer on any server, ms", "p50", "p99", "", "bar p99")
    for name, _, ages in tables:
        together = [age for each in ages for age in each]
        row(name, percentile(together, 50), percentile(together, 99), "", "1,000")


@contextlib.contextmanager
def _together(database: MongoDB, count: int) -> Iterator[list[Serving]]:
    """Run servers on one database and one folder of files; yield what each serves."""
    with contextlib.ExitStack() as stack:
        files = Files(url=stack.enter_context(tempfile.TemporaryDirectory()) + "/files")
        own = MongoDB(uri=database.uri, database=f"{database.database}_{count}")
        yield [stack.enter_context(serving(mongodb=own, files=files)) for _ in range(count)]


def _loop() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _pushed(ports: list[Serving]) -> tuple[float, float]:
    """Return the deliveries per second, of the floor and of ours."""
    each = VIEWERS // len(ports)
    bare = [[Viewer("/ws", FRAMES) for _ in range(each)] for _ in ports]
    floor = await _delivered(bare, [port.bare for port in ports], ports, "broadcast", FRAMES)
    target, products = await asyncio.to_thread(make_target, ports[0].heliograph, "Pushes")
    pk = await asyncio.to_thread(submit, ports[0].heliograph, "Waits", target, products)
    path = f"/ws/pipeline/logs/{pk}/"
    ours = [[Viewer(path, until=LAST) for _ in range(each)] for _ in ports]
    own = [port.heliograph for port in ports]
    rate = await _delivered(ours, own, ports[:1], "append", pk, FRAMES, True)
    await asyncio.to_thread(call, own[0], "POST", f"/api/processes/{pk}/cancel/")
    await asyncio.to_thread(wait_for_end, own[0], target)
    return floor, rate


async def _delivered(
    viewers: list[list[Viewer]],
    ports: list[int],
    asked: list[Serving],
    command: str,
    *arguments: object,
) -> float:
    """Connect viewers to these ports, have servers send, and return the deliveries per second."""
    for group, port in zip(viewers, ports, strict=True):
        await connect(group, port)
    await asyncio.sleep(0.5)  # until what viewers are shown first has been shown
    begun = time.perf_counter()
    sending = [asyncio.to_thread(port.ask, command, *arguments) for port in asked]
    everyone = [viewer for group in viewers for viewer in group]
    await asyncio.gather(*sending, *(viewer.done for viewer in everyone))
    seconds = time.perf_counter() - begun
    close(everyone)
    return FRAMES * len(everyone) / seconds


async def _ages(ports: list[Serving]) -> list[float]:
    """Return how many milliseconds old lines were at one viewer of each server."""
    port = ports[0].heliograph
    wanted = {"wait": 1.0, "count": 100, "pause": 0.02}
    target, products = await asyncio.to_thread(make_target, port, "Ages", **wanted)
    pk = await asyncio.to_thread(submit, port, "Ticks", target, products)
    viewers = [Clocked(f"/ws/pipeline/logs/{pk}/", until=END) for _ in ports]
    for viewer, each in zip(viewers, ports, strict=True):
        await connect([viewer], each.heliograph)
    await asyncio.gather(*(viewer.done for viewer in viewers))
    close(list(viewers))
    return [age for viewer in viewers for age in viewer.ages]


def _measure_polls(most: int, rounds: int) -> None:
    reads: list[tuple[str, list[float], list[float], float]] = []
    with serving() as ports:
        target, _ = ended(ports.heliograph, OWN)
        body = call(ports.heliograph, "GET", f"/api/async/status/{target}/")
        like = int(body["processes"][0]["view_url"].rstrip("/").rpartition("/")[2])
        head(f"polls/s of {OWN} processes", "floor", "ours", "ratio", "bar")
        stored, ratios = OWN, []
        before = ports.ask("disk")
        for count in (each for each in STORED if each <= most):
            ports.ask("fill", like, FIRST + stored, count - stored)
            stored = count
            poll = Poll(f"{stored:,} stored", f"/api/async/status/{target}/", 0.9)
            ratios.append(measure(ports, poll, 1.0, rounds))
            reads.append((f"{stored:,} stored", *_reads(ports, target, rounds)))
        grown = (ports.ask("disk") - before) / max(1, stored - OWN)
        if others := (stored - OWN) // OTHER_TARGETS:
            found = _reads(ports, OTHER_TARGET, rounds)
            large = (f"{stored:,}, the target {others:,} of these", *found)
    row("the last ratio to the first", "", "", f"{ratios[-1] / ratios[0]:.2f}", "≥ 0.8")
    head("a first poll, ms", "floor", "ours", "times", "newest 50")
    for name, floors, ours, newest in [*reads, *([large] if others else [])]:
        floor, measured = 1000 * median(floors), 1000 * median(ours)
        row(name, floor, measured, f"{measured / floor:.2f}", 1000 * newest)
    first, last = (median(ours) / median(floors) for _, floors, ours, _ in (reads[0], reads[-1]))
    row("the last of these times to the first", "", "", f"{last / first:.2f}", "≤ 1.25")
    row("bytes on disk a stored process", grown)


def _reads(ports: Serving, target: int, rounds: int) -> tuple[list[float], list[float], float]:
    """Return the seconds that reading a target's records takes, by Motor and by the store."""
    pairs = [
        (ports.ask("by_primary_key", target), ports.ask("of_target", target)) for _ in range(rounds)
    ]
    floors, ours = (list(each) for each in zip(*pairs, strict=True))
    return floors, ours, ports.ask("newest")


def _measure_dask(rounds: int) -> None:
    if importlib.util.find_spec("distributed") is None:
        print("Dask is not installed (the extra dask): nothing was measured on a cluster")
        return
    from benchmarks import dask_runs

    dask_runs.measure(DASK_RUNS, rounds)


if __name__ == "__main__":
    main()

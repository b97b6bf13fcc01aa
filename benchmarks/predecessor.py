"""Heliograph compared with tom_education 1.1.9: polls and lines per second, in the same run.

    python -m benchmarks.predecessor [--rounds 5] [--seconds 2] [--lines 5000] [--python PATH]

tom_education is installed from PyPI into a virtual environment in a temporary folder, or taken
from the environment whose Python is given, and served by gunicorn with 2 workers from SQLite.
Rounds of the two are interleaved, one idle while the other is measured, and medians are shown.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import NamedTuple

import uvloop

from benchmarks.predecessor_site import Predecessor, predecessor
from benchmarks.requests import call, ended, logged, make_target, rate, submit, wait_for_end
from benchmarks.serving import serving
from benchmarks.tables import against, arguments, head
from benchmarks.viewers import END, Viewer, close, connect

PROCESSES: dict[int, float] = {10: 40, 100: 150, 1_000: 1_000}
LOG_BYTES = {1_000: 8, 100_000: 10, 10_000_000: 4.5}
LINES_BAR = 300
#: How long a pipeline waits before its first line, so that its viewer is there.
WAIT_SECONDS = 0.5


class Ports(NamedTuple):
    """The ports on which the two listen."""

    predecessor: int
    heliograph: int


class Paths(NamedTuple):
    """The paths that are requested of the two."""

    predecessor: str
    heliograph: str


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--python", help="of an environment with tom_education and gunicorn")
    given = parser.parse_args()
    with predecessor(given.python) as theirs, serving() as ports:
        with theirs.serving() as port:
            _polls(Ports(port, ports.heliograph), theirs, given.rounds, given.seconds)
        _lines(theirs, ports.heliograph, given.rounds, given.lines)


def _polls(ports: Ports, theirs: Predecessor, rounds: int, seconds: float) -> None:
    status, logs = "/api/async/status/{}/", "/api/pipeline/logs/{}/"
    targets, processes = theirs.ask("fill", [*PROCESSES], [*LOG_BYTES])
    head("polls/s", "predecessor", "ours", "ratio", "bar")
    for (count, bar), target in zip(PROCESSES.items(), targets, strict=True):
        ours, _ = ended(ports.heliograph, count)
        paths = Paths(status.format(target), status.format(ours))
        against(f"status, {count:,} processes", *_rates(ports, paths, rounds, seconds), bar)
    for (size, bar), process in zip(LOG_BYTES.items(), processes, strict=True):
        ours = logged(ports.heliograph, size)
        paths = Paths(logs.format(process), logs.format(ours))
        against(f"log, {size:,} bytes", *_rates(ports, paths, rounds, seconds), bar)


def _rates(
    ports: Ports, paths: Paths, rounds: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Return the answers per second of both.

    Both must report the same number of processes, or a log of the same length.
    """
    told = [call(port, "GET", path) for port, path in zip(ports, paths, strict=True)]
    if len({_amount(answer) for answer in told}) != 1:
        raise RuntimeError(f"{paths}: the two do not answer the same")
    theirs, ours = [], []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            theirs.append(runner.run(rate(ports.predecessor, paths.predecessor, seconds)))
            ours.append(runner.run(rate(ports.heliograph, paths.heliograph, seconds)))
    return theirs, ours


def _amount(answer: dict[str, object]) -> int:
    found = answer["processes"] if "processes" in answer else answer["logs"]
    assert isinstance(found, list | str)
    return len(found)


def _lines(theirs: Predecessor, port: int, rounds: int, count: int) -> None:
    """Measure `log()` alone, and up to the last line at a viewer; theirs stores each line in it."""
    head("self.log(), lines/s", "predecessor", "ours", "ratio", "bar")
    floors, called, seen = [], [], []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            floors.append(theirs.ask("log", count))
            calls, whole = runner.run(_log(port, count))
            called.append(calls)
            seen.append(whole)
    against(f"{count:,} lines", floors, called, LINES_BAR)
    against("the same, stored and at a viewer", floors, seen, LINES_BAR)


async def _log(port: int, count: int) -> tuple[float, float]:
    """Return the lines per second of the calls, and up to the last line at a viewer."""
    wanted = {"wait": WAIT_SECONDS, "count": count}
    target, products = await asyncio.to_thread(partial(make_target, port, "Lines", **wanted))
    pk = await asyncio.to_thread(submit, port, "Clocks", target, products)
    viewer = _Clocked(f"/ws/pipeline/logs/{pk}/")
    await connect([viewer], port)
    await viewer.done
    close([viewer])
    await asyncio.to_thread(wait_for_end, port, target)
    first, last = viewer.time_after(b"from"), viewer.time_after(b"until")
    return 1e9 * count / (last - first), 1e9 * count / (viewer.seen - first)


class _Clocked(Viewer):
    """A viewer that keeps what it receives, and notes when the last line came."""

    def __init__(self, path: str) -> None:
        super().__init__(path, until=END)
        self.seen = 0
        self._kept = bytearray()

    def see(self, data: bytes) -> None:
        """Note the time of the last line."""
        self._kept += data
        if not self.seen and b'"until ' in data:
            self.seen = time.monotonic_ns()

    def time_after(self, word: bytes) -> int:
        """Return the time given by the line that begins with this word."""
        [found] = set(re.findall(rb'"%b (\d+)"' % word, self._kept))
        return int(found)


if __name__ == "__main__":
    main()

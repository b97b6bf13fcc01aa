"""What logging costs a pipeline, and how many lines a second are stored and reach a viewer.

    python -m benchmarks.ingest [--rounds 5] [--lines 300000]

A call of `self.log()` is timed inside the run; the floor is one `os.write` of the line to a pipe
that is being read. Lines per second are counted from the first line at the viewer to the end; the
floor is Motor inserting ready-made chunks of 1,000 lines one after the other, in the server's
process.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median

import uvloop

from benchmarks.push import flood
from benchmarks.requests import call, make_target, submit, wait_for_end
from benchmarks.serving import Serving, serving
from benchmarks.tables import arguments, head, row

CALLS = 1_000_000
CHUNKS, CHUNK_LINES = 200, 1_000


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--calls", type=int, default=CALLS)
    given = parser.parse_args()
    with serving() as ports:
        head("self.log(), microseconds", "os.write", "first tenth", "last tenth", "bar")
        calls = [_calls(ports, given.calls) for _ in range(given.rounds)]
        first, last, floor = (median(each) / 1000 for each in zip(*calls, strict=True))
        row(f"p50 of {given.calls:,} calls", floor, first, last, 3.0)
        head("lines/s", "floor", "ours", "ratio", "bar")
        needed = {
            viewers: _lines(ports, viewers, given.rounds, given.lines, bar)
            for viewers, bar in ((1, "150k, 0.5"), (100, "80,000"))
        }
        head("server's processor time, microseconds a line", "median")
        for viewers, microseconds in needed.items():
            row(f"with {viewers} viewers", microseconds)


def _calls(ports: Serving, count: int) -> list[int]:
    """Return the nanoseconds of a call: in the first tenth, in the last one, and of the floor."""
    target, products = make_target(ports.heliograph, "Calls", count=count)
    pk = submit(ports.heliograph, "Timed", target, products)
    said = ""
    while said.count(" ") != 2:
        time.sleep(0.05)
        found = call(ports.heliograph, "GET", f"/api/processes/{pk}/")
        if found["state"] not in ("queued", "running"):
            raise RuntimeError(found)
        said = found["status"]
    wait_for_end(ports.heliograph, target)
    return [int(word) for word in said.split()]


def _lines(ports: Serving, viewers: int, rounds: int, lines: int, bar: str) -> float:
    """Measure lines per second; return the server's processor time for each, in microseconds."""
    floors, ours, needed = [], [], []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            seconds = ports.ask("insert", CHUNKS, CHUNK_LINES)
            floors.append(CHUNKS * CHUNK_LINES / seconds)
            before = ports.ask("cpu")
            ours.append(runner.run(flood(ports, viewers, lines)))
            needed.append(1e6 * (ports.ask("cpu") - before) / lines)
    floor, rate = median(floors), median(ours)
    row(f"stored and on to {viewers} viewers", floor, rate, f"{rate / floor:.2f}", bar)
    return median(needed)


if __name__ == "__main__":
    main()

"""Requests per second of the polled endpoints, as ratios to a bare handler.

    python -m benchmarks.poll [--seconds 1] [--rounds 5]

The bare handler answers with the same bytes, in the same process and the same run. Rounds of the
two are interleaved, and medians are shown. Where Heliograph answers 304, the bare handler sends
2 KB; for the tail of a log, 1 KB.
"""

from __future__ import annotations

import asyncio
import http.client
from statistics import median
from typing import NamedTuple

import uvloop

from benchmarks.requests import call, ended, logged, make_target, rate, submit, wait_for_end
from benchmarks.serving import Serving, serving
from benchmarks.tables import against, arguments, head
from server.config.sections import Pool

PROCESSES = {10: 0.9, 100: 0.9, 1_000: 0.85}
LOG_BYTES = {1_000: 0.9, 100_000: 0.9, 10_000_000: 0.8}
#: Runs that change their status at the same time, and how often a second they do so in total.
CHANGING, CHANGES = 4, 50


class Poll(NamedTuple):
    """A request to measure, and what to compare it with."""

    name: str
    path: str
    bar: float | str
    floor_bytes: int | None = None
    headers: str = ""


def main() -> None:
    """Measure, and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    with serving(pool=Pool(workers=CHANGING)) as ports:
        polls, target, products = _status_polls(ports)
        polls += _log_polls(ports)
        head("polls/s", "floor", "ours", "ratio", "bar")
        for poll in polls:
            measure(ports, poll, given.seconds, given.rounds)
        _measure_changing(ports, target, products, given.seconds, given.rounds)
        _measure_growing(ports, given.seconds, given.rounds)


def _status_polls(ports: Serving) -> tuple[list[Poll], int, list[int]]:
    polls = []
    for count, bar in PROCESSES.items():
        target, products = ended(ports.heliograph, count, rate=CHANGES / CHANGING)
        polls.append(Poll(f"status, {count} processes", f"/api/async/status/{target}/", bar))
    path, etag = polls[-1].path, "If-None-Match: *\r\n"
    polls.append(Poll("status, 304", path, 0.95, 2_048, etag))
    gzip = "Accept-Encoding: gzip\r\n"
    polls.append(Poll("status, 1000 processes, gzip", path, "", None, gzip))
    return polls, target, products


def _log_polls(ports: Serving) -> list[Poll]:
    polls = []
    for size, bar in LOG_BYTES.items():
        pk = logged(ports.heliograph, size)
        polls.append(Poll(f"log, {size:,} bytes", f"/api/pipeline/logs/{pk}/", bar))
        tail = f"/api/processes/{pk}/logs/?after={max(0, size // 100 - 20)}"
        polls.append(Poll(f"tail of a log of {size:,} bytes", tail, 0.8, 1_024))
    return polls


def measure(ports: Serving, poll: Poll, seconds: float, rounds: int) -> float:
    """Print a row of polls per second against the floor; return the ratio."""
    size = poll.floor_bytes
    body = _body(ports.heliograph, poll.path, poll.headers) if size is None else b"x" * size
    call(ports.bare, "PUT", "/body", body)
    floors, ours = [], []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            floors.append(runner.run(rate(ports.bare, "/body", seconds)))
            ours.append(runner.run(rate(ports.heliograph, poll.path, seconds, poll.headers)))
    against(poll.name, floors, ours, poll.bar)
    return median(ours) / median(floors)


def _measure_changing(
    ports: Serving, target: int, products: list[int], seconds: float, rounds: int
) -> None:
    """Measure the status of many processes while some change; the floor bears the same load."""
    port = ports.heliograph
    running = [submit(port, "Changes", target, products) for _ in range(CHANGING)]
    name = f"status of 1,000, {CHANGES} changes a second"
    measure(ports, Poll(name, f"/api/async/status/{target}/", 0.5), seconds, rounds)
    _cancel(port, running, target)


def _measure_growing(ports: Serving, seconds: float, rounds: int) -> None:
    """Measure a log of 10 MB that gets 1,000 lines a second meanwhile."""
    port = ports.heliograph
    target, products = make_target(port, "growing", bytes=10_000_000)
    pk = submit(port, "Grows", target, products)
    while call(port, "GET", f"/api/processes/{pk}/")["log_lines"] < 100_000:
        pass
    measure(
        ports, Poll("log of 10 MB that grows", f"/api/pipeline/logs/{pk}/", ""), seconds, rounds
    )
    _cancel(port, [pk], target)


def _cancel(port: int, pks: list[int], target: int) -> None:
    for pk in pks:
        call(port, "POST", f"/api/processes/{pk}/cancel/")
    wait_for_end(port, target)


def _body(port: int, path: str, headers: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    named = dict(line.split(": ") for line in headers.splitlines())
    connection.request("GET", path, headers=named)
    return connection.getresponse().read()


if __name__ == "__main__":
    main()

"""Requests per second of the two specified endpoints, as ratios to a bare handler.

    python -m benchmarks.poll [--seconds 1] [--rounds 5]

The bare handler answers with the same bytes, in the same process and the same run; rounds of both
are interleaved, and medians are shown.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
from statistics import median

import uvloop

from benchmarks.requests import call, make_target, rate, submit, wait_for_end
from benchmarks.serving import Addresses, serving

PROCESSES = (10, 100, 1_000)
LOG_BYTES = (1_000, 100_000, 10_000_000)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with serving() as ports:
        paths = _status_paths(ports) | _log_paths(ports)
        print(f"{'poll':<32}{'bytes':>12}{'floor/s':>10}{'ours/s':>10}{'ratio':>8}")
        for name, (path, etag) in paths.items():
            _measure(ports, name, path, etag, given.seconds, given.rounds)


def _status_paths(ports: Addresses) -> dict[str, tuple[str, bool]]:
    paths = {}
    for count in PROCESSES:
        target, products = make_target(ports.heliograph, f"status {count}")
        for _ in range(count):
            submit(ports.heliograph, "Nothing", target, products)
        wait_for_end(ports.heliograph, target)
        paths[f"status, {count} processes"] = (f"/api/async/status/{target}/", False)
    paths["status, 304"] = (f"/api/async/status/{target}/", True)
    return paths


def _log_paths(ports: Addresses) -> dict[str, tuple[str, bool]]:
    paths = {}
    for size in LOG_BYTES:
        target, products = make_target(ports.heliograph, f"log {size}", bytes=size)
        pk = submit(ports.heliograph, "Writes", target, products)
        wait_for_end(ports.heliograph, target)
        paths[f"log, {size} bytes"] = (f"/api/pipeline/logs/{pk}/", False)
        tail = f"/api/processes/{pk}/logs/?after={max(0, size // 100 - 20)}"
        paths[f"tail of 20 lines, {size} bytes"] = (tail, False)
    return paths


def _measure(
    ports: Addresses, name: str, path: str, etag: bool, seconds: float, rounds: int
) -> None:
    body = _body(ports.heliograph, path)
    headers = "If-None-Match: *\r\n" if etag else ""
    call(ports.bare, "PUT", "/body", body)
    floors, ours = [], []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            floors.append(runner.run(rate(ports.bare, "/body", seconds)))
            ours.append(runner.run(rate(ports.heliograph, path, seconds, headers)))
    floor, measured = median(floors), median(ours)
    row = f"{name:<32}{len(body):>12,}{floor:>10,.0f}{measured:>10,.0f}{measured / floor:>8.2f}"
    print(row, flush=True)


def _body(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().read()


if __name__ == "__main__":
    main()

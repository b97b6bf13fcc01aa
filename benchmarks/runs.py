"""How soon a submitted process runs, and how many trivial runs fit in a second.

    python -m benchmarks.runs [--rounds 5] [--runs 100]

A submit is timed from before its POST to the `running` that a websocket reports. Runs are counted
from the first start to the last end in the records, with one slot and with one for each core,
after the queue was filled; the floor is a process of a warm forkserver from its start to its exit,
one at a time, in the benchmark's own process. The last table shows what uses the processor for a
run.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from statistics import median

import psutil

from benchmarks.requests import call, make_target, submit, wait_for_end
from benchmarks.serving import forget_main, serving
from benchmarks.tables import arguments, head, percentile, row
from runners.execution.pool import WARM_MODULES
from server.config.sections import Pool

SUBMITS = 20
JSON = {"Content-Type": "application/json"}
#: The parts of a run besides the server, by a word of their command lines.
PARTS = {"engine/child.py": "the engine", "forkserver": "the template"}


def main() -> None:
    """Measure, and print the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    forget_main()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(WARM_MODULES)
    starts: list[float] = []
    rates: dict[int, list[float]] = {}
    floors: list[float] = []
    spent: dict[str, list[float]] = {}
    _exits(context, 3)
    for slots in (1, os.cpu_count() or 1):
        with serving(pool=Pool(workers=slots)) as ports:
            for _ in range(given.rounds):
                floors.append(_exits(context, given.runs))
                rate, shares = _runs(ports.heliograph, slots, given.runs)
                rates.setdefault(slots, []).append(rate)
                for name, seconds in shares.items():
                    spent.setdefault(name, []).append(1000 * seconds)
                if slots > 1:
                    starts += _starts(ports.heliograph)
    head("runs/s", "floor", "ours", "ratio", "bar")
    floor = median(floors)
    for slots, measured in rates.items():
        rate = median(measured)
        bar = "" if slots == 1 else "0.6, 100"
        row(f"{slots} slots", floor, rate, f"{rate / floor:.2f}", bar)
    head("POST to running, ms", "p50", "p99", "bar p50")
    row("submits of a quiet server", percentile(starts, 50), percentile(starts, 99), 8.0)
    head("processor time of a run, ms", "median")
    for name, taken in spent.items():
        row(name, median(taken))


def _exits(context: ForkServerContext, count: int) -> float:
    """Return the processes per second, one at a time."""
    begun = time.perf_counter()
    for _ in range(count):
        process = context.Process(target=time.monotonic)
        process.start()
        process.join()
    return count / (time.perf_counter() - begun)


def _spent() -> dict[str, float]:
    """Return the processor seconds so far of the server and its children, by part of a run."""
    [serving_process] = multiprocessing.active_children()
    server = psutil.Process(serving_process.pid)
    found = {"the server": sum(server.cpu_times()[:2])}
    for child in server.children():
        command = " ".join(child.cmdline())
        for word in (word for word in PARTS if word in command):
            found[PARTS[word]] = sum(child.cpu_times()[:2])
            if word == "forkserver":
                found["the run's own process"] = sum(child.cpu_times()[2:4])
    return found


def _runs(port: int, slots: int, count: int) -> tuple[float, dict[str, float]]:
    """Return the runs per second of a full queue, and each part's processor seconds per run."""
    target, products = make_target(port, "Runs")
    blocking = [submit(port, "Waits", target, products) for _ in range(slots)]
    pks = [submit(port, "Nothing", target, products) for _ in range(count)]
    before = _spent()
    for pk in blocking:
        call(port, "POST", f"/api/processes/{pk}/cancel/")
    wait_for_end(port, target)
    spent = {name: (seconds - before[name]) / count for name, seconds in _spent().items()}
    records = [call(port, "GET", f"/api/processes/{pk}/") for pk in pks]
    begun = min(record["started"] for record in records)
    seconds: float = max(record["terminal_timestamp"] for record in records) - begun
    return count / seconds, spent


def _starts(port: int) -> list[float]:
    """Return the milliseconds from a POST to its `running`, one submit at a time."""
    target, products = make_target(port, "Starts")
    body = {"target": target, "pipeline": "Nothing", "products": products, "flags": {}}
    data = json.dumps(body).encode()
    taken = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with _watching(port, target) as messages:
        next(messages)
        for _ in range(SUBMITS):
            begun = time.perf_counter()
            connection.request(
                "POST", "/api/processes/", data, {"Content-Type": "application/json"}
            )
            connection.getresponse().read()
            _until(messages, "running")
            taken.append(1000 * (time.perf_counter() - begun))
            _until(messages, "created")
    connection.close()
    return taken


def _until(messages: Iterator[bytes], status: str) -> None:
    wanted = f'"status":"{status}"'.encode()
    while wanted not in next(messages):
        pass


@contextlib.contextmanager
def _watching(port: int, target: int) -> Iterator[Iterator[bytes]]:
    """Open a target's websocket; yield its messages."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            b"GET /ws/async/status/%d/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % target
        )
        with connection.makefile("rb") as stream:
            while stream.readline().strip():
                pass
            yield _messages(stream)


def _messages(stream: object) -> Iterator[bytes]:
    read = stream.read  # type: ignore[attr-defined]
    while True:
        kind, size = read(2)
        if size >= 126:
            size = int.from_bytes(read(2 if size == 126 else 8), "big")
        message: bytes = read(size)
        if kind == 0x81:
            yield message


if __name__ == "__main__":
    main()

"""How long one client waits beside a thousand slow clients and a thousand idle ones.

    python -m benchmarks.slow_clients [--rounds 3] [--slow 1000] [--idle 1000] [--seconds 10]

One client polls the status of a target, one request after the other: alone, and while the others
are connected. Of the slow ones, half send their request a byte a second, and half read a log of
15 MB 4 KiB a second; the idle ones have asked once and keep their connection. They are in a process
of their own, which sees to it that all of them are connected, and have been answered, before the
polls, and are still there after them. The bar is a p99 of twice the one alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from statistics import median

from benchmarks.crowd import polls
from benchmarks.requests import ended, make_target, submit, wait_for_end
from benchmarks.serving import forget_main, serving
from benchmarks.tables import arguments, head, percentile, row

BAR = 2
LOG_BYTES = 15_000_000
PIECE_BYTES = 4_096
PAUSE_SECONDS = 1.0
AT_ONCE = 50
CONNECT_SECONDS = 120
#: Further addresses of this machine, as one may have 2,000 connections.
SLOW_ADDRESS, IDLE_ADDRESS = "127.0.0.2", "127.0.0.3"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    """Measure, and print the table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--slow", type=int, default=1_000)
    parser.add_argument("--idle", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    with serving() as ports:
        port = ports.heliograph
        target, _ = ended(port, 10)
        polled, log = f"/api/async/status/{target}/", _log(port)
        alone, beside = [], []
        for _ in range(given.rounds):
            alone.append(_waits(port, polled, given.seconds))
            with others(port, log, given.slow, given.idle) as pipe:
                beside.append(_waits(port, polled, given.seconds))
                pipe.send("count")
                connected = pipe.recv()
            assert connected >= (given.slow + given.idle) * 0.99, f"{connected} are connected"
    head("a poll beside slow clients, ms", "p50", "p99", "longest", "ratio p99", "bar")
    first = _row("alone", alone, None)
    _row(f"{given.slow:,} slow, {given.idle:,} idle", beside, first)


def _log(port: int) -> bytes:
    """Make a long log, and return the request for it."""
    target, products = make_target(port, "Whole", bytes=LOG_BYTES)
    pk = submit(port, "Writes", target, products)
    wait_for_end(port, target)
    return b"GET /api/pipeline/logs/%d/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % pk


def _waits(port: int, path: str, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    return list(polls(port, path, lambda: time.perf_counter() >= until))


def _row(name: str, found: list[list[float]], alone: float | None) -> float:
    p50, p99, longest = (
        median(percentile(waits, percent) for waits in found) for percent in (50, 99, 100)
    )
    row(name, p50, p99, longest, "" if alone is None else f"{p99 / alone:.2f}", str(BAR))
    return p99


@contextmanager
def others(port: int, log: bytes, slow: int, idle: int) -> Iterator[Connection]:
    """Yield a pipe once all of the others are there; asked to `count`, it tells how many are."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, port, log, slow, idle))
    process.start()
    theirs.close()
    try:
        if not ours.poll(CONNECT_SECONDS):
            raise TimeoutError("the slow clients were not connected in time")
        ours.recv()
        yield ours
    finally:
        process.kill()
        process.join(5)
        ours.close()


def _run(pipe: Connection, port: int, log: bytes, slow: int, idle: int) -> None:
    forget_main()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_others(pipe, port, log, slow, idle))


async def _others(pipe: Connection, port: int, log: bytes, slow: int, idle: int) -> None:
    there = Arrivals(port)
    made = [_sending(there) for _ in range(slow // 2)]
    made += [_reading(there, log) for _ in range(slow - slow // 2)]
    made += [_waiting(there) for _ in range(idle)]
    clients = [asyncio.ensure_future(each) for each in made]
    for _ in clients:
        await there.ready.acquire()
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    pipe.send(sum(not client.done() for client in clients))
    await asyncio.gather(*clients, return_exceptions=True)


class Arrivals:
    """Lets some at a time connect; `ready` is released by each that is connected and answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._turn = asyncio.Semaphore(AT_ONCE)
        self.ready = asyncio.Semaphore(0)

    async def connect(self, address: str) -> Streams:
        """Return a connection from this address."""
        async with self._turn:
            return await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(address, 0), limit=PIECE_BYTES
            )


async def _sending(there: Arrivals) -> None:
    """Send requests without an end a byte at a time, for as long as the server waits for each."""
    while True:
        reader, writer = await there.connect(SLOW_ADDRESS)
        there.ready.release()
        closed = asyncio.ensure_future(reader.read())
        for byte in b"GET /api/targets/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 1_000:
            writer.write(bytes([byte]))
            await asyncio.wait([closed], timeout=PAUSE_SECONDS)
            if closed.done():
                break
        writer.close()


async def _reading(there: Arrivals, log: bytes) -> None:
    """Read a long answer a piece at a time."""
    reader, writer = await there.connect(SLOW_ADDRESS)
    writer.write(log)
    await reader.read(PIECE_BYTES)
    there.ready.release()
    for _ in range(LOG_BYTES // PIECE_BYTES):
        await asyncio.sleep(PAUSE_SECONDS)
        if not await reader.read(PIECE_BYTES):
            break


async def _waiting(there: Arrivals) -> None:
    """Ask once, and keep the connection."""
    reader, writer = await there.connect(IDLE_ADDRESS)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    await reader.read(PIECE_BYTES)
    there.ready.release()
    while await reader.read(PIECE_BYTES):
        pass


if __name__ == "__main__":
    main()

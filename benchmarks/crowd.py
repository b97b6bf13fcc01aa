"""How long one client waits while a crowd reads long logs.

    python -m benchmarks.crowd [--rounds 3] [--viewers 300] [--lines 200000] [--downloads 50]

One client polls the status of a target, one request after the other: alone, while 300 viewers open
the same log of 200,000 lines at once, and while 50 clients fetch a whole log of 15 MB each, plain
and compressed. The crowd is in a process of its own. The longest wait is printed too, as a stall of
the event loop shows in a single poll.
"""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from statistics import median

import uvloop

from benchmarks.requests import ended, make_target, submit, wait_for_end
from benchmarks.serving import forget_main, serving
from benchmarks.tables import arguments, head, percentile, row
from benchmarks.viewers import Flooded

BAR_MS = 50
ALONE_SECONDS = 2.0
LOG_BYTES = 15_000_000
PAUSE_SECONDS = 0.002


def main() -> None:
    """Measure, and print the table."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--viewers", type=int, default=300)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--downloads", type=int, default=50)
    given = parser.parse_args()
    with serving() as ports:
        port = ports.heliograph
        target, _ = ended(port, 10)
        polled = f"/api/async/status/{target}/"
        long, whole = _flooded(port, given.lines), _written(port)
        head("a poll beside a crowd, ms", "p50", "p99", "longest", "crowd s", "bar p99")
        _measure("alone", given.rounds, lambda: _alone(port, polled))
        paths = {f"{given.viewers} viewers of {given.lines:,} lines": (long, given.viewers, b"")}
        paths |= {
            f"{given.downloads} logs of 15 MB{kind}": (whole, given.downloads, header)
            for kind, header in (("", b""), (", gzip", b"Accept-Encoding: gzip\r\n"))
        }
        for name, crowd in paths.items():
            _measure(name, given.rounds, partial(_beside, port, polled, *crowd))


def _flooded(port: int, lines: int) -> str:
    """Make a log of this many lines; return the path of its websocket."""
    target, products = make_target(port, "Crowd", count=lines)
    pk = submit(port, "Floods", target, products)
    wait_for_end(port, target)
    return f"/ws/pipeline/logs/{pk}/"


def _written(port: int) -> str:
    """Make a log of 15 MB; return the path of the whole."""
    target, products = make_target(port, "Whole", bytes=LOG_BYTES)
    pk = submit(port, "Writes", target, products)
    wait_for_end(port, target)
    return f"/api/pipeline/logs/{pk}/"


Waits = tuple[list[float], float]


def _measure(name: str, rounds: int, work: object) -> None:
    found: list[Waits] = [work() for _ in range(rounds)]  # type: ignore[operator]
    figures = [[percentile(waits, percent) for waits, _ in found] for percent in (50, 99, 100)]
    p50, p99, longest = (median(each) for each in figures)
    row(name, p50, p99, longest, median(seconds for _, seconds in found), BAR_MS)


def _alone(port: int, path: str) -> Waits:
    until = time.perf_counter() + ALONE_SECONDS
    return list(polls(port, path, lambda: time.perf_counter() >= until)), ALONE_SECONDS


def _beside(port: int, polled: str, path: str, count: int, header: bytes) -> Waits:
    """Poll until the crowd has read all it came for."""
    with crowd(port, path, 1, header) as alone:
        [expected] = alone.recv()
    with crowd(port, path, count, header) as done:
        begun = time.perf_counter()
        waits = list(polls(port, polled, done.poll))
        seconds = time.perf_counter() - begun
        _check(done.recv(), [expected] * count, exact=not path.startswith("/ws/"))
        return waits, seconds


def _check(received: list[int], expected: list[int], *, exact: bool) -> None:
    """Compare the bytes that each of a crowd has got with those that one alone got.

    The lines of a websocket come in frames of any size, so only the rest must be the same.
    """
    for got, whole in zip(received, expected, strict=True):
        assert got == whole if exact else abs(got - whole) < whole / 100, (got, whole)


def polls(port: int, path: str, enough: object) -> Iterator[float]:
    """Yield the milliseconds that each poll takes, on one connection, until that is enough."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:200])
        assert b'"processes":[{' in body, body[:200]
        yield (time.perf_counter() - begun) * 1e3
        if enough():  # type: ignore[operator]
            break
        time.sleep(PAUSE_SECONDS)
    connection.close()


@contextmanager
def crowd(port: int, path: str, count: int, header: bytes = b"") -> Iterator[Connection]:
    """Start a crowd at once; when all are served, the pipe has the bytes that each has got."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run_crowd, args=(theirs, port, path, count, header))
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
    finally:
        ours.close()
        process.join(5)
        process.kill()


def _run_crowd(pipe: Connection, port: int, path: str, count: int, header: bytes) -> None:
    forget_main()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pipe.send("ready")
        received = runner.run(_read_all(port, path, count, header))
    pipe.send(received)


class _Download(asyncio.BufferedProtocol):
    """A client that reads one answer to its end, into memory that all of them share.

    Done with 200 and as many bytes as were announced; anything else is an error.
    """

    _memory = bytearray(2**20)

    def __init__(self, path: str, header: bytes) -> None:
        self._request = b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%b\r\n" % (
            path.encode(),
            header,
        )
        self._head = b""
        self.received = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        """Ask for it."""
        transport.write(self._request)

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where to read to."""
        return memoryview(self._memory)

    def buffer_updated(self, count: int) -> None:
        """Keep the headers, and count the rest."""
        if b"\r\n\r\n" in self._head:
            self.received += count
            return
        self._head += self._memory[:count]
        self._head, end, body = self._head.partition(b"\r\n\r\n")
        self._head += end
        self.received = len(body)

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end, and whether it was that of the whole answer."""
        if self.done.done():
            return
        if self._is_whole():
            self.done.set_result(None)
        else:
            what = self._head[:200] + b" and %d bytes" % self.received
            self.done.set_exception(error or RuntimeError(what.decode("latin-1")))

    def _is_whole(self) -> bool:
        status, *headers = self._head.lower().split(b"\r\n")
        announced = b"content-length: %d" % self.received
        return status.startswith(b"http/1.1 200 ") and announced in headers


async def _read_all(port: int, path: str, count: int, header: bytes) -> list[int]:
    loop = asyncio.get_running_loop()
    live = path.startswith("/ws/")
    readers = [Flooded(path) if live else _Download(path, header) for _ in range(count)]
    await asyncio.gather(
        *(
            loop.create_connection(lambda reader=reader: reader, "127.0.0.1", port)  # type: ignore[misc]
            for reader in readers
        )
    )
    await asyncio.gather(*(reader.done for reader in readers))
    return [reader.received for reader in readers]


if __name__ == "__main__":
    main()

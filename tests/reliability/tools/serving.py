"""Servers to be killed, and a client that can bear it: it retries until it gets an answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from tests.reliability.tools.faults import Orders, calls_file
from tests.reliability.tools.faulty_server import ORDERS, SETTLED

ROOT = Path(__file__).parents[3]
CONFIG = Path(__file__).with_name("config.yml")
START_SECONDS = 180.0
STOP_SECONDS = 60.0
PRINTED_LINES = 400


class EndedEarly(Exception):
    """A server ended before it was ready, and nobody killed it."""


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """Yield a folder whose path is short enough for a socket, in memory where possible."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="heliograph-", dir=memory) as folder:
        yield Path(folder)


@dataclass
class Life:
    """One start of a server, by the monotonic clock: executed, runs settled, ready.

    `waited_seconds` is for how long the server and its engine had work, but no processor, until
    runs were settled; 0 where the system does not tell.
    """

    executed: float
    settled: float | None = None
    ready: float | None = None
    waited_seconds: float = 0.0

    @property
    def settled_seconds(self) -> float:
        """How long it took until what ran before was settled."""
        assert self.settled is not None
        return self.settled - self.executed


def settled_words(lives: list[Life]) -> str:
    """Return in one line how soon own runs were settled, with and without other load."""
    took = [life.settled_seconds for life in lives]
    alone = [life.settled_seconds - life.waited_seconds for life in lives]
    return (
        f"own runs settled after {len(lives)} restarts: median {median(took):.2f} s, at most "
        f"{max(took):.2f} s; without waiting for a processor {median(alone):.2f} s and "
        f"{max(alone):.2f} s"
    )


@dataclass
class Server:
    """A server with a data folder of its own, which can be started again and again."""

    data: Path
    options: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    orders: Path | None = None
    config: Path = CONFIG
    #: what its command begins with
    prefix: tuple[str, ...] = ()
    next_orders: list[Orders] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    #: the last database call of each life that was ended by orders
    last_calls: list[str] = field(default_factory=list)
    printed: deque[str] = field(default_factory=lambda: deque(maxlen=PRINTED_LINES))
    process: asyncio.subprocess.Process | None = None
    #: where it listens, as soon as it does
    address: str | None = None
    _url: asyncio.Future[str] | None = None
    _reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; `url` waits until it is ready."""
        self.address = None
        if self._url is None or self._url.done():  # else somebody still waits for it
            self._url = asyncio.get_running_loop().create_future()
        variables = {} if self.orders is None else {ORDERS: str(self.orders)}
        self.lives.append(Life(time.monotonic()))
        self.process = await asyncio.create_subprocess_exec(
            *(*self.prefix, sys.executable, "-m", "tests.reliability.tools.faulty_server"),
            *("--config", str(self.config), "--port", "0", "--data", str(self.data), *self.options),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | variables | self.environment,
        )
        self._reader = asyncio.create_task(self._read(self.process, self.lives[-1]))

    async def _read(self, process: asyncio.subprocess.Process, life: Life) -> None:
        assert process.stdout is not None
        while line := (await process.stdout.readline()).decode("utf-8", "replace"):
            self.printed.append(line)
            if "Heliograph is starting at" in line:
                self.address = line.split()[-1].rstrip("/")
            elif "Heliograph is ready at" in line:
                life.ready = time.monotonic()
                if life is self.lives[-1] and self._url is not None and not self._url.done():
                    self._url.set_result(line.split()[-1].rstrip("/"))
            elif SETTLED in line:
                life.settled, life.waited_seconds = map(float, line.split()[-2:])
        if await process.wait() != -signal.SIGKILL and life is self.lives[-1]:
            self._never_ready(process.returncode)

    def _never_ready(self, status: int | None) -> None:
        """Let those who wait for the address hear that the server ended of itself before."""
        if self._url is not None and not self._url.done():
            self._url.set_exception(EndedEarly(f"status {status}, having printed:\n{self.words}"))
            self._url.exception()  # so that nobody needs to wait

    @property
    def pid(self) -> int:
        """The OS process's id."""
        assert self.process is not None
        return self.process.pid

    async def url(self) -> str:
        """Return the address without a trailing slash, once this start or the next one is ready."""
        assert self._url is not None
        async with asyncio.timeout(START_SECONDS):
            return await asyncio.shield(self._url)

    async def listening(self) -> str:
        """Return the address, ready or not."""
        async with asyncio.timeout(START_SECONDS):
            while self.address is None:
                await asyncio.sleep(0.01)
        return self.address

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        assert self.process is not None
        self.process.send_signal(number)

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal and wait for the end; return the exit status."""
        self.send(number)
        return await self.ended()

    async def ended(self) -> int:
        """Return the exit status once it has ended."""
        assert self.process is not None
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()

    async def all_printed(self) -> str:
        """Return the last lines of an ended server once they are read, which may come later."""
        assert self._reader is not None
        async with asyncio.timeout(STOP_SECONDS):
            await asyncio.shield(self._reader)
        return self.words

    async def restart(self) -> None:
        """Start it again after its end."""
        await self.start()
        await self.url()

    async def keep_up(self) -> None:
        """Start it again whenever it is killed, until cancelled; orders apply to one life only."""
        while True:
            assert self.process is not None
            status = await self.process.wait()
            assert status == -signal.SIGKILL, f"the server ended with {status}:\n{self.words}"
            self.last_calls.append(self.calls[-1] if self.calls else "before any call")
            self.follow(self.next_orders.pop(0) if self.next_orders else None)
            await self.start()

    def follow(self, orders: Orders | None) -> None:
        """Give the server new orders, or none."""
        assert self.orders is not None
        calls_file(self.orders).unlink(missing_ok=True)
        if orders is None:
            self.orders.unlink(missing_ok=True)
        else:
            orders.write(self.orders)

    @property
    def calls(self) -> list[str]:
        """The store's calls since the last orders, by operation and collection."""
        assert self.orders is not None
        with contextlib.suppress(FileNotFoundError):
            return calls_file(self.orders).read_text().splitlines()
        return []

    @property
    def words(self) -> str:
        """The lines that it printed last."""
        return "".join(self.printed)

    async def close(self) -> None:
        """Kill it, even if it is stopped, and wait until its children are gone too."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.kill()
            await self.process.wait()
        if self._reader is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reader, STOP_SECONDS)


@dataclass
class Client:
    """A client that retries while a server is away, starting or unable to answer."""

    server: Server
    patience_seconds: float = 60.0
    #: The longest pause before the next try; a real client would wait for all of `Retry-After`.
    pause_seconds: float = 0.1
    #: the secret of a token, where the server wants one
    token: str = ""

    @property
    def credentials(self) -> dict[str, str]:
        """The header of the token."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def fetch(
        self, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> HTTPResponse:
        """Return the first response other than 503."""
        async with asyncio.timeout(self.patience_seconds):
            while True:
                response = await self._try(path, method, body, headers)
                if response is not None and response.code != 503:
                    return response
                told = float(response.headers.get("Retry-After", 0)) if response else 0.0
                await asyncio.sleep(min(max(told, 0.02), self.pause_seconds))

    async def _try(
        self, path: str, method: str, body: Any, headers: dict[str, str]
    ) -> HTTPResponse | None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        names |= self.credentials
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            names.setdefault("Content-Type", "application/json")
        try:
            return await AsyncHTTPClient(max_clients=100).fetch(
                await self.server.url() + path,
                method=method,
                body=b"" if body is None and method == "POST" else body,
                headers=names,
                raise_error=False,
                allow_nonstandard_methods=True,
                request_timeout=20,
            )
        except (OSError, HTTPClientError):
            return None  # refused, reset or cut off

    async def call(
        self, path: str, method: str = "GET", body: Any = None, *statuses: int, **headers: str
    ) -> Any:
        """Return the decoded answer, which must have one of these statuses (200 by default)."""
        response = await self.fetch(path, method, body, **headers)
        assert response.code in (statuses or (200,)), (path, response.code, response.body[:500])
        return json.loads(response.body) if response.body else None

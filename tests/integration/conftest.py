"""A real server for the integration tests: one for the session, in a thread of its own.

Tests share it, and each makes its own targets. Tests that stop or kill a server start
`python -m server`, as the acceptance tests do.

With HELIOGRAPH_TEST_FAULTS=<seed>, some database calls of these servers fail, are late, or fail
after taking effect, and the client does what a client should: it retries.

With HELIOGRAPH_TEST_RUNNER=dask, their runs are on a Dask cluster of this machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPError, HTTPResponse

from server.app.server import Server
from server.config import Config, PipelineEntry
from server.config.sections import Http, Leases, Pool, Runner
from tests.fakes.dask_cluster import dask_runner
from tests.fakes.described import check
from tests.reliability.tools.faults import DELAY, FAIL, UNHEARD, Faults, Orders, install

FAULTS = os.environ.get("HELIOGRAPH_TEST_FAULTS")
#: Where the runs of these servers have their place: `local`, or `dask` to try all this there.
PLACE = os.environ.get("HELIOGRAPH_TEST_RUNNER", "local")
#: How many of a hundred database calls meet a fault.
FAULTS_PERCENT = 3
TRIES = 50
PAUSE_SECONDS = 0.05
_installed: list[Faults] = []
# Runs have it of the server, whoever runs the tests.
os.environ.pop("PYTHONUNBUFFERED", None)
SAMPLES = Path(__file__).parent.parent / "samples"
PIPELINES = [
    "Chatty",
    "Counts",
    "Exits",
    "Fails",
    "KillsItself",
    "LongLine",
    "Measures",
    "Outputs",
    "Paced",
    "Predecessor",
    "Raises",
    "RaisesUnprintable",
    "Segfaults",
    "Shows",
    "Stages",
    "Waits",
    "Films",
]


@dataclass(frozen=True)
class Running:
    """A server that runs in a thread, and its loop."""

    server: Server
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """The address without a trailing slash."""
        return self.server.address.rstrip("/")

    @property
    def socket_url(self) -> str:
        """The same address for websockets."""
        return self.url.replace("http", "ws", 1)


def make_config(data: Path) -> Config:
    """Make a configuration for tests: any port, the sample pipelines, short leases."""
    runner = Runner()
    lease_seconds = 2.0
    if PLACE == "dask":
        runner, lease_seconds = dask_runner(), 5.0
    return Config(
        http=Http(port=0),
        data=data,
        pool=Pool(workers=2),
        runner=runner,
        leases=Leases(heartbeat_seconds=0.5, lease_seconds=lease_seconds, check_seconds=0.2),
        pipelines={name: PipelineEntry(path=f"sample_pipelines.{name}") for name in PIPELINES},
        folder=SAMPLES,
        shutdown_seconds=0.5,
    )


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Yield the session's server."""
    with serving(make_config(tmp_path_factory.mktemp("heliograph"))) as running:
        yield running


@contextmanager
def serving(config: Config) -> Iterator[Running]:
    """Run a server in a thread of its own until the block is left."""
    server = Server(config)
    loop = uvloop.new_event_loop()
    remove = _install_faults(loop)
    ready: threading.Event = threading.Event()
    stop = asyncio.Event()
    failure: list[BaseException] = []

    async def serve() -> None:
        try:
            async with server:
                await server.start()
                ready.set()
                await stop.wait()
        except BaseException as error:
            failure.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(30), "the server did not start in time"
    if failure:
        raise failure[0]
    try:
        yield Running(server, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        remove()
        assert not thread.is_alive(), "the server did not stop in time"
        loop.close()


def _install_faults(loop: asyncio.AbstractEventLoop) -> Callable[[], object]:
    if FAULTS is None:
        return nullcontext
    orders = Orders(
        kinds=(FAIL, UNHEARD, DELAY), probability=FAULTS_PERCENT / 100, seed=int(FAULTS)
    )
    _installed.append(Faults(orders))
    return install(_installed[-1], loop)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how many faults there were, if any were to happen."""
    if FAULTS is not None:
        met = sum(faults.met for faults in _installed)
        calls = sum(faults.calls for faults in _installed)
        terminalreporter.write_line(f"seed {FAULTS}: {met} of {calls} database calls met faults")


@dataclass(frozen=True)
class Client:
    """A client of the API; answers are decoded JSON, and as the description has them."""

    url: str

    async def fetch(
        self, path: str, method: str = "GET", body: Any = None, **options: Any
    ) -> HTTPResponse:
        """Send a request; return the response, even if it is an error."""
        headers = dict(options.pop("headers", {}))
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if FAULTS is not None and (method, path) == ("POST", "/api/processes/"):
            headers.setdefault("Idempotency-Key", secrets.token_hex(8))
        response = await self._try(path, method, body, headers, options)
        check(method, path, response.code, response.headers, response.body)
        for _ in range(0 if FAULTS is None else TRIES):
            if response.code != 503:
                break
            await asyncio.sleep(PAUSE_SECONDS)
            response = await self._try(path, method, body, headers, options)
        return response

    async def _try(
        self, path: str, method: str, body: bytes | None, headers: Any, options: dict[str, Any]
    ) -> HTTPResponse:
        return await AsyncHTTPClient().fetch(
            self.url + path,
            method=method,
            # Tornado's client announces a chunked body even if there is none.
            body=b"" if body is None and method == "POST" else body,
            headers=headers,
            raise_error=False,
            allow_nonstandard_methods=True,
            **{"follow_redirects": False} | options,
        )

    async def call(
        self, path: str, method: str = "GET", body: Any = None, status: int = 200, **options: Any
    ) -> Any:
        """Return the decoded answer of a request that must have this status."""
        response = await self.fetch(path, method, body, **options)
        # An earlier, unanswered try may have succeeded: then a submit gets 200, a deletion 404.
        done = {201: 200, 204: 404}.get(status) if FAULTS is not None else None
        assert response.code in (status, done), (response.code, response.body[:2000])
        return json.loads(response.body) if response.body else None

    async def make_target(self, name: str = "Messier 13", **fields: Any) -> int:
        """Make a target; return its PK."""
        made = await self.call("/api/targets/", "POST", {"name": name, **fields}, status=201)
        return int(made["pk"])

    async def upload(self, target: int, *files: tuple[str, bytes]) -> list[int]:
        """Upload files; return the PKs of their products."""
        boundary = "----heliograph-test"
        parts = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\n\r\n'.encode()
            + data
            + b"\r\n"
            for name, data in files
        )
        made = await self.call(
            f"/api/targets/{target}/dataproducts/",
            "POST",
            parts + f"--{boundary}--\r\n".encode(),
            status=201,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        return [product["pk"] for product in made["dataproducts"]]

    async def submit(
        self, pipeline: str, target: int, products: list[int], **flags: bool
    ) -> dict[str, Any]:
        """Submit a process; return its record."""
        body = {"target": target, "pipeline": pipeline, "products": products, "flags": flags}
        made: dict[str, Any] = await self.call("/api/processes/", "POST", body, status=201)
        return made

    async def run(self, pipeline: str, lines: int | None = None, **flags: bool) -> dict[str, Any]:
        """Run a pipeline on a file of a new target to its end; return the final record."""
        extra = {} if lines is None else {"lines": lines}
        target = await self.make_target(extra_fields=extra)
        products = await self.upload(target, ("input.fits", b"not really FITS"))
        record = await self.submit(pipeline, target, products, **flags)
        return await self.ended(record["pk"])

    async def ended(self, pk: int) -> dict[str, Any]:
        """Return the record of a process once it has ended."""
        return await self.until(pk, lambda record: record["terminal_timestamp"] is not None)

    async def until(self, pk: int, condition: Any, seconds: float = 30) -> dict[str, Any]:
        """Return the record of a process once a condition holds, or say what it is by then."""
        record: dict[str, Any] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    record = await self.call(f"/api/processes/{pk}/")
                    if condition(record):
                        return record
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            status = await self.call("/api/status/")
            raise AssertionError(f"after {seconds} s: {record}, of {status}") from error

    async def lines(self, pk: int) -> list[list[Any]]:
        """Return all log entries of a process."""
        page = await self.call(f"/api/processes/{pk}/logs/?limit=100000")
        return list(page["lines"])


@pytest.fixture
def client(running: Running) -> Client:
    """Return a client of the session's server."""
    return Client(running.url)


__all__ = ["Client", "HTTPClient", "HTTPError", "Running", "client", "running"]

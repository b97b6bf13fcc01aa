"""A server for one test of the handlers: processes and archive live in dictionaries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.testing import bind_unused_port
from tornado.web import Application

from handlers.http.access_log import finished
from handlers.routes import all_routes
from handlers.services import Services
from server.access.shares import Shares
from server.access.tickets import Tickets
from server.app.assembly import make_application
from server.app.connections.server import BoundedServer
from server.app.connections.tls import Certificate
from server.config import Config
from server.config.sections import Http, Uploads, Websockets
from server.core.records import ProcessRecord
from tests.fakes.fake_access import FakeSessions, FakeTokens, make_access
from tests.fakes.fake_archive import FakeArchive
from tests.fakes.fake_processes import FakeProcesses
from tests.fakes.fake_shares import FakeKeys, FakeShares, FakeTickets


@dataclass
class Fakes:
    """The collaborators, and the server that they make with these settings."""

    previews: Path = Path("/nowhere")
    archive: FakeArchive = field(default_factory=FakeArchive)
    processes: FakeProcesses = field(init=False)
    config: Config = field(default_factory=Config)
    problem: str | None = None
    disk_problem: str | None = None
    tokens: FakeTokens = field(default_factory=FakeTokens)
    sessions: FakeSessions = field(default_factory=FakeSessions)
    tickets: FakeTickets = field(default_factory=FakeTickets)
    shares: FakeShares = field(default_factory=FakeShares)
    keys: FakeKeys = field(default_factory=FakeKeys)
    drawn: list[tuple[Path, int]] = field(default_factory=list)
    draw_fault: Exception | None = None
    windows: list[dict[str, Any]] = field(default_factory=list)
    viewers_expected: int = 0
    nights: list[tuple[float, float, float]] = field(default_factory=list)
    certificate: Certificate | None = None
    status: dict[str, Any] = field(default_factory=lambda: {"slots": 2, "running": 1})

    def __post_init__(self) -> None:
        self.processes = FakeProcesses(self.archive)

    def configure(
        self,
        http: dict[str, Any] | None = None,
        uploads: dict[str, Any] | None = None,
        websockets: dict[str, Any] | None = None,
    ) -> None:
        """Replace settings of the configuration."""
        self.config = replace(
            self.config,
            http=Http(**(http or {})),
            uploads=Uploads(**(uploads or {})),
            websockets=Websockets(**(websockets or {})),
        )

    async def page(
        self, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return a page of deliveries, as `DeliveryList` does: there are none."""
        return [], None

    def receivers(self) -> list[dict[str, Any]]:
        """Return who is told of events: nobody."""
        return []

    async def ready(self) -> str | None:
        return self.problem

    async def server_status(self) -> dict[str, Any]:
        return self.status

    async def read_headers(self, source: Path) -> dict[str, Any]:
        if self.draw_fault is not None:
            raise self.draw_fault
        return {"hdus": [{"name": source.name, "kind": "image", "cards": []}], "cut": False}

    async def write_table(self, source: Path, table: Path, hdu: int | None) -> None:
        self.drawn.append((source, hdu or 0))
        if self.draw_fault is not None:
            raise self.draw_fault
        await asyncio.to_thread(table.write_text, "TIME,FLUX\n1.5,2\n")

    async def describe_image(self, source: Path, place: Path, hdu: int | None, plane: int) -> None:
        self.drawn.append((source, plane))
        if self.draw_fault is not None:
            raise self.draw_fault
        await asyncio.to_thread(place.write_text, json.dumps({"hdu": hdu or 0, "plane": plane}))

    async def read_pixels(self, source: Path, place: Path, window: Mapping[str, Any]) -> None:
        self.windows.append(dict(window))
        if self.draw_fault is not None:
            raise self.draw_fault
        shape = (2).to_bytes(4, "little") + (3).to_bytes(4, "little")
        await asyncio.to_thread(place.write_bytes, shape + bytes(24))

    def expect_viewer(self) -> None:
        self.viewers_expected += 1

    async def compute_sky(
        self, site: Mapping[str, float], ra: float, dec: float, start: float, end: float
    ) -> dict[str, Any]:
        self.nights.append((ra, dec, start))
        if self.draw_fault is not None:
            raise self.draw_fault
        await asyncio.sleep(0)
        sun = {"phases": [{"phase": "day", "start": start, "end": end}]}
        return {"times": [start, end], "altitude": [dec, site["latitude"]], "sun": sun}

    async def read_light_curve(
        self, source: Path, table: Path, most_points: int, strict: bool
    ) -> None:
        self.drawn.append((source, most_points))
        if self.draw_fault is not None:
            raise self.draw_fault
        curve = {
            "quantity": "magnitude",
            "points": [[60000.5, 12.5, 0.01, "V", False], [60001.5, 14.25, None, "V", True]],
            "left_out": [],
        }
        read = {"columns": ["JD", "mag"], "rows": [["2460001", "12.5"]], "lightcurve": curve}
        await asyncio.to_thread(table.write_text, json.dumps(read))

    async def draw_preview(self, source: Path, picture: Path, size: int, _stretch: str) -> None:
        self.drawn.append((source, size))
        await asyncio.sleep(0.05)
        if self.draw_fault is not None:
            raise self.draw_fault
        await asyncio.to_thread(picture.write_bytes, b"\x89PNG")

    async def live_preview(self, record: ProcessRecord, frame: int | None) -> bytes | None:
        """Return None: no run has a picture."""
        return None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        """Serve until the context ends, and yield a client."""
        services = Services(
            config=self.config,
            access=make_access(self.config, self.tokens, self.sessions),
            processes=cast(Any, self.processes),
            live=cast(Any, self.processes),
            archive=cast(Any, self.archive),
            tickets=Tickets(cast(Any, self.tickets)),
            shares=Shares(cast(Any, self.shares), cast(Any, self.keys)),
            ready=self.ready,
            draw_preview=self.draw_preview,
            read_headers=self.read_headers,
            write_table=self.write_table,
            describe_image=self.describe_image,
            read_pixels=self.read_pixels,
            expect_viewer=self.expect_viewer,
            compute_sky=self.compute_sky,
            read_light_curve=self.read_light_curve,
            preview_folder=self.previews,
            deliveries=cast(Any, self),
            live_preview=self.live_preview,
            disk_problem=lambda: self.disk_problem,
            server_status=self.server_status,
        )
        socket, port = bind_unused_port()
        application = (
            make_application(services)
            if self.config.http.prefix
            else Application(
                all_routes(services),
                log_function=finished(services.metrics, lines=self.config.log.requests),
            )
        )
        server = BoundedServer(application, max_body_size=1024**2)
        server.bound(self.config.http, self.certificate)
        server.add_socket(socket)
        http = AsyncHTTPClient(force_instance=True)
        try:
            yield Client(http, port, services)
        finally:
            http.close()
            server.stop()
            await services.sockets.close_all()
            await server.close_all_connections()


@dataclass
class Client:
    """A client of the server of a test."""

    http: AsyncHTTPClient
    port: int
    services: Services

    async def fetch(self, path: str, method: str = "GET", **options: Any) -> HTTPResponse:
        """Return whatever the server answers, errors and redirects too."""
        options.setdefault("follow_redirects", False)
        options.setdefault("allow_nonstandard_methods", True)
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.http.fetch(url, method=method, raise_error=False, **options)

    async def send(self, path: str, value: Any, method: str = "POST") -> HTTPResponse:
        """Send a value as JSON, and return the answer."""
        headers = {"Content-Type": "application/json"}
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        return await self.fetch(path, method, headers=headers, body=body)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a plain connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, request: bytes) -> bytes:
        """Send these bytes, and return what comes until the server closes."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds, for at most 5 s."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("The condition did not become true within 5 s")


def json_of(response: HTTPResponse) -> Any:
    """Return the JSON that a response holds."""
    return msgspec.json.decode(response.body)

"""A server for one test of the handlers: processes and archive live in dictionaries."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from handlers.routes import all_routes
from handlers.services import Services
from server.config import Config
from server.config_keys import Http, Uploads, Websockets
from server.errors import Conflict, InvalidInput, NotFound, TooLarge
from server.fan_out import Viewer
from server.frames import Frame, message
from server.log_bodies import Content
from server.receipt import Receipt, receipt_of
from server.records import (
    DataProduct,
    DataProductGroup,
    PipelineDescription,
    ProcessRecord,
    State,
    Target,
)
from server.store.page import Page
from server.store.sections import Section

T = TypeVar("T")

NOW = 1_564_740_586.489885


def a_target(pk: int = 1, **changes: Any) -> Target:
    """A target, M13 unless told otherwise."""
    return Target(pk=pk, created=NOW, identifier="m13", name="M13").evolve(**changes)


def a_process(pk: int = 51, **changes: Any) -> ProcessRecord:
    """A queued pipeline process."""
    record = ProcessRecord(
        pk=pk,
        created=NOW,
        identifier="dummy_m13_2019-08-02-100946",
        process_type="pipeline",
        pipeline="Dummy",
        target=1,
        products=[7],
        flags={},
    )
    return record.evolve(**changes)


def a_product(pk: int, name: str, data: bytes, **changes: Any) -> DataProduct:
    """A data product of target 1 with these bytes."""
    product = DataProduct(
        pk=pk,
        created=NOW,
        name=name,
        target=1,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        content_type="application/octet-stream",
    )
    return product.evolve(**changes)


@dataclass
class Body:
    """What `log_body` gives."""

    log: list[bytes] | AsyncIterator[bytes]
    version: str = "v1"

    async def read(self, compressed: bool = False) -> Content:
        if not isinstance(self.log, list):
            return Content(self.log, None)
        pieces = self.log
        if compressed:
            pieces = [gzip.compress(b"".join(self.log))]
        return Content(pieces, sum(map(len, pieces)), compressed)


class Lines(NamedTuple):
    """What `lines` gives."""

    entries: list[bytes]
    next: int
    ended: bool


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    """The pieces, one after the other."""
    for piece in pieces:
        yield piece


class Board:
    """A status board that counts how often its body was made."""

    version = 7

    def __init__(self, records: list[ProcessRecord]) -> None:
        self.records = records
        self.made = 0

    async def compressed(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        return [gzip.compress(b"".join(self.pieces(timestamp, limit)))]

    def pieces(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        self.made += 1
        processes = [record.status_fields() for record in self.records[:limit]]
        return [msgspec.json.encode({"timestamp": timestamp, "processes": processes})]


class FakeProcesses:
    """Processes as handlers see them. `calls` holds what was asked for."""

    def __init__(self) -> None:
        self.records: dict[int, ProcessRecord] = {}
        self.boards: dict[int, Board] = {}
        self.log: list[bytes] = []
        self.log_is_streamed = False
        self.lines_text = "a"
        self.calls: list[tuple[Any, ...]] = []
        self.fault: Exception | None = None
        self.log_fault: Exception | None = None
        self.frames: list[bytes | Exception] = []
        self.follows_on = asyncio.Event()
        self.cursor: int | None = None

    async def get(self, pk: int) -> ProcessRecord:
        if self.fault is not None:
            raise self.fault
        if pk not in self.records:
            raise NotFound("process", pk)
        return self.records[pk]

    async def find(self, **wanted: Any) -> Page[ProcessRecord]:
        self.calls.append(("find", wanted))
        return Page(sorted(self.records.values(), key=lambda record: -record.pk), None)

    async def submit(self, *given: Any) -> tuple[ProcessRecord, bool]:
        self.calls.append(("submit", *given))
        if self.fault is not None:
            raise self.fault
        record = a_process(51)
        new = record.pk not in self.records
        self.records[record.pk] = record
        return record, new

    async def cancel(self, pk: int) -> ProcessRecord:
        record = await self.get(pk)
        if record.state.ended:
            raise Conflict(f"Process {pk} has ended already")
        return record

    async def rerun(self, pk: int, flags: dict[str, bool] | None = None) -> ProcessRecord:
        self.calls.append(("rerun", pk, flags))
        return (await self.get(pk)).evolve(pk=pk + 1)

    async def delete(self, pk: int) -> None:
        del self.records[(await self.get(pk)).pk]

    async def sections(self, pk: int) -> list[Section]:
        await self.get(pk)
        return [Section(1, 1.5, "Measuring")]

    async def receipt(self, pk: int) -> Receipt:
        return receipt_of(await self.get(pk), None)

    async def count(self, _target: int, _most: int) -> int:
        return len(self.records)

    async def delete_of_target(self, target: int, force: bool) -> None:
        if not force:
            raise Conflict("There are processes")

    def pipelines(self) -> list[PipelineDescription]:
        return [PipelineDescription(name="Dummy", path="runners.dummy.Dummy", short_name="dummy")]

    def fields(self, record: ProcessRecord) -> dict[str, Any]:
        return {"pk": record.pk, **record.status_fields(), "state": record.state}

    async def succeeded_timelapses(self, target: int) -> list[ProcessRecord]:
        return [record for record in self.records.values() if record.state is State.SUCCEEDED]

    async def board(self, target: int) -> Board:
        if target not in self.boards:
            raise NotFound("target", target)
        return self.boards[target]

    async def log_body(self, pk: int) -> Body:
        record = await self.get(pk)
        if record.view_url is None:
            raise NotFound("pipeline process", pk)
        return Body(pieces_of(*self.log) if self.log_is_streamed else self.log)

    async def lines(self, *asked: Any) -> Lines:
        self.calls.append(("lines", *asked))
        first = b'[1,2.5,"info","%b"]' % self.lines_text.encode()
        return Lines([first, b'[2,2.5,"info","b"]'], 2, True)

    async def log_text(self, *asked: Any) -> AsyncIterator[bytes]:
        self.calls.append(("log_text", *asked))
        for piece in self.log:
            yield piece
        if self.log_fault is not None:
            raise self.log_fault

    async def follow(self, pk: int, after: int, viewer: Viewer) -> None:
        self.cursor = after
        await self.follow_status(pk, viewer)

    async def follow_status(self, _target: int, viewer: Viewer) -> None:
        for frame in self.frames:
            if isinstance(frame, Exception):
                raise frame
            viewer.push(Frame(message(frame)))
            await viewer.taken()
        await self.follows_on.wait()


class FakeUpload:
    """An upload that remembers whether it was left without a commit."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive
        self.parts: list[tuple[str, bytearray]] = []
        self.committed = False

    async def add(self, name: str) -> None:
        if not name:
            raise InvalidInput.of("file", "No name.")
        self.parts.append((name, bytearray()))

    async def write(self, data: bytes) -> None:
        if self.archive.write_fault is not None:
            raise self.archive.write_fault
        await self.archive.may_write.wait()
        self.parts[-1][1].extend(data)
        if len(self.parts[-1][1]) > self.archive.limit_bytes:
            raise TooLarge(self.archive.limit_bytes)

    async def commit(self) -> list[DataProduct]:
        if not self.parts:
            raise InvalidInput.of("file", "No file was sent.")
        self.committed = True
        return [
            self.archive.keep(10 + index, name, bytes(data))
            for index, (name, data) in enumerate(self.parts)
        ]


class FakeArchive:
    """The archive as handlers see it."""

    def __init__(self) -> None:
        self.stored_targets: dict[int, Target] = {1: a_target()}
        self.stored_products: dict[int, DataProduct] = {}
        self.stored_groups: dict[int, DataProductGroup] = {}
        self.bytes: dict[int, bytes] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.uploads: list[FakeUpload] = []
        self.left: list[FakeUpload] = []
        self.limit_bytes = 10**9
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.write_fault: Exception | None = None

    def keep(self, pk: int, name: str, data: bytes, **changes: Any) -> DataProduct:
        """Store a data product."""
        self.stored_products[pk] = a_product(pk, name, data, **changes)
        self.bytes[pk] = data
        return self.stored_products[pk]

    async def create_target(self, **given: Any) -> Target:
        self.calls.append(("create_target", given))
        return a_target(2, name=given["name"])

    async def edit_target(self, pk: int, changes: dict[str, Any]) -> Target:
        return (await self.target(pk)).evolve(**changes)

    async def delete_target(self, pk: int) -> None:
        del self.stored_targets[pk]

    async def target(self, pk: int) -> Target:
        return _one(self.stored_targets, "target", pk)

    async def count_products(self, _target: int, _most: int) -> int:
        return len(self.stored_products)

    async def targets(self, **wanted: Any) -> Page[Target]:
        self.calls.append(("targets", wanted))
        return Page(list(self.stored_targets.values()), 1)

    async def product(self, pk: int) -> DataProduct:
        return _one(self.stored_products, "data product", pk)

    async def existing(self, pks: list[int]) -> list[DataProduct]:
        return [self.stored_products[pk] for pk in pks if pk in self.stored_products]

    async def products(self, target: int, **_wanted: Any) -> Page[DataProduct]:
        return Page(list(self.stored_products.values()), None)

    async def group(self, pk: int) -> DataProductGroup:
        return _one(self.stored_groups, "group", pk)

    async def groups(self, **_wanted: Any) -> Page[DataProductGroup]:
        return Page(list(self.stored_groups.values()), None)

    async def product_fields(self, products: list[DataProduct]) -> list[dict[str, Any]]:
        return [{"pk": each.pk, "name": each.name, "size": each.size} for each in products]

    async def delete_product(self, pk: int) -> None:
        raise Conflict(f"Data product {pk} is needed")

    async def create_group(self, name: str, products: list[int]) -> DataProductGroup:
        group = DataProductGroup(pk=37, created=NOW, name=name, products=products)
        self.stored_groups[37] = group
        return group

    async def add_to_group(self, group: DataProductGroup, products: list[int]) -> DataProductGroup:
        return group.evolve(products=[*group.products, *products])

    async def delete_group(self, pk: int) -> None:
        del self.stored_groups[pk]

    async def read(self, product: DataProduct, start: int, stop: int) -> AsyncIterator[bytes]:
        data = self.bytes[product.pk][start:stop]
        for begin in range(0, len(data), 65_536):
            yield data[begin : begin + 65_536]

    async def path(self, product: DataProduct, _folder: Path) -> Path:
        return Path(f"/nowhere/{product.key}")

    @asynccontextmanager
    async def upload(self, _target: int) -> AsyncIterator[FakeUpload]:
        upload = FakeUpload(self)
        self.uploads.append(upload)
        try:
            yield upload
        finally:
            self.left.append(upload)


def _one(stored: dict[int, T], kind: str, pk: int) -> T:
    if pk not in stored:
        raise NotFound(kind, pk)
    return stored[pk]


@dataclass
class Fakes:
    """The collaborators, and the server that they make with these settings."""

    previews: Path = Path("/nowhere")
    processes: FakeProcesses = field(default_factory=FakeProcesses)
    archive: FakeArchive = field(default_factory=FakeArchive)
    config: Config = field(default_factory=Config)
    problem: str | None = None
    drawn: list[tuple[Path, int]] = field(default_factory=list)
    draw_fault: Exception | None = None

    def configure(
        self,
        http: dict[str, Any] | None = None,
        uploads: dict[str, Any] | None = None,
        websockets: dict[str, Any] | None = None,
    ) -> None:
        """Change settings."""
        self.config = replace(
            self.config,
            http=Http(**(http or {})),
            uploads=Uploads(**(uploads or {})),
            websockets=Websockets(**(websockets or {})),
        )

    async def ready(self) -> str | None:
        return self.problem

    async def headers(self, source: Path) -> dict[str, Any]:
        if self.draw_fault is not None:
            raise self.draw_fault
        return {"hdus": [{"name": source.name, "kind": "image", "cards": []}], "cut": False}

    async def preview(self, source: Path, picture: Path, size: int, _stretch: str) -> None:
        self.drawn.append((source, size))
        await asyncio.sleep(0.05)
        if self.draw_fault is not None:
            raise self.draw_fault
        await asyncio.to_thread(picture.write_bytes, b"\x89PNG")

    async def picture(self, record: ProcessRecord) -> bytes | None:
        """No run shows anything."""
        return None

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Client]:
        """Serve for as long as it takes."""
        services = Services(
            config=self.config,
            processes=cast(Any, self.processes),
            archive=cast(Any, self.archive),
            ready=self.ready,
            preview=self.preview,
            headers=self.headers,
            previews=self.previews,
            picture=self.picture,
        )
        socket, port = bind_unused_port()
        server = HTTPServer(Application(all_routes(services)), max_body_size=1024**2)
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
    """Asks the server of a test."""

    http: AsyncHTTPClient
    port: int
    services: Services

    async def fetch(self, path: str, method: str = "GET", **options: Any) -> HTTPResponse:
        """Whatever the server answers, errors and redirects too."""
        options.setdefault("follow_redirects", False)
        options.setdefault("allow_nonstandard_methods", True)
        url = f"http://127.0.0.1:{self.port}{path}"
        return await self.http.fetch(url, method=method, raise_error=False, **options)

    async def send(self, path: str, value: Any, method: str = "POST") -> HTTPResponse:
        """Send a value as JSON."""
        headers = {"Content-Type": "application/json"}
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        return await self.fetch(path, method, headers=headers, body=body)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain connection."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, request: bytes) -> bytes:
        """Send these bytes, and read until the server closes."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return answer


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, for 5 s at most."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It did not come to pass")


def json_of(response: HTTPResponse) -> Any:
    """The JSON that a response holds."""
    return msgspec.json.decode(response.body)

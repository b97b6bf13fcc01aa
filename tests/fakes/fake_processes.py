"""Processes for the tests of the handlers, kept in dictionaries."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from server.core.errors import Conflict, NotFound
from server.core.records import PipelineDescription, ProcessRecord, State
from server.live.feeds import Viewer
from server.live.websocket_frames import Frame, message
from server.logs.bodies import Content
from server.logs.reader import LinesPage
from server.processes.overview import Counts, Failed
from server.processes.receipt import Receipt, receipt_of
from server.store.base import Page
from server.store.processes.sections import Section
from tests.fakes.fake_archive import FakeArchive
from tests.fakes.some_records import a_process


@dataclass
class Body:
    """What `FakeLogBodies.get` returns."""

    log: list[bytes] | AsyncIterator[bytes]
    version: str = "v1"

    async def read(self, compressed: bool = False) -> Content:
        if not isinstance(self.log, list):
            return Content(self.log, None)
        pieces = self.log
        if compressed:
            pieces = [gzip.compress(b"".join(self.log))]
        return Content(pieces, sum(map(len, pieces)), compressed)


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    """Yield the pieces, one after the other."""
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


class FakeLogReader:
    """The lines of `FakeProcesses.log`."""

    def __init__(self, processes: FakeProcesses) -> None:
        self._processes = processes

    def seen(self, text: str) -> str:
        return text

    async def lines(
        self, record: ProcessRecord, *asked: Any, before: int | None = None, **_how: Any
    ) -> LinesPage:
        self._processes.calls.append(("lines", record.pk, *asked, before))
        await self._processes.read_log()
        first = b'[1,2.5,"info","%b"]' % self._processes.lines_text.encode()
        return LinesPage([first, b'[2,2.5,"info","b"]'], 2, True, (0, 2, 0, 0))

    async def text(self, *asked: Any, client: str = "") -> AsyncIterator[bytes]:
        self._processes.calls.append(("log_text", *asked))
        await self._processes.read_log()
        for piece in self._processes.log:
            yield piece
        if self._processes.log_fault is not None:
            raise self._processes.log_fault


class FakeLogBodies:
    """The whole of `FakeProcesses.log`."""

    def __init__(self, processes: FakeProcesses) -> None:
        self._processes = processes

    async def get(self, record: ProcessRecord) -> Body:
        if record.view_url is None:
            raise NotFound("pipeline process", record.pk)
        log = self._processes.log
        return Body(pieces_of(*log) if self._processes.log_is_streamed else log)


class FakeOverview:
    """What runs, waits and has failed of `FakeProcesses`."""

    def __init__(self, processes: FakeProcesses) -> None:
        self._processes = processes

    def _in(self, state: State) -> list[ProcessRecord]:
        return [each for each in self._processes.records.values() if each.state is state]

    @property
    def counts(self) -> Counts:
        return Counts(len(self._in(State.RUNNING)), len(self._in(State.QUEUED)))

    async def running(self, limit: int) -> list[ProcessRecord]:
        return self._in(State.RUNNING)[:limit]

    async def queued(self, limit: int) -> list[ProcessRecord]:
        return self._in(State.QUEUED)[:limit]

    async def failed(self, limit: int) -> list[Failed]:
        return [Failed(each, "It was cloudy") for each in self._in(State.FAILED)[:limit]]

    async def search(self, *asked: Any) -> list[ProcessRecord]:
        self._processes.calls.append(("search", *asked))
        return list(self._processes.records.values())


class FakeProcesses:
    """Processes as handlers see them. `calls` holds what was asked for."""

    def __init__(self, archive: FakeArchive) -> None:
        self.archive = archive
        dummy = PipelineDescription(name="Dummy", path="runners.dummy.Dummy", short_name="dummy")
        self.pipelines = {dummy.name: dummy}
        #: set when reading a log may go on, if anybody is to wait for that
        self.log_ready: asyncio.Event | None = None
        self.log_readers = 0
        self.log_reader = FakeLogReader(self)
        self.log_bodies = FakeLogBodies(self)
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
        self.followed_alone = False
        self.waits_for: str | None = None
        self.overview = FakeOverview(self)

    async def read_log(self) -> None:
        """Wait until the log is ready, counting who waits."""
        if self.log_ready is not None:
            self.log_readers += 1
            try:
                await self.log_ready.wait()
            finally:
                self.log_readers -= 1

    async def get(self, pk: int) -> ProcessRecord:
        if self.fault is not None:
            raise self.fault
        if pk not in self.records:
            raise NotFound("process", pk)
        return self.records[pk]

    async def find(self, **wanted: Any) -> Page[ProcessRecord]:
        self.calls.append(("find", wanted))
        states = wanted.get("states")
        found = [each for each in self.records.values() if not states or each.state in states]
        found.sort(key=lambda record: -record.pk)
        return Page(found[: wanted.get("limit")], None)

    async def submit(
        self, *given: Any, submitted_by: str | None = None
    ) -> tuple[ProcessRecord, bool]:
        self.calls.append(("submit", *given))
        if self.fault is not None:
            raise self.fault
        record = a_process(51, submitted_by=submitted_by)
        new = record.pk not in self.records
        self.records[record.pk] = record
        return record, new

    async def move(self, pk: int, *, to_front: bool) -> ProcessRecord:
        self.calls.append(("move", pk, to_front))
        record = await self.get(pk)
        if record.state is not State.QUEUED:
            raise Conflict(f"Process {pk} is not queued")
        return record

    async def cancel(self, pk: int) -> ProcessRecord:
        record = await self.get(pk)
        if record.state.ended:
            raise Conflict(f"Process {pk} has ended already")
        return record

    async def rerun(
        self, pk: int, flags: dict[str, bool] | None = None, *, submitted_by: str | None = None
    ) -> ProcessRecord:
        self.calls.append(("rerun", pk, flags))
        return (await self.get(pk)).evolve(pk=pk + 1, submitted_by=submitted_by)

    async def delete(self, pk: int) -> None:
        del self.records[(await self.get(pk)).pk]

    async def failure(self, record: ProcessRecord) -> None:
        self.calls.append(("failure", record.pk))

    async def sections(self, pk: int) -> list[Section]:
        await self.get(pk)
        return [Section(1, 1.5, "Measuring")]

    async def film_frames(self, pk: int) -> bytes:
        record = await self.get(pk)
        if record.process_type != "timelapse":
            raise NotFound("timelapse", pk)
        return b'{"frames":[],"left_out":[]}'

    async def receipt(self, pk: int) -> Receipt:
        return receipt_of(await self.get(pk), None, await self.log_stored_bytes(pk))

    async def log_stored_bytes(self, _pk: int) -> int:
        return 4_321_000

    async def count(self, _target: int, _most: int) -> int:
        return len(self.records)

    async def delete_target(self, pk: int, *, force: bool) -> None:
        await self.archive.targets.get(pk)
        if not force:
            raise Conflict("There are processes")
        await self.archive.targets.delete(pk)

    def fields_alone(self, record: ProcessRecord) -> dict[str, Any]:
        return self.fields(record) | {"waiting_for": None}

    def fields(self, record: ProcessRecord) -> dict[str, Any]:
        names = ("process_type", "pipeline", "target", "products", "flags", "state", "progress")
        names += ("started", "attempt", "log_lines", "outputs", "main", "group", "resources")
        names += ("submitted_by",)
        fields = {name: getattr(record, name) for name in names}
        return {
            "pk": record.pk,
            **record.status_fields(),
            **fields,
            "waiting_for": self.waits_for,
        }

    async def succeeded_timelapses(self, target: int) -> list[ProcessRecord]:
        return [record for record in self.records.values() if record.state is State.SUCCEEDED]

    async def board(self, target: int) -> Board:
        if target not in self.boards:
            raise NotFound("target", target)
        return self.boards[target]

    async def follow_alone(self, pk: int, after: int, viewer: Viewer) -> None:
        self.followed_alone = True
        await self.follow(pk, after, viewer)

    async def follow(self, pk: int, after: int, viewer: Viewer) -> None:
        self.cursor = after
        await self.follow_status(pk, viewer)

    async def follow_changes(self, target: int | None, viewer: Viewer) -> None:
        self.cursor = target
        await self.follow_status(0, viewer)

    async def follow_status(self, _target: int, viewer: Viewer) -> None:
        for frame in self.frames:
            if isinstance(frame, Exception):
                raise frame
            viewer.push(Frame(message(frame)))
            await viewer.taken()
        await self.follows_on.wait()

"""Logs being sealed: each line is readable at any moment, and in the end exists once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.archive.archive import Archive
from server.archive.storage import FileStorage
from server.core.hub import Hub
from server.core.records import ProcessRecord, State
from server.logs.entries import Line, encode_entries
from server.logs.logs import Logs
from server.logs.segments.sealed import SealedLogs
from server.operations import log_sealing, schema
from server.operations.log_sealing import LogSealer
from server.store.driver.collection import Collection
from server.store.installation import Facts
from server.store.processes.log_chunks import LogChunk
from tests.fakes.sealed_logs import Entry, entries_of_segment, sealed_entries
from tests.integration.archive.archive_bench import Bench, Limits, bench, examine

__all__ = ["bench"]

#: Several segments and a rest in few lines.
SEGMENT_LINES = 100
LINES = 350


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_sealing, "SEGMENT_LINES", SEGMENT_LINES)
    monkeypatch.setattr(log_sealing, "SEALED_BYTES", 4_000)


class Log:
    """A process with a log on a real database, what seals it, and what it ought to hold."""

    def __init__(self, bench: Bench, record: ProcessRecord, server: str | None = None) -> None:
        self.bench = bench
        self.record = record
        self.logs = Logs(bench.store.logs, Hub(), 1_000_000)
        self.entries: list[Entry] = []
        self.changed: list[ProcessRecord] = []
        self.full = False
        self.archive = bench.archive
        self.sealer = self.sealer_of(bench.archive, bench.folder.server_id)

    def sealer_of(self, archive: Archive, server: str, *, alone: bool = True) -> LogSealer:
        return LogSealer(
            store=self.bench.store,
            logs=self.logs,
            files=FileStorage(self.bench.folder.files),
            rollback=archive.rollback,
            incoming=self.bench.folder.incoming,
            server=server,
            changed=self.changed.append,
            full=lambda: self.full,
            alone=alone,
        )

    @property
    def pk(self) -> int:
        return self.record.pk

    async def write(self, count: int, at_once: int = 10) -> None:
        for start in range(0, count, at_once):
            first = len(self.entries) + 1
            numbers = range(first, first + min(at_once, count - start))
            lines = [Line(1.5, "info", f"line {number} ☆ {'x' * 40}") for number in numbers]
            await self.logs.append(self.pk, self.record.attempt, lines)
            self.entries += [
                [number, *line[:3]] for number, line in zip(numbers, lines, strict=True)
            ]

    async def end(self) -> None:
        extent = await self.logs.extent(self.pk)
        ending = {"state": State.FAILED, **extent}
        self.record = await self.bench.store.processes.end(
            self.pk, self.record.attempt, "s1", ending
        )
        self.logs.release(self.pk)

    async def segments(self) -> list[dict[str, Any]]:
        return [vars(segment) for segment in await self.bench.store.segments.read(self.pk)]

    async def chunks(self) -> list[LogChunk]:
        return await self.bench.store.logs.read(self.pk, 1, 10_000)

    async def read(self) -> list[Entry]:
        """Return all lines as a reader has to find them: in segments first, else in chunks."""
        entries: list[Entry] = []
        files = {
            key: (self.bench.folder.files / key).read_bytes()
            for key in self.bench.stored()
            if key.startswith("log-")
        }
        chunks = await self.chunks()
        for segment in await self.segments():
            assert segment["first"] == len(entries) + 1
            entries += entries_of_segment(segment["index"], files[segment["file"]])
        for chunk in chunks:
            for entry in _decoded(chunk):
                if entry[0] == len(entries) + 1:
                    entries.append(entry)
        return entries

    async def check_tidy(self) -> None:
        """Check that every line is there once, and nothing is left over."""
        await check_no_leftovers(self.bench)
        named = [segment["file"] for segment in await self.segments()]
        files = {key: (self.bench.folder.files / key).read_bytes() for key in named}
        sealed = sealed_entries(await self.segments(), files)
        rest = [entry for chunk in await self.chunks() for entry in _decoded(chunk)]
        assert sealed + rest == self.entries[: len(sealed) + len(rest)]
        assert len(sealed) + len(rest) == len(self.entries)
        assert await self.bench.store.processes.unsealed() == []


async def check_no_leftovers(bench: Bench) -> None:
    """Check that each file of a log has its segment, and each segment its process and file."""
    segments = await bench.store.segments._collection.find({})
    named = sorted(segment["file"] for segment in segments)
    assert named == [key for key in bench.stored() if key.startswith("log-")]
    there = await bench.store.processes.get_many({segment["process"] for segment in segments})
    assert {record.pk for record in there} == {segment["process"] for segment in segments}
    assert await bench.store.journal.all() == []
    assert list(bench.folder.incoming.iterdir()) == []


def _decoded(chunk: LogChunk) -> list[Entry]:
    entries: list[Entry] = json.loads(f"[{chunk.entries}]")
    return entries


async def a_log(bench: Bench, **fields: Any) -> Log:
    target = await bench.target()
    number = await bench.store.counters.next("identifier")
    return Log(bench, await bench.run(target.pk, f"dummy_{number}", **fields))


async def test_an_ended_log_goes_into_files(runner: asyncio.Runner, bench: Bench) -> None:
    log = await a_log(bench)
    await log.write(LINES)
    await log.end()
    await log.sealer.look()
    await log.check_tidy()
    segments = await log.segments()
    stretches = [(segment["first"], segment["last"]) for segment in segments]
    assert stretches == [(1, 100), (101, 200), (201, 300), (301, 350)]
    assert await log.chunks() == []
    text = "".join(f"{entry[3]}\n" for entry in log.entries)
    assert log.record.log_bytes == len(text.encode())
    assert await bench.store.segments.text_bytes(log.pk) == log.record.log_bytes


async def test_a_short_log_stays_where_it_is(runner: asyncio.Runner, bench: Bench) -> None:
    log = await a_log(bench)
    await log.write(20)
    await log.end()
    await bench.store.processes.mark_unsealed(log.pk)
    await log.sealer.look()
    await log.check_tidy()
    assert await log.segments() == []
    assert bench.stored() == []


async def test_what_a_lost_run_wrote_behind_the_end_is_deleted(
    runner: asyncio.Runner, bench: Bench
) -> None:
    log = await a_log(bench)
    await log.write(LINES)
    await log.end()
    late = encode_entries(LINES + 1, [Line(1.5, "info", "late")]).decode()
    await bench.store.logs.insert(LogChunk(log.pk, LINES + 1, 1, 1, late))
    await log.sealer.look()
    await log.check_tidy()


async def test_a_log_that_grows_is_sealed_but_for_its_last_chunk(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sealing, "LIVE_BYTES", 5_000)
    log = await a_log(bench)
    for _ in range(7):
        await log.write(50)
        await log.sealer.look()
        assert await log.read() == log.entries
    assert len(await log.segments()) >= 3
    chunks = await log.chunks()
    assert chunks
    assert chunks[-1].last == LINES
    assert len(chunks) < 20
    # A server that starts anew knows where the log ends.
    assert await bench.store.logs.last_line(log.pk) == LINES
    await log.end()
    await log.sealer.look()
    await log.check_tidy()


async def test_chunks_of_earlier_attempts_stay_in_the_way_of_lost_servers(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sealing, "LIVE_BYTES", 5_000)
    log = await a_log(bench)
    await log.write(30)
    extent = await log.logs.extent(log.pk)
    await bench.store.processes.requeue(log.pk, 1, "s1", extent)
    claimed = await bench.store.processes.claim("s1", 3.5)
    assert claimed is not None
    log.record = claimed
    await log.write(200)
    await log.sealer.look()
    assert len(await log.segments()) >= 1
    assert [chunk.first for chunk in await log.chunks()][:3] == [1, 11, 21]
    assert await log.read() == log.entries
    await log.end()
    await log.sealer.look()
    await log.check_tidy()


async def test_logs_from_before_are_sealed_after_an_upgrade(
    runner: asyncio.Runner, bench: Bench
) -> None:
    log, short = await a_log(bench), await a_log(bench)
    await log.write(LINES)
    await short.write(7)
    for each in (log, short):
        await each.end()
        processes = bench.store.processes._collection
        await processes.change({"_id": each.pk}, unset=("unsealed", "log_bytes"))
        for chunk in await each.chunks():
            await bench.store.logs._collection.change(
                {"_id": each.pk * 2**32 + chunk.first}, unset=("log_bytes", "text_bytes")
            )
    running = await a_log(bench)
    await running.write(LINES)
    await bench.store.installation.create(Facts("h1", schema.FIRST_VERSION))
    await schema.migrate(bench.store, schema.FIRST_VERSION)
    await log.sealer.look()
    await log.check_tidy()
    await short.check_tidy()
    assert await running.segments() == []
    counted = {record.pk: record.log_bytes for record in log.changed}
    for each in (log, short):
        text = "".join(f"{entry[3]}\n" for entry in each.entries)
        assert counted[each.pk] == len(text.encode())
    facts = await bench.store.installation.get()
    assert facts is not None
    assert facts.examined_logs is None


@pytest.mark.parametrize("damage", ["gap", "cut", "no entries"])
async def test_a_damaged_log_is_left_as_it_is_and_said_once(
    runner: asyncio.Runner, bench: Bench, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    log, sound = await a_log(bench), await a_log(bench)
    for each in (log, sound):
        await each.write(LINES)
        await each.end()
    chunks = bench.store.logs._collection
    if damage == "gap":
        await chunks.delete({"_id": log.pk * 2**32 + 41})
    elif damage == "cut":
        await chunks.delete({"_id": log.pk * 2**32 + 341})
    else:
        await chunks.change({"_id": log.pk * 2**32 + 41}, set={"entries": "[41,oh"})
    for _ in range(3):
        await log.sealer.look()
    assert len(await sound.segments()) == 4
    left = [each for each in caplog.records if each.__dict__.get("action") == "log_not_sealed"]
    assert [each.__dict__["process_pk"] for each in left] == [log.pk]
    if damage != "cut":
        assert len(await log.chunks()) >= 34


async def test_logs_are_sealed_in_a_storage_of_fsspec(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = FileStorage(f"memory://{bench.folder.path}")
    folder = bench.folder
    archive = Archive(*(bench.store, files, folder, examine, Limits()))
    log = await a_log(bench)
    log.sealer._files, log.sealer._rollback = files, archive.rollback
    await log.write(LINES)
    await log.end()
    await log.sealer.look()
    assert await log.chunks() == []
    sealed = SealedLogs(bench.store.segments, files, 1_000_000)
    reader = Logs(bench.store.logs, Hub(), 1_000_000, sealed=sealed)
    entries: list[Entry] = []
    while (part := await reader.read(log.pk, len(entries), stored=LINES)) is not None:
        entries += json.loads(b"[%b]" % part.entries)
    assert entries == log.entries
    named = [segment["file"] for segment in await log.segments()]
    await archive.transactions.remove_process(
        log.record, lambda record: bench.store.processes.delete(record.pk)
    )
    await files.check_free(named)
    assert await log.segments() == []
    assert list(folder.incoming.iterdir()) == []


async def test_a_growing_log_that_is_damaged_is_said_once(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(log_sealing, "LIVE_BYTES", 5_000)
    log = await a_log(bench)
    await log.write(200)
    await bench.store.logs._collection.delete({"_id": log.pk * 2**32 + 41})
    for _ in range(3):
        await log.sealer.look()
    left = [each for each in caplog.records if each.__dict__.get("action") == "log_not_sealed"]
    assert len(left) == 1
    assert await log.segments() == []


async def test_a_log_that_cannot_be_stored_keeps_no_other_from_being_sealed(
    runner: asyncio.Runner, bench: Bench
) -> None:
    stuck, other = await a_log(bench), await a_log(bench)
    for log in (stuck, other):
        await log.write(1_000)
        await log.end()
    in_the_way = bench.folder.files / f"log-{stuck.pk}"
    in_the_way.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(FileExistsError):
            await stuck.sealer.look()
    assert await other.segments()
    assert [record.pk for record in await bench.store.processes.unsealed()] == [stuck.pk]
    assert await bench.store.journal.all() == []
    in_the_way.unlink()
    await stuck.sealer.look()
    assert await stuck.segments()
    assert await stuck.read() == stuck.entries


async def test_a_deleted_process_leaves_no_file_of_its_log(
    runner: asyncio.Runner, bench: Bench
) -> None:
    log, other = await a_log(bench), await a_log(bench)
    for each in (log, other):
        await each.write(1_000)
        await each.end()
        await each.sealer.look()
    # The database was put back to where this log was not sealed yet, and sealed it again.
    orphan = bench.folder.files / f"log-{log.pk}" / "1-00000000.segment"
    orphan.write_bytes(b"left")
    await log.archive.transactions.remove_process(
        log.record, lambda record: bench.store.processes.delete(record.pk)
    )
    assert not orphan.parent.exists()
    assert await other.read() == other.entries


class Killed(BaseException):
    """Stands for the end of the server."""


class Kill:
    """Ends the server at the n-th step, a call of the database or of the storage.

    Nothing that the server tries after that has any effect.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.at, self.after = 0, False
        call = Collection._call

        async def faulty(collection: Collection, operation: str, work: Any) -> Any:
            self._before(f"{operation} {collection.name}")
            answer = await call(collection, operation, work)
            self._behind()
            return answer

        monkeypatch.setattr(Collection, "_call", faulty)
        for name in ("_put_local", "_delete_all"):
            monkeypatch.setattr(FileStorage, name, self._step(name, getattr(FileStorage, name)))

    def _step(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            self._before(name)
            answer = work(*arguments)
            self._behind()
            return answer

        return step

    def arm(self, at: int, *, after: bool) -> None:
        self.steps, self.at, self.after = [], at, after

    def _before(self, name: str) -> None:
        self.steps.append(name)
        if self.at and len(self.steps) >= self.at + self.after:
            raise Killed

    def _behind(self) -> None:
        if self.at and len(self.steps) == self.at and self.after:
            raise Killed


async def sweep(
    bench: Bench,
    kill: Kill,
    prepare: Callable[[], Awaitable[Log]],
    work: Callable[[Log], Awaitable[object]],
    check: Callable[[Log], Awaitable[None]],
) -> set[str]:
    """Kill the server at each step of the work; return the kinds of steps."""
    kinds: set[str] = set()
    for after in (False, True):
        at = 1
        while True:
            log = await prepare()
            kill.arm(at, after=after)
            try:
                await work(log)
                done = True
            except Killed:
                done = False
            kinds |= set(kill.steps)
            kill.arm(0, after=False)
            for leftover in bench.folder.incoming.iterdir():
                leftover.unlink()  # as each start does
            await check(log)
            if done:
                break
            at += 1
    return kinds


@pytest.mark.slow
async def test_a_kill_at_any_step_of_sealing_loses_and_doubles_nothing(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare() -> Log:
        log = await a_log(bench)
        await log.write(130)
        await log.end()
        return log

    async def check(log: Log) -> None:
        assert await log.read() == log.entries
        archive = bench.restarted()
        await archive.rollback.resolve_own()
        assert await log.read() == log.entries
        await log.sealer_of(archive, bench.folder.server_id).look()
        assert await log.segments()
        assert await log.read() == log.entries
        await log.check_tidy()

    kinds = await sweep(bench, Kill(monkeypatch), prepare, lambda log: log.sealer.look(), check)
    assert kinds >= {
        "insert journal",
        "_put_local",
        "change journal",
        "insert log_segments",
        "delete log_chunks",
        "delete journal",
    }

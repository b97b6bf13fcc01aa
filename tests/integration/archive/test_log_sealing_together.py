"""Logs being sealed while others do something with them: delete, take over, seal them too."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from server.archive.archive import Archive
from server.archive.storage import FileStorage
from server.core.disk.data_folder import DataFolder
from server.core.errors import DatabaseAway, NoRoom
from server.core.records import ProcessRecord
from server.operations import log_sealing
from server.store.processes.log_segments import LogSegment
from tests.integration.archive.archive_bench import Bench, Faults, Limits, Pauses, bench, examine
from tests.integration.archive.test_log_sealing import (
    Log,
    a_log,
    check_no_leftovers,
    short_segments,
)

__all__ = ["bench", "short_segments"]


async def an_ended_log(bench: Bench) -> Log:
    log = await a_log(bench)
    await log.write(130)
    await log.end()
    return log


async def delete(log: Log, archive: Archive | None = None) -> None:
    async def delete_record(record: ProcessRecord) -> None:
        await log.bench.store.processes.delete(record.pk)

    archive = archive or log.archive
    await archive.transactions.remove_process(log.record, delete_record)


async def settle(log: Log) -> None:
    """Restart the server, and let it seal what is left."""
    archive = log.bench.restarted()
    await archive.rollback.resolve_own()
    await log.sealer_of(archive, log.bench.folder.server_id).look()


async def check_deleted(log: Log) -> None:
    assert await log.chunks() == []
    assert await log.segments() == []
    await check_no_leftovers(log.bench)


async def test_a_deleted_process_takes_its_files_with_it(
    runner: asyncio.Runner, bench: Bench
) -> None:
    log, other = await an_ended_log(bench), await an_ended_log(bench)
    await log.sealer.look()
    await delete(log)
    await check_deleted(log)
    await other.check_tidy()


@pytest.mark.slow
async def test_a_process_deleted_at_any_step_of_sealing_leaves_nothing(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleting: list[Log] = []

    async def meanwhile() -> None:
        await delete(deleting[0])

    pauses = Pauses(monkeypatch, meanwhile)
    for at in range(1, 60):
        log = await an_ended_log(bench)
        deleting[:] = [log]
        pauses.at(at)
        await log.sealer.look()
        reached = pauses.calls >= at
        pauses.at(0)
        if not reached:
            return
        await settle(log)
        await check_deleted(log)
    pytest.fail("sealing takes more steps than this test has")


async def test_a_deletion_that_has_not_seen_the_new_segment_does_not_leave_its_file(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, segments = await an_ended_log(bench), bench.store.segments
    get = segments.get

    async def deleted_after(process: int, first: int) -> LogSegment | None:
        found = await get(process, first)
        # The rest of a deletion that has listed the files before there was one.
        await bench.store.processes.delete(process)
        await segments.delete(process)
        await bench.store.logs.delete(process)
        return found

    monkeypatch.setattr(segments, "get", deleted_after)
    await log.sealer.look()
    await check_deleted(log)


@pytest.mark.slow
async def test_a_process_sealed_at_any_step_of_its_deletion_leaves_nothing(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealing: list[Log] = []

    async def meanwhile() -> None:
        await sealing[0].sealer.look()

    pauses = Pauses(monkeypatch, meanwhile)
    for at in range(1, 60):
        log = await an_ended_log(bench)
        sealing[:] = [log]
        pauses.at(at)
        await delete(log)
        reached = pauses.calls >= at
        pauses.at(0)
        if not reached:
            return
        await settle(log)
        await check_deleted(log)
    pytest.fail("deleting takes more steps than this test has")


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("for_good", [False, True])
async def test_a_database_away_at_any_call_delays_and_no_more(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
    for_good: bool,
) -> None:
    faults = Faults(monkeypatch)
    for at in range(1, 80):
        log = await an_ended_log(bench)
        faults.at(at, after, for_good)
        with contextlib.suppress(DatabaseAway):
            await log.sealer.look()
        met = faults.met
        faults.none()
        assert await log.read() == log.entries
        await log.archive.rollback.resolve_leftovers()
        await log.sealer.look()
        await log.check_tidy()
        if not met:
            return
    pytest.fail("sealing takes more calls than this test has")


class Second:
    """Another server on the same database and files."""

    def __init__(self, bench: Bench, tmp_path: Path) -> None:
        self.folder = DataFolder.open(tmp_path / "second")
        self.archive = Archive(
            *(bench.store, FileStorage(bench.folder.files), self.folder, examine, Limits())
        )


@pytest.fixture
def second(bench: Bench, tmp_path: Path) -> Any:
    second = Second(bench, tmp_path)
    yield second
    second.folder.close()


@pytest.mark.slow
async def test_a_server_taken_for_dead_at_any_step_does_no_harm(
    runner: asyncio.Runner, bench: Bench, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one takes over what is in the journal and seals the log itself."""
    logs: list[Log] = []

    async def meanwhile() -> None:
        for entry in await second.archive.rollback.unfinished_of_others():
            await second.archive.rollback.take_over(entry)
        await logs[0].sealer_of(second.archive, second.folder.server_id).look()

    pauses = Pauses(monkeypatch, meanwhile)
    for at in range(1, 60):
        log = await an_ended_log(bench)
        logs[:] = [log]
        pauses.at(at)
        await log.sealer.look()
        reached = pauses.calls >= at
        pauses.at(0)
        assert await log.read() == log.entries
        await settle(log)
        await log.check_tidy()
        if not reached:
            return
    pytest.fail("sealing takes more steps than this test has")


async def test_two_servers_seal_the_same_log_at_once(
    runner: asyncio.Runner, bench: Bench, second: Second
) -> None:
    for _ in range(5):
        log = await an_ended_log(bench)
        other = log.sealer_of(second.archive, second.folder.server_id)
        await asyncio.gather(log.sealer.look(), other.look())
        await log.check_tidy()


async def test_of_several_servers_each_waits_before_it_seals(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await an_ended_log(bench)
    sealer = log.sealer_of(log.archive, bench.folder.server_id, alone=False)
    await sealer.look()
    assert await log.segments() == []
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: 1e9)
    await sealer.look()
    await log.check_tidy()


async def test_nothing_is_sealed_on_a_full_disk(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await an_ended_log(bench)
    log.full = True
    with pytest.raises(NoRoom):
        await log.sealer.look()
    assert await log.segments() == []
    log.full = False

    def no_room(*arguments: Any) -> None:
        raise NoRoom

    with monkeypatch.context() as patch:
        patch.setattr(FileStorage, "_put_local", no_room)
        with pytest.raises(NoRoom):
            await log.sealer.look()
    assert await bench.store.journal.all() == []
    assert await log.read() == log.entries
    await log.sealer.look()
    await log.check_tidy()


async def test_a_failure_that_lasts_is_said_once(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(log_sealing, "PAUSE_SECONDS", (0.001, 0.001))
    log = await an_ended_log(bench)
    tries = 0

    async def unsealed(**_: Any) -> list[ProcessRecord]:
        nonlocal tries
        tries += 1
        raise DatabaseAway

    monkeypatch.setattr(bench.store.processes, "unsealed", unsealed)
    log.sealer.start()
    while tries < 5:
        await asyncio.sleep(0.001)
    monkeypatch.undo()
    while await bench.store.processes.unsealed():
        await asyncio.sleep(0.01)
    await log.sealer.stop()
    said = [
        each for each in caplog.records if each.__dict__.get("action") == "log_sealing_deferred"
    ]
    assert len(said) == 1

"""The archive through kills and failures at every database call."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from server.archive.archive import Archive
from server.archive.storage import FileStorage
from server.core.disk.data_folder import DataFolder
from server.core.errors import Conflict, DatabaseAway
from server.core.records import ProcessRecord, State, Target
from server.store.processes.log_chunks import LogChunk
from tests.integration.archive.archive_bench import Bench, Faults, Limits, Pauses, bench, examine

pytestmark = pytest.mark.slow

__all__ = ["bench"]


async def upload_two(bench: Bench, target: Target) -> None:
    await bench.upload(target.pk, "a.fits", "b.fits")


async def publish_two(bench: Bench, target: Target) -> None:
    run = await bench.run(target.pk, f"dummy_{os.urandom(4).hex()}")
    files = bench.outputs(run, "a.csv", "b.csv")
    published = await bench.archive.outputs.publish(run, files)
    await twice(lambda: bench.end(run, published.products, published.group))
    await twice(lambda: bench.archive.outputs.confirm(published))


async def publish_measured(bench: Bench, target: Target) -> None:
    run = await bench.run(target.pk, f"dummy_{os.urandom(4).hex()}")
    files = [*bench.outputs(run, "a.csv", "b.csv"), bench.measurements(run, 1001)]
    published = await bench.archive.outputs.publish(run, files)
    await twice(
        lambda: bench.end(run, published.products, published.group, series=published.series)
    )
    await twice(lambda: bench.archive.outputs.confirm(published))


async def import_measured(bench: Bench, target: Target) -> None:
    [product, _] = (await bench.archive.products.find(target.pk)).items
    await bench.import_days(product, 1001)


async def upload_and_import(bench: Bench, target: Target) -> None:
    await upload_two(bench, target)
    await import_measured(bench, target)


async def twice(work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, once more if the database was away, as a server does that must not give up."""
    try:
        await work()
    except DatabaseAway:
        await work()


async def delete_one(bench: Bench, target: Target) -> None:
    [product, _] = (await bench.archive.products.find(target.pk)).items
    await bench.archive.products.delete(product.pk)


async def delete_process(bench: Bench, target: Target) -> None:
    for run in await bench.store.processes.of_target(target.pk):
        await bench.archive.transactions.remove_process(run, delete_record(bench))


def delete_record(bench: Bench) -> Callable[[ProcessRecord], Awaitable[None]]:
    async def delete(run: ProcessRecord) -> None:
        await bench.store.processes.delete(run.pk)

    return delete


SCENARIOS = [
    (upload_two, None),
    (publish_two, None),
    (publish_measured, None),
    (delete_one, upload_two),
    (delete_one, publish_two),
    (delete_process, publish_two),
    (delete_process, publish_measured),
    (import_measured, upload_two),
    (delete_one, upload_and_import),
]


async def check_whole_or_nothing(bench: Bench, target: Target) -> None:
    """Check that whatever is listed can be read, and that no output is there without its record."""
    products = (await bench.store.products.find(target.pk)).items
    assert (await bench.archive.products.find(target.pk)).items == products
    for product in products:
        assert (await bench.content(product)).startswith(b"content of")
    for run in await bench.store.processes.of_target(target.pk):
        mine = [product.pk for product in products if product.process == run.pk]
        assert run.outputs == sorted(mine)
        assert (run.group is None) == (run.outputs == [])
        if run.group is not None:
            assert (await bench.archive.groups.get(run.group)).products == run.outputs
    measured = (await bench.archive.light_curves.page(target.pk, limit=10_000)).rows
    assert len(measured) in (0, 1001)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("scenario", "prepare"), SCENARIOS)
async def test_a_server_that_ends_at_any_call_leaves_whole_things_or_nothing(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Bench, Target], Awaitable[None]],
    prepare: Callable[[Bench, Target], Awaitable[None]] | None,
    after: bool,
) -> None:
    """From the n-th call on nothing reaches the database any more, as after a kill."""
    faults = Faults(monkeypatch)
    call = 0
    while True:
        call += 1
        target = await bench.target()
        if prepare is not None:
            await prepare(bench, target)
        before = len(bench.stored())
        faults.at(call, after, for_good=True)
        with contextlib.suppress(DatabaseAway):
            await scenario(bench, target)
        met = faults.met
        faults.none()
        bench.archive = bench.restarted()
        await bench.archive.rollback.resolve_own()
        await bench.check_consistent()
        await check_whole_or_nothing(bench, target)
        if scenario in (upload_two, publish_two, publish_measured):
            assert len(bench.stored()) - before in (0, 2)
        if not met:
            break
        await settle_runs(bench)
    assert call > 6


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", [upload_two, publish_two, publish_measured])
async def test_a_call_that_fails_leaves_whole_things_or_nothing(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Bench, Target], Awaitable[None]],
    after: bool,
) -> None:
    """The server lives on: its next upload removes the last traces of the failure."""
    faults = Faults(monkeypatch)
    call = 0
    while True:
        call += 1
        target = await bench.target()
        before = len(bench.stored())
        faults.at(call, after, for_good=False)
        with contextlib.suppress(DatabaseAway):
            await scenario(bench, target)
        met = faults.met
        faults.none()
        await settle_runs(bench)
        await bench.upload((await bench.target()).pk, "next")
        await bench.check_consistent()
        await check_whole_or_nothing(bench, target)
        assert len(bench.stored()) - before in (1, 3)
        if not met:
            break
    assert call > 6


async def settle_runs(bench: Bench) -> None:
    """Settle leftover runs as the server's recovery does: discard their outputs, then fail them."""
    for run in await bench.store.processes.running():
        await bench.archive.outputs.discard(run.pk, run.attempt)
        await bench.store.processes.end(run.pk, run.attempt, "s1", {"state": State.FAILED})
    while (queued := await bench.store.processes.claim("s1", 2.5)) is not None:
        await bench.store.processes.end(queued.pk, queued.attempt, "s1", {"state": State.FAILED})


async def test_a_deleted_process_goes_whole(runner: asyncio.Runner, bench: Bench) -> None:
    target = await bench.target()
    await publish_two(bench, target)
    [run] = await bench.store.processes.of_target(target.pk)
    await bench.store.logs.insert(LogChunk(run.pk, 1, 1, 1, '[1,1.5,"info","a"]'))
    await delete_process(bench, target)
    assert await bench.store.logs.last_line(run.pk) == 0
    assert (await bench.archive.groups.find()).items == []
    assert bench.stored() == []
    await bench.check_consistent()


async def test_a_process_whose_output_is_needed_is_not_deleted(
    runner: asyncio.Runner, bench: Bench
) -> None:
    target = await bench.target()
    await publish_two(bench, target)
    [run] = await bench.store.processes.of_target(target.pk)
    user = await bench.run(target.pk, products=run.outputs[:1])
    with pytest.raises(Conflict, match=f"process {user.pk}"):
        await bench.archive.transactions.remove_process(run, delete_record(bench))
    assert await bench.store.processes.get(run.pk) == run
    await check_whole_or_nothing(bench, target)


async def test_a_deletion_that_met_its_server_s_end_is_finished_or_never_was(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, call, outcomes = Faults(monkeypatch), 0, set()
    while True:
        call += 1
        target = await bench.target()
        await publish_two(bench, target)
        [run] = await bench.store.processes.of_target(target.pk)
        await bench.store.logs.insert(LogChunk(run.pk, 1, 1, 1, '[1,1.5,"info","a"]'))
        faults.at(call, False, for_good=True)
        with contextlib.suppress(DatabaseAway):
            await delete_process(bench, target)
        met = faults.met
        faults.none()
        bench.archive = bench.restarted()
        await bench.archive.rollback.resolve_own()
        there = await bench.store.processes.of_target(target.pk) != []
        assert (await bench.store.logs.last_line(run.pk) == 1) is there
        assert len((await bench.archive.products.find(target.pk)).items) == (2 if there else 0)
        await bench.check_consistent()
        outcomes.add(there)
        if not met:
            break
    assert outcomes == {True, False}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("scenario", [delete_one, delete_process])
async def test_a_deletion_that_fails_is_finished_or_undone_without_a_restart(
    runner: asyncio.Runner,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    scenario: Callable[[Bench, Target], Awaitable[None]],
    after: bool,
) -> None:
    faults, call, met = Faults(monkeypatch), 0, True
    while met:
        call += 1
        target = await bench.target()
        await publish_two(bench, target)
        [before] = await bench.store.processes.of_target(target.pk)
        faults.at(call, after, for_good=False)
        with contextlib.suppress(DatabaseAway):
            await scenario(bench, target)
        met = faults.met
        faults.none()
        await bench.archive.rollback.resolve_leftovers()
        assert await bench.store.journal.all() == []
        # Whoever has it in memory was notified.
        there = await bench.store.processes.get_many([before.pk])
        assert (before.pk in bench.deleted) is (there == [])
        assert there in ([], [before], bench.shown[-1:])
        await bench.check_consistent()
        await check_whole_or_nothing(bench, target)
    assert call > 6


async def test_what_a_lost_server_left_is_settled_by_another(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other one shares the database and storage, and may come at any call."""
    folder = DataFolder.open(tmp_path / "another")
    another = Archive(bench.store, FileStorage(bench.folder.files), folder, examine, Limits())
    faults, call = Faults(monkeypatch), 0
    while True:
        call += 1
        target = await bench.target()
        faults.at(call, False, for_good=True)
        with contextlib.suppress(DatabaseAway):
            await upload_two(bench, target)
        met = faults.met
        faults.none()
        for entry in await another.rollback.unfinished_of_others():
            await another.rollback.take_over(entry)
        await bench.check_consistent()
        await check_whole_or_nothing(bench, target)
        if not met:
            break
    assert call > 6
    folder.close()


async def test_a_server_given_up_for_dead_does_not_bring_back_what_was_taken_back(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It stops just before each call of an upload, is taken over, and goes on."""
    folder = DataFolder.open(tmp_path / "another")
    another = Archive(bench.store, FileStorage(bench.folder.files), folder, examine, Limits())

    async def take_over() -> None:
        for entry in await another.rollback.unfinished_of_others():
            await another.rollback.take_over(entry)

    pauses, call, refused = Pauses(monkeypatch, take_over), 0, 0
    while True:
        call += 1
        target = await bench.target()
        before = len(bench.stored())
        pauses.at(call)
        try:
            await upload_two(bench, target)
        except DatabaseAway:
            refused += 1
            assert len(bench.stored()) == before
        else:
            assert len(bench.stored()) == before + 2
        met = pauses.met
        pauses.at(0)
        await bench.check_consistent()
        await check_whole_or_nothing(bench, target)
        if not met:
            break
    assert refused > 0
    folder.close()


async def test_nothing_stays_of_outputs_that_were_stored_after_they_were_taken_back(
    runner: asyncio.Runner, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that is cut off goes on after each call of a publication, and ends nothing."""
    folder = DataFolder.open(tmp_path / "another")
    another = Archive(bench.store, FileStorage(bench.folder.files), folder, examine, Limits())

    async def take_over() -> None:
        for entry in await another.rollback.unfinished_of_others():
            await another.rollback.take_over(entry)

    pauses, call, refused, met = Pauses(monkeypatch, take_over), 0, 0, True
    while met:
        call += 1
        run = await bench.run((await bench.target()).pk, f"dummy_{call}")
        files = [*bench.outputs(run, "a.fits", "b.txt"), bench.measurements(run, 3)]
        pauses.at(call)
        with contextlib.suppress(DatabaseAway):
            publication = await bench.archive.outputs.publish(run, files)
            refused -= 1
        refused += 1
        met = pauses.met
        pauses.at(0)
        if met:
            await another.outputs.discard(run.pk, run.attempt)
        else:
            await bench.end(run, publication.products, publication.group, publication.series)
            await bench.archive.outputs.confirm(publication)
        await bench.check_consistent()
    assert refused > 3
    folder.close()

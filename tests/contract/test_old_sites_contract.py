"""What the store promises of sites that were moved in, on each engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.core.errors import AlreadyTaken
from server.core.records import ProcessRecord, State
from server.store import Store
from server.store.archive.light_curves import Import, LightCurveChunk
from server.store.archive.old_sites import OldRecord, OldSite
from tests.fakes.some_records import a_record, a_target

SITE = "t1"


async def of_site(store: Store, site: str, kind: Any) -> dict[int, int]:
    """Return all that was brought."""
    found: dict[int, int] = {}
    async for part in store.old_records.of_site(site, kind):
        assert list(part) == sorted(part)
        assert not found.keys() & part.keys()
        found |= part
    return found


def test_a_site_is_kept_as_it_is_put(store: Store, runner: asyncio.Runner) -> None:
    site = OldSite(SITE, 1.5, claimed={"target": [[1, 9, 0], [3, 4, 10]]}, through={"last": 3})

    async def work() -> None:
        assert await store.old_sites.get(SITE) is None
        await store.old_sites.put(site)
        assert await store.old_sites.get(SITE) == site
        await store.old_sites.advance(SITE, {"last": 4, "begin": 1})
        found = await store.old_sites.get(SITE)
        assert found is not None
        assert found.through == {"last": 4, "begin": 1}
        assert found.claimed == site.claimed

    runner.run(work())


def test_old_records_are_found_by_pk_path_and_site(store: Store, runner: asyncio.Runner) -> None:
    async def work() -> None:
        records = store.old_records
        await records.insert_many(
            [OldRecord(SITE, "dataproduct", old, old, f"M 13/none/{old}") for old in (2, 10, 9)]
        )
        await records.insert_many([OldRecord("t2", "dataproduct", 2, 77, "M 13/none/2")])
        await records.insert_many([OldRecord(SITE, "target", pk, pk) for pk in range(1, 1203)])
        assert await records.new_pk("dataproduct", 2) == 77
        assert await records.new_pk("dataproduct", 10) is None
        assert await records.new_pk("processes", 2) is None
        assert await records.at_path("M 13/none/2") == 77
        assert await records.at_path("M 13/none/9") == 9
        assert await records.at_path("M 13/none/") is None
        assert await records.known(SITE, "dataproduct", [1, 2, 9]) == {2: 2, 9: 9}
        assert await of_site(store, SITE, "dataproduct") == {2: 2, 9: 9, 10: 10}
        assert len(await of_site(store, SITE, "target")) == 1202
        assert await of_site(store, "t", "target") == {}
        with pytest.raises(AlreadyTaken):
            await records.insert_many([OldRecord(SITE, "target", 5, 6)])

    runner.run(work())


def test_ended_processes_come_as_they_are(store: Store, runner: asyncio.Runner) -> None:
    ended: list[ProcessRecord] = [
        a_record(pk).evolve(
            state=State.FAILED, status="failed", terminal_timestamp=9.0, log_lines=lines,
            log_bytes=lines * 10, outputs=[1],
        )
        for pk, lines in ((4, 1), (5, 10_000))
    ]  # fmt: skip

    async def work() -> None:
        await store.processes.insert_ended(ended)
        assert await store.processes.get_many([4, 5]) == ended
        assert [each.pk for each in await store.processes.unsealed()] == [5]
        assert [each.pk for each in await store.processes.of_target(ended[0].target)] == [5, 4]
        page = await store.processes.find(states=[State.FAILED])
        assert [each.pk for each in page.items] == [5, 4]
        assert await store.processes.unnotified() == []
        assert await store.processes.queued() == []
        changed = await store.processes.add_outputs(4, [3, 1])
        assert changed is not None
        assert (changed.outputs, changed.version) == ([1, 3], 2)
        assert await store.processes.add_outputs(4, [3]) is None
        assert await store.processes.add_outputs(9, [3]) is None

    runner.run(work())


def test_targets_come_together(store: Store, runner: asyncio.Runner) -> None:
    async def work() -> None:
        targets = [a_target(pk, identifier=f"t-{pk}", extra_fields={"a.b": pk}) for pk in (1, 2)]
        await store.targets.insert_many(targets)
        assert await store.targets.get_many([1, 2]) == targets
        assert await store.targets.by_identifier("t-2") == targets[1]

    runner.run(work())


def test_series_are_deleted_by_their_numbers(store: Store, runner: asyncio.Runner) -> None:
    async def work() -> None:
        chunks = [
            LightCurveChunk(first, 1, 7, None, series, "{}", product)
            for first, series, product in ((1, 1, None), (5, 5, 3), (6, 5, 3), (9, 9, None))
        ]
        await store.light_curves.insert_many(chunks)
        for series, product in ((1, 0), (5, 3), (9, 0)):
            await store.imports.insert(Import(series, product, 7, 1))
        assert await store.light_curves.delete_numbered(2, 9) == [5]
        await store.imports.delete_many([5])
        assert [each.series for each in await store.imports.of_target(7)] == [1, 9]
        left = await store.light_curves.read(7, limit=10)
        assert sorted(chunk.first for chunk in left) == [1, 9]

    runner.run(work())

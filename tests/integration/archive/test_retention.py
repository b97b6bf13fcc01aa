"""What has been kept for long enough goes, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.app import assembly
from server.config import Config
from server.config.sections import Retention
from server.operations import retention
from tests.fakes.folders import file_bytes
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

#: A day after this part of it is over at once.
AT_ONCE = 1e-9
LONG = 1000.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(retention, "SETTLE_SECONDS", 1.0)


def keeping(folder: Path, **settings: Any) -> Config:
    return replace(make_config(folder), retention=Retention(**settings))


async def until(condition: Callable[[], Any]) -> Any:
    """Return what a condition returns, once that is true."""
    async with asyncio.timeout(30):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


async def gone(client: Client, path: str) -> None:
    async def missing() -> bool:
        return (await client.fetch(path)).code == 404

    await until(missing)


async def test_processes_go_with_log_and_outputs_and_uploads_stay(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as running:
        client = Client(running.url)
        record = await client.run("Outputs")
        assert record["outputs"]
    with serving(keeping(tmp_path, process_days=AT_ONCE)) as running:
        client = Client(running.url)
        await gone(client, f"/api/processes/{record['pk']}/")
        for output in record["outputs"]:
            await gone(client, f"/api/dataproducts/{output}/")
        await gone(client, f"/api/groups/{record['group']}/")
        for product in record["products"]:
            assert (await client.fetch(f"/api/dataproducts/{product}/")).code == 200
        status = await client.call(f"/api/async/status/{record['target']}/")
        assert status["processes"] == []


@pytest.mark.slow
async def test_a_log_goes_whether_sealed_or_not_and_its_process_says_so(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as running:
        client = Client(running.url)
        short, long = [await client.run("Counts", lines=lines) for lines in (3, 3000)]

        async def sealed() -> bool:
            return bool(list((tmp_path / "files").glob(f"log-{long['pk']}/*.segment")))

        await until(sealed)
        for record in (short, long):
            assert len(await client.lines(record["pk"])) == record["log_lines"] > 0
    with serving(keeping(tmp_path, log_days=AT_ONCE)) as running:
        client = Client(running.url)
        for record in (short, long):
            path = f"/api/processes/{record['pk']}/"
            await client.until(record["pk"], lambda now: now["log_lines"] == 0)
            assert await client.lines(record["pk"]) == []
            assert (await client.fetch(f"{path}logs.txt")).body == b""
            assert (await client.call(f"/api/pipeline/logs/{record['pk']}/"))["logs"] == ""
            receipt = await client.call(f"{path}receipt/")
            assert receipt["log_removed"] >= record["terminal_timestamp"]
            page = (await client.fetch(f"/processes/{record['pk']}")).body.decode()
            assert "Its log was deleted" in page
            kept = await client.call(path)
            assert {**kept, "log_lines": 0, "log_bytes": 0} == {
                **record, "log_lines": 0, "log_bytes": 0,
            }  # fmt: skip

        async def unsealed() -> bool:
            return not list((tmp_path / "files").glob(f"log-{long['pk']}*"))

        await until(unsealed)

        async def nothing_stored() -> bool:
            receipt = await client.call(f"/api/processes/{long['pk']}/receipt/")
            return bool(receipt["log_stored_bytes"] == 0)

        await until(nothing_stored)


@pytest.mark.slow
async def test_outputs_go_and_their_process_stays_with_its_log(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as running:
        record = await Client(running.url).run("Outputs")
    with serving(keeping(tmp_path, output_days=AT_ONCE)) as running:
        client = Client(running.url)
        after = await client.until(record["pk"], lambda now: now["group"] is None)
        assert after["outputs"] == []
        assert after["log_lines"] == record["log_lines"]
        await gone(client, f"/api/groups/{record['group']}/")
        for output in record["outputs"]:
            await gone(client, f"/api/dataproducts/{output}/")


async def test_what_is_younger_or_has_not_ended_stays(tmp_path: Path) -> None:
    settings = {"process_days": LONG, "log_days": LONG, "output_days": LONG, "free_bytes": 1}
    with serving(keeping(tmp_path, **settings)) as running:
        client = Client(running.url)
        record = await client.run("Outputs")
        await asyncio.sleep(0)
        again = await client.run("Outputs")  # several rounds have passed meanwhile
        for each in (record, again):
            assert await client.call(f"/api/processes/{each['pk']}/") == each


@pytest.mark.slow
async def test_an_output_that_a_process_needs_stays_until_that_has_ended(tmp_path: Path) -> None:
    with serving(make_config(tmp_path)) as running:
        client = Client(running.url)
        record = await client.run("Outputs")
    with serving(keeping(tmp_path, process_days=AT_ONCE)) as running:
        client = Client(running.url)
        # Whichever comes first: either the submit finds no output, or the output stays.
        body = {"target": record["target"], "pipeline": "Waits", "products": record["outputs"]}
        response = await client.fetch("/api/processes/", "POST", body)
        if response.code == 201:
            for output in record["outputs"]:
                assert (await client.fetch(f"/api/dataproducts/{output}/")).code == 200
            (user,) = (await client.call("/api/processes/?state=queued,running"))["processes"]
            await client.call(f"/api/processes/{user['pk']}/cancel/", "POST", status=202)
        await gone(client, f"/api/processes/{record['pk']}/")


@pytest.mark.slow
async def test_space_is_made_by_deleting_what_ended_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(make_config(tmp_path)) as running:
        client = Client(running.url)
        records = [await client.run("Outputs") for _ in range(4)]
    folder = tmp_path / "files"

    def free(_: Path) -> int:
        """Count as on a disk of a million bytes that holds only the stored files."""
        return 1_000_000 - file_bytes(folder)

    # The first two have to go: half of what all four take beside one byte.
    outputs = [output for record in records for output in record["outputs"]]
    sizes = [path.stat().st_size for pk in outputs for path in (folder / str(pk)).iterdir()]
    wanted = free(tmp_path) + sum(sizes) // 4 + 1
    monkeypatch.setattr(assembly, "free_bytes", free)
    with serving(keeping(tmp_path, free_bytes=wanted)) as running:
        client = Client(running.url)
        for record in records[:2]:
            await gone(client, f"/api/processes/{record['pk']}/")
        await until(lambda: asyncio.sleep(0, free(tmp_path) >= wanted))
        for record in records[2:]:
            assert (await client.fetch(f"/api/processes/{record['pk']}/")).code == 200


@pytest.mark.slow
async def test_nothing_goes_for_more_than_the_whole_disk_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(make_config(tmp_path)) as running:
        record = await Client(running.url).run("Outputs")
    wanted = retention.disk_bytes(tmp_path) + 1
    with serving(keeping(tmp_path, free_bytes=wanted)) as running:
        client = Client(running.url)

        async def refused() -> bool:
            actions = [getattr(each, "action", None) for each in caplog.records]
            return "retention_unreachable" in actions

        await until(refused)
        assert (await client.fetch(f"/api/processes/{record['pk']}/")).code == 200

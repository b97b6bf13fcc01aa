"""Starting, stopping, killing and restarting: what was accepted stays, and nothing gets stuck."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import Servers
from tests.integration.conftest import Client

pytestmark = [pytest.mark.gen_test(timeout=110), pytest.mark.timeout(120)]


async def waiting_run(client: Client, **flags: bool) -> tuple[dict[str, Any], int]:
    """Start a run that waits; return its record and the PID of its child."""
    target = await client.make_target("Restart")
    products = await client.upload(target, ("a", b"x"))
    record = await client.submit("Waits", target, products, **flags)
    await client.until(record["pk"], lambda now: now["status"] == "Waiting")
    async with asyncio.timeout(10):
        while not (lines := await client.lines(record["pk"])):
            await asyncio.sleep(0.01)
    return record, int(lines[0][3].split()[1])


async def gone(pid: int) -> None:
    """Wait until an OS process has ended, whether or not its parent has noticed."""
    async with asyncio.timeout(5):
        with contextlib.suppress(psutil.NoSuchProcess):
            while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                await asyncio.sleep(0.01)


async def test_everything_is_still_there_after_a_restart(servers: Servers) -> None:
    first = servers.start()
    client = first.client()
    record = await client.run("Chatty")
    logs = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert first.end(signal.SIGINT) == 0
    client = servers.start().client()
    assert await client.call(f"/api/processes/{record['pk']}/") == record
    assert await client.call(f"/api/pipeline/logs/{record['pk']}/") == logs
    [product] = record["products"]
    fetched = await client.call(f"/api/dataproducts/{product}/")
    assert (await client.fetch(fetched["url"])).body == b"not really FITS"


async def test_a_killed_server_leaves_no_run_behind_and_no_record_running(
    servers: Servers,
) -> None:
    first = servers.start()
    client = first.client()
    record, child = await waiting_run(client)
    first.end(signal.SIGKILL)
    await gone(child)
    client = servers.start().client()
    again = await client.until(record["pk"], lambda now: now["attempt"] == 2)
    texts = [entry[3] for entry in await client.lines(record["pk"])]
    assert any(text.startswith("Lost: the server that ran it stopped") for text in texts)
    assert again["created"] == record["created"]
    await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", status=202)
    ended = await client.ended(record["pk"])
    assert ended["state"] == "cancelled"
    numbers = [entry[0] for entry in await client.lines(record["pk"])]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.slow
async def test_a_run_lost_too_often_fails_with_its_words(servers: Servers) -> None:
    client = servers.start().client()
    record, _ = await waiting_run(client)
    for attempt in (2, 3):
        servers.started[-1].end(signal.SIGKILL)
        client = servers.start().client()
        if attempt == 2:
            await client.until(record["pk"], lambda now: now["status"] == "Waiting")
    ended = await client.ended(record["pk"])
    assert ended["state"] == "failed"
    assert ended["failure_message"] == "Lost: the server that ran it stopped"


@pytest.mark.slow
async def test_a_stopped_server_hands_its_runs_back(servers: Servers) -> None:
    first = servers.start()
    record, child = await waiting_run(first.client())
    assert first.end() == 0
    await gone(child)
    client = servers.start().client()
    again = await client.until(record["pk"], lambda now: now["attempt"] == 2)
    assert again["state"] == "running"
    await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", status=202)
    await client.ended(record["pk"])


@pytest.mark.slow
async def test_a_second_server_on_the_folder_is_told_who_holds_it(servers: Servers) -> None:
    servers.start().client()
    second = servers.start()
    assert second.process.wait(40) == 2
    assert str(servers.started[0].process.pid) in "".join(second.printed)


async def test_a_taken_port_is_named(servers: Servers) -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = servers.start("--port", str(port))
        assert server.process.wait(40) == 2
    assert str(port) in "".join(server.printed)


@pytest.mark.parametrize("entry", ["nothing", "a..b", "{class: a.B, retry: 1}"])
async def test_a_pipeline_of_the_configuration_without_a_class_path_stops_the_start(
    servers: Servers, entry: str
) -> None:
    server = servers.start(environment={"HELIOGRAPH_PIPELINES": f"{{Mine: {entry}}}"})
    assert server.process.wait(40) == 2
    assert "pipelines.Mine" in "".join(server.printed)


async def test_a_pipeline_that_cannot_be_imported_does_not_stop_the_start(servers: Servers) -> None:
    written = {"HELIOGRAPH_PIPELINES": "{Mine: sample_pipelines.Nothing}"}
    client = servers.start(environment=written).client()
    listed = (await client.call("/api/pipelines/"))["pipelines"]
    errors = {each["name"]: each["error"] for each in listed}
    assert errors["Mine"] == "sample_pipelines has no class Nothing"
    assert errors["Dummy"] is None


@pytest.mark.slow
async def test_a_run_sees_no_secret_of_the_server(servers: Servers) -> None:
    client = servers.start(environment={"HELIOGRAPH_TEST_SECRET": "hush"}).client()
    _, child = await waiting_run(client)
    environment = psutil.Process(child).environ()
    assert [name for name in environment if name.startswith("HELIOGRAPH_")] == []

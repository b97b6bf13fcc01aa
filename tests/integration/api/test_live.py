"""The websockets of a real server, compared with what the polls say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.integration.conftest import Client, Running

pytestmark = pytest.mark.gen_test(timeout=40)


@asynccontextmanager
async def connected(url: str | HTTPRequest) -> AsyncIterator[WebSocketClientConnection]:
    """Yield a socket; close it afterwards, and wait for the server's close frame."""
    socket = await websocket_connect(url)
    try:
        yield socket
    finally:
        socket.close()
        while socket.protocol is not None:
            await asyncio.sleep(0.001)


async def next_message(socket: WebSocketClientConnection) -> Any:
    message = await socket.read_message()
    return None if message is None else json.loads(message)


async def followed(url: str) -> tuple[list[Any], list[dict[str, Any]], int | None]:
    """Return all entries and records until the end, and the close code."""
    entries: list[Any] = []
    records: list[dict[str, Any]] = []
    async with connected(url) as socket:
        while (message := await next_message(socket)) is not None:
            match message["type"]:
                case "lines":
                    entries += message["lines"]
                case "process":
                    records.append(message["process"])
                case "end":
                    assert await socket.read_message() is None
                    return entries, records, socket.close_code
    raise AssertionError("the socket closed before its end")


def text_of(entries: list[Any]) -> str:
    return "".join(entry[3] + ("" if len(entry) == 5 else "\n") for entry in entries)


async def started(client: Client, lines: int, pause: float = 0.0) -> dict[str, Any]:
    target = await client.make_target(extra_fields={"lines": lines, "pause": pause})
    products = await client.upload(target, ("a", b"x"))
    return await client.submit("Counts", target, products)


async def test_a_followed_log_is_the_polled_one_byte_for_byte(
    client: Client, running: Running
) -> None:
    record = await started(client, 20_000)
    url = f"{running.socket_url}/ws/pipeline/logs/{record['pk']}/"
    entries, records, code = await followed(url)
    polled = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert text_of(entries) == polled["logs"]
    assert [entry[0] for entry in entries] == list(range(1, 20_001))
    assert records[-1]["state"] == "succeeded"
    assert records[-1]["log_lines"] == 20_000
    assert code == 1000


async def test_a_reader_that_comes_back_by_its_cursor_sees_each_line_once(
    client: Client, running: Running
) -> None:
    record = await started(client, 400, pause=0.002)
    url = f"{running.socket_url}/ws/pipeline/logs/{record['pk']}/"
    entries: list[Any] = []
    for _ in range(5):
        got = 0
        async with connected(f"{url}?after={entries[-1][0] if entries else 0}") as socket:
            while got < 20:
                message = await next_message(socket)
                if message["type"] == "lines":
                    entries += message["lines"]
                    got += len(message["lines"])
    rest, _, _ = await followed(f"{url}?after={entries[-1][0]}")
    polled = await client.call(f"/api/pipeline/logs/{record['pk']}/")
    assert text_of(entries + rest) == polled["logs"]
    assert [entry[0] for entry in entries + rest] == list(range(1, 401))


async def test_an_ended_log_is_sent_whole_and_past_its_end_nothing(
    client: Client, running: Running
) -> None:
    record = await client.ended((await started(client, 50))["pk"])
    url = f"{running.socket_url}/ws/processes/{record['pk']}/logs/"
    assert len((await followed(url))[0]) == 50
    assert (await followed(f"{url}?after=1000"))[0] == []


async def test_the_status_socket_starts_with_the_polled_body_and_tells_each_change(
    client: Client, running: Running
) -> None:
    target = await client.make_target("Status")
    products = await client.upload(target, ("a.txt", b"x"))
    async with connected(f"{running.socket_url}/ws/async/status/{target}/") as socket:
        snapshot = await next_message(socket)
        assert snapshot["type"] == "snapshot"
        assert snapshot["processes"] == []
        record = await client.submit("Outputs", target, products)
        statuses: list[str] = []
        while not statuses or statuses[-1] != "created":
            message = await next_message(socket)
            assert list(message) == ["type", "timestamp", "process"]
            assert message["process"]["identifier"] == record["identifier"]
            statuses.append(message["process"]["status"])
    polled = await client.call(f"/api/async/status/{target}/")
    assert polled["processes"] == [message["process"]]


async def test_a_deleted_process_closes_its_followers_with_4404(
    client: Client, running: Running
) -> None:
    target = await client.make_target("Deleted")
    async with connected(f"{running.socket_url}/ws/async/status/{target}/") as socket:
        await next_message(socket)
        await client.call(f"/api/targets/{target}/", "DELETE", status=204)
        assert await socket.read_message() is None
        assert socket.close_code == 4404


async def test_the_sections_of_a_log_begin_where_statuses_were_set(client: Client) -> None:
    target = await client.make_target("Sections")
    products = await client.upload(target, ("b.txt", b"y"))
    record = await client.ended((await client.submit("Stages", target, products))["pk"])
    told = await client.call(f"/api/processes/{record['pk']}/sections/")
    lines = {entry[0]: entry[3] for entry in await client.lines(record["pk"])}
    assert [(lines[line], status) for line, _, status in told["sections"]] == [
        ("first of 0", "Stage 0"),
        ("first of 1", "Stage 1"),
        ("first of 2", "Stage 2"),
    ]
    assert all(record["started"] <= when for _, when, _ in told["sections"])
    await client.call(f"/api/processes/{record['pk']}/", "DELETE", status=204)
    await client.call(f"/api/processes/{record['pk']}/sections/", status=404)

"""The websockets: what is refused before the upgrade, how they close, and which are closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from server.core.errors import DatabaseAway, NotFound
from server.live.feeds import Viewer
from server.live.websocket_frames import Frame, message
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, json_of, until
from tests.fakes.some_records import a_process, a_target

pytestmark = pytest.mark.gen_test

LOG = "/ws/pipeline/logs/51/"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def with_a_process() -> Fakes:
    fakes = Fakes()
    fakes.processes.records = {51: a_process(51), 52: a_process(52, process_type="timelapse")}
    fakes.processes.boards[1] = Board([a_process(51)])
    return fakes


@asynccontextmanager
async def viewing(
    client: Client, path: str = LOG, **headers: str
) -> AsyncIterator[WebSocketClientConnection]:
    request = HTTPRequest(f"ws://127.0.0.1:{client.port}{path}", headers=headers)
    viewer = await websocket_connect(request)
    try:
        yield viewer
    finally:
        viewer.close()


@pytest.mark.parametrize(
    "path", ["/ws/async/status/1/", LOG, "/ws/processes/51/logs/", "/ws/processes/52/logs/"]
)
async def test_frames_come_in_order_and_the_end_closes_with_1000(path: str) -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b'{"type":"process"}', b'{"type":"end"}']
    fakes.processes.follows_on.set()
    async with fakes.serving() as client, viewing(client, path) as viewer:
        assert await viewer.read_message() == '{"type":"process"}'
        assert await viewer.read_message() == '{"type":"end"}'
        assert await viewer.read_message() is None
        assert viewer.close_code == 1000


async def test_the_cursor_is_passed_on() -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client, viewing(client, f"{LOG}?after=17") as viewer:
        await viewer.read_message()
        assert fakes.processes.cursor == 17


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/ws/pipeline/logs/9/", {}, 404),
        ("/ws/pipeline/logs/0/", {}, 404),
        ("/ws/pipeline/logs/52/", {}, 404),
        ("/ws/processes/9/logs/", {}, 404),
        ("/ws/async/status/9/", {}, 404),
        ("/ws/nothing/", {}, 404),
        ("/ws/changes/?target=9", {}, 404),
        ("/ws/changes/?target=9999999999", {}, 404),
        ("/ws/changes/?target=", {}, 400),
        ("/ws/changes/?target=0", {}, 400),
        ("/ws/changes/?target=1x", {}, 400),
        ("/ws/changes/", {"Origin": "http://evil.example"}, 403),
        ("/ws/pipeline/logs/51", {}, 404),
        (f"{LOG}?after=x", {}, 400),
        (f"{LOG}?after=-1", {}, 400),
        (LOG, {"Origin": "http://evil.example"}, 403),
        (LOG, {"Host": "evil.example"}, 421),
        (LOG, {"Upgrade": "h2c"}, 400),
    ],
)
async def test_what_is_wrong_is_told_before_the_upgrade(
    path: str, headers: dict[str, str], code: int
) -> None:
    async with with_a_process().serving() as client:
        response = await client.fetch(path, headers=UPGRADE | headers)
        assert response.code == code
        assert json_of(response)


@pytest.mark.parametrize(("query", "target"), [("?target=1", 1), ("", None)])
async def test_changes_are_of_one_target_or_of_all(query: str, target: int | None) -> None:
    fakes = with_a_process()
    fakes.archive.stored_targets = {1: a_target(1)}
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client, viewing(client, f"/ws/changes/{query}") as viewer:
        assert await viewer.read_message() == "{}"
        assert fakes.processes.cursor == target


async def test_our_own_pages_may_connect() -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client:
        origin = f"http://127.0.0.1:{client.port}"
        async with viewing(client, Origin=origin) as viewer:
            assert await viewer.read_message() == "{}"


async def test_a_token_is_needed_where_there_are_any() -> None:
    fakes = with_a_process()
    fakes.configure(http={"tokens": ("an-unguessable-token",)})
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client:
        assert (await client.fetch(LOG, headers=UPGRADE)).code == 401
        async with viewing(client, Authorization="Bearer an-unguessable-token") as viewer:
            assert await viewer.read_message() == "{}"


@pytest.mark.parametrize(
    ("error", "code"), [(NotFound("process", 51), 4404), (DatabaseAway(), 1013)]
)
async def test_errors_close_with_a_code_of_their_own(error: Exception, code: int) -> None:
    fakes = with_a_process()
    fakes.processes.frames = [error]
    async with fakes.serving() as client, viewing(client) as viewer:
        assert await viewer.read_message() is None
        assert viewer.close_code == code


async def test_the_unforeseen_closes_with_1011_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fakes = with_a_process()
    fakes.processes.frames = [ZeroDivisionError()]
    async with fakes.serving() as client, viewing(client) as viewer:
        with caplog.at_level(logging.ERROR):
            assert await viewer.read_message() is None
        assert viewer.close_code == 1011
        assert "ZeroDivisionError" in caplog.text


async def test_shutdown_closes_all_with_1001_and_takes_no_more() -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client:
        async with viewing(client) as one, viewing(client, "/ws/async/status/1/") as other:
            for viewer in (one, other):
                await viewer.read_message()
            assert len(client.services.sockets) == 2
            await client.services.sockets.close_all()
            for viewer in (one, other):
                assert await viewer.read_message() is None
                assert viewer.close_code == 1001
        async with viewing(client) as late:
            assert await late.read_message() is None
            assert late.close_code == 1001


async def test_a_viewer_that_leaves_is_forgotten() -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client:
        async with viewing(client) as viewer:
            await viewer.read_message()
        await until(lambda: not len(client.services.sockets))


GOODBYE = b"\x88\x02\x03\xf5"  # a close frame with 1013


async def upgraded(client: Client) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a websocket whose client sends nothing by itself."""
    reader, writer = await client.connect()
    lines = [f"GET {LOG} HTTP/1.1", "Host: localhost", *map(": ".join, UPGRADE.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def test_a_viewer_that_does_not_read_is_closed_with_1013_and_holds_one_frame(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fakes = with_a_process()
    fakes.configure(websockets={"write_seconds": 0.2})
    taken = 0

    async def endless(pk: int, after: int, viewer: Viewer) -> None:
        nonlocal taken
        while True:
            taken += 1
            viewer.push(Frame(message(b"x" * 100_000)))
            await viewer.taken()
            await asyncio.sleep(0)

    fakes.processes.follow = endless  # type: ignore[method-assign]
    async with fakes.serving() as client:
        reader, writer = await upgraded(client)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        before = -1
        while taken != before:
            before = taken
            await asyncio.sleep(0.15)
        await asyncio.sleep(0.3)
        assert taken == before
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        received = bytearray()
        while not received.endswith(GOODBYE):
            received += await reader.read(65_536)
        assert received.count(b"x") > (taken - 1) * 100_000 - 200_000
        writer.close()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


async def test_a_viewer_that_answers_no_pings_is_closed_with_1013() -> None:
    fakes = with_a_process()
    fakes.configure(websockets={"ping_seconds": 0.1})
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client, viewing(client) as there:
        await there.read_message()
        reader, writer = await upgraded(client)
        received = bytearray()
        while not received.endswith(GOODBYE):
            received += await reader.read(65_536)
        writer.close()
        await until(lambda: len(client.services.sockets) == 1)
        await asyncio.sleep(0.4)
        assert len(client.services.sockets) == 1


async def test_what_clients_say_is_ignored_unless_it_is_long() -> None:
    fakes = with_a_process()
    fakes.processes.frames = [b"{}"]
    async with fakes.serving() as client, viewing(client) as viewer:
        await viewer.read_message()
        await viewer.write_message("hello")
        await viewer.write_message("x" * 5000)
        assert await viewer.read_message() is None
        assert viewer.close_code == 1009

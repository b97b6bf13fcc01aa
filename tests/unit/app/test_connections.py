"""Connections: bounds, time-outs, and what happens when no more files can be opened."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from server.app.connections import accepting
from server.app.connections.bounds import Bounds, client_of
from server.core.disk import open_files
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes, until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test(timeout=30)

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(**http: float) -> AsyncIterator[Client]:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.configure(http=dict(http))
    async with fakes.serving() as client:
        yield client


async def closed_after(connection: Connection, patience: float = 10.0) -> float:
    """Return after how many seconds the server has closed a connection."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(connection[0].read(), patience)
    connection[1].close()
    return time.monotonic() - began


async def is_served(connection: Connection) -> bool:
    """Return whether a request on this connection is answered."""
    reader, writer = connection
    try:
        writer.write(ALIVE)
        await writer.drain()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        await reader.readexactly(len(b'{"status":"ok"}'))
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    return head.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with serving(header_seconds=0.4) as client:
        assert 0.3 < await closed_after(await client.connect()) < 5


async def test_headers_that_drip_are_closed_however_often_a_byte_comes() -> None:
    async with serving(header_seconds=0.6) as client:
        reader, writer = await client.connect()
        closing = asyncio.ensure_future(closed_after((reader, writer)))
        for byte in ALIVE.replace(b"\r\n", b"  ") * 10:
            if closing.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        assert 0.5 < await closing < 5


async def test_a_connection_is_closed_when_it_has_been_idle_after_an_answer() -> None:
    async with serving(header_seconds=0.3, idle_seconds=1.0) as client:
        connection = await client.connect()
        for _ in range(3):
            assert await is_served(connection)
            await asyncio.sleep(0.45)
        assert await is_served(connection)
        assert 0.8 < await closed_after(connection) < 5


@pytest.mark.parametrize("framing", [b"Content-Length: 900", b"Transfer-Encoding: chunked"])
async def test_a_body_that_stops_is_closed_and_one_that_goes_on_slowly_is_not(
    framing: bytes,
) -> None:
    head = b"POST /api/targets/ HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % framing
    head += b"Content-Type: application/json\r\n\r\n"
    async with serving(body_seconds=0.6, header_seconds=0.3, idle_seconds=0.3) as client:
        reader, writer = await client.connect()
        writer.write(head)
        for _ in range(10):
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.1)
            assert not reader.at_eof()
        assert 0.35 < await closed_after((reader, writer)) < 5


async def test_a_client_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    monkeypatch.setattr(Board, "compressed", _too_much)
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.configure(http={"idle_seconds": 0.5})
    async with fakes.serving() as client:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(listener, ("127.0.0.1", client.port))
        await loop.sock_sendall(
            listener, b"GET /api/async/status/1/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        assert await asyncio.wait_for(_is_cut(listener), 10)
        listener.close()


async def _too_much(_board: Board, _timestamp: float, _limit: int | None = None) -> list[bytes]:
    return [b"x" * 64 * 1024**2]


async def _is_cut(listener: socket.socket) -> bool:
    """Wait until the server has closed a connection that is not read; look without reading."""
    while True:
        # Keeps TCP's window shut; the kernel tells of the end in the socket's state.
        state = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state != 1:  # no longer ESTABLISHED
            return True
        await asyncio.sleep(0.05)


async def test_websockets_are_not_idle() -> None:
    async with serving(header_seconds=0.3, idle_seconds=0.3, body_seconds=0.3) as client:
        reader, writer = await client.connect()
        writer.write(
            b"GET /ws/async/status/1/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        silent = await client.connect()
        await closed_after(silent)
        await asyncio.sleep(0.5)
        writer.write(b"\x89\x80abcd")
        assert await asyncio.wait_for(reader.readexactly(2), 5) == b"\x8a\x00"
        writer.close()


@pytest.mark.parametrize("bound", ["connections", "connections_per_address"])
async def test_connections_over_a_bound_are_closed_at_once_and_counted_in_the_log(
    bound: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(**{bound: 5}) as client:
        held = [await client.connect() for _ in range(5)]
        assert all([await is_served(each) for each in held])
        for _ in range(200):
            assert not await is_served_anew(client)
        assert await is_served(held[0])
        lines = [record for record in caplog.records if "over the bounds" in record.message]
        assert len(lines) == 1
        for _, writer in held:
            writer.close()
        await until_served(client)


async def is_served_anew(client: Client) -> bool:
    """Return whether a new connection is served."""
    connection = await client.connect()
    served = await is_served(connection)
    connection[1].close()
    return served


async def until_served(client: Client) -> None:
    """Wait until a new connection is served."""
    for _ in range(100):
        if await is_served_anew(client):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no new connection was served")


@contextmanager
def no_files_left() -> Iterator[None]:
    """Lower the limit of open files to what is open, so that nothing more can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(400, soft), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                opened.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for each in opened:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_files_left_accepting_pauses_says_so_once_and_goes_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "PAUSE_SECONDS", 0.02)
    async with serving() as client:
        waiting = socket.socket()
        waiting.setblocking(False)
        held = await client.connect()
        with no_files_left():
            await asyncio.get_running_loop().sock_connect(waiting, ("127.0.0.1", client.port))
            await until(lambda: "No connection can be accepted" in caplog.text)
            assert await is_served(held)
            await asyncio.sleep(0.2)  # some ten more tries, none of which is logged
        served = await asyncio.open_connection(sock=waiting)
        for each in (served, held):
            assert await is_served(each)
            each[1].close()
    # Other parts that open files then have errors of their own.
    [paused] = [record for record in caplog.records if "No connection can" in record.getMessage()]
    assert "Errno" not in paused.getMessage()


async def test_a_listener_can_be_stopped_while_it_pauses() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    acceptor = accepting.Acceptor(listener, lambda _connection, _address: None)
    client = socket.create_connection(listener.getsockname())
    acceptor._pause(OSError(24, "Too many open files"))
    acceptor.stop()
    await asyncio.sleep(accepting.PAUSE_SECONDS * 1.2)
    client.close()
    listener.close()


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    try:
        assert open_files.spare() == 250
        open_files.raise_limit()
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert raised == (open_files.LARGEST if hard == resource.RLIM_INFINITY else hard)
        assert open_files.spare() == raised - 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("2001:db8:1:2:3::4", 1, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_is_counted_by_its_network(address: object, client: str) -> None:
    assert client_of(address) == client


def test_bounds_forget_clients_that_have_gone() -> None:
    bounds = Bounds(most=3, most_per_address=2)
    assert [bounds.admit(each) for each in "aaabb"] == [True, True, False, True, False]
    bounds.release("a")
    assert bounds.admit("b")
    for each in "abb":
        bounds.release(each)
    assert (bounds.open, dict(bounds._of)) == (0, {})

"""Many viewers and many lines: nothing is lost, no viewer delays another, memory stays bounded.

Each test has a small form that always runs, and the full one, which takes minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psutil
import pytest
from tornado.websocket import WebSocketClosedError, websocket_connect

from tests.acceptance.conftest import Servers
from tests.integration.conftest import Client

pytestmark = pytest.mark.slow

LONG = [pytest.mark.long, pytest.mark.timeout(1_200), pytest.mark.gen_test(timeout=1_200)]
SHORT = [pytest.mark.timeout(180), pytest.mark.gen_test(timeout=170)]

_decode = msgspec.json.Decoder().decode


class Seen:
    """What a viewer has received so far, checked line by line."""

    def __init__(self) -> None:
        self.last = 0
        self.ended = False
        self.statuses: list[float] = []
        self.ages: list[float] = []
        self._hash = hashlib.sha256()

    def take(self, text: str | bytes) -> None:
        """Check one message and count it in."""
        message = _decode(text)
        self.ended = self.ended or message["type"] == "end"
        if message["type"] == "lines":
            self.ages.append(time.time() - message["lines"][-1][1])
            for entry in message["lines"]:
                assert entry[0] == self.last + 1
                self.last += 1
                self._hash.update(entry[3].encode() + b"\n")

    @property
    def digest(self) -> str:
        """The digest of all text."""
        return self._hash.hexdigest()


def digest_of(lines: int) -> str:
    """Return the digest that a viewer of all of `Counts` or `Paced` has."""
    text = hashlib.sha256()
    for number in range(1, lines + 1):
        text.update(b"line %d\n" % number)
    return text.hexdigest()


async def follow(client: Client, pk: int, seen: Seen, messages: int | None = None) -> None:
    """Take messages from the last line seen, to the end or until this many have come."""
    url = client.url.replace("http", "ws", 1)
    viewer = await websocket_connect(f"{url}/ws/processes/{pk}/logs/?after={seen.last}")
    try:
        while messages is None or messages > 0:
            message = await viewer.read_message()
            if message is None:
                return
            seen.take(message)
            messages = None if messages is None else messages - 1
    except WebSocketClosedError:
        return
    finally:
        viewer.close()
        while viewer.protocol is not None:
            await asyncio.sleep(0.001)


async def submit(client: Client, pipeline: str, **extra: Any) -> dict[str, Any]:
    target = await client.make_target(pipeline, extra_fields=extra)
    products = await client.upload(target, ("a.fits", b"x"))
    return await client.submit(pipeline, target, products)


async def wait_for_end(client: Client, pk: int) -> dict[str, Any]:
    while (record := await client.call(f"/api/processes/{pk}/"))["terminal_timestamp"] is None:
        await asyncio.sleep(0.1)
    assert record["state"] == "succeeded"
    return dict(record)


@pytest.mark.parametrize(
    ("lines", "viewers", "disconnects"),
    [
        pytest.param(20_000, 4, 5, marks=SHORT),
        pytest.param(1_000_000, 10, 10, marks=LONG),
    ],
)
async def test_a_flood_arrives_byte_for_byte_through_all_disconnects(
    servers: Servers, lines: int, viewers: int, disconnects: int
) -> None:
    client = servers.start().client()
    record = await submit(client, "Counts", lines=lines)
    chance = random.Random(lines)

    async def one() -> Seen:
        seen = Seen()
        for _ in range(disconnects):
            await follow(client, record["pk"], seen, chance.randint(1, lines // 20_000 + 5))
        while not seen.ended:
            await follow(client, record["pk"], seen)
        return seen

    found = await asyncio.gather(*(one() for _ in range(viewers)))
    assert [seen.last for seen in found] == [lines] * viewers
    assert {seen.digest for seen in found} == {digest_of(lines)}


@contextmanager
def stalled(client: Client, pk: int, count: int) -> Iterator[list[socket.socket]]:
    """Yield the sockets of viewers that ask for a log and never read."""
    host, port = client.url.removeprefix("http://").split(":")
    sockets = []
    try:
        for _ in range(count):
            one = socket.socket()
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            one.connect((host, int(port)))
            one.sendall(
                b"GET /ws/processes/%d/logs/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % pk
            )
        yield sockets
    finally:
        for one in sockets:
            one.close()


def p99(ages: list[float]) -> float:
    return sorted(ages)[int(len(ages) * 0.99)]


@pytest.mark.parametrize(
    ("viewers", "lines"),
    [pytest.param(100, 100_000, marks=SHORT), pytest.param(1_000, 400_000, marks=LONG)],
)
async def test_viewers_that_never_read_cost_little_and_slow_nobody(
    servers: Servers, viewers: int, lines: int
) -> None:
    patience = {
        "HELIOGRAPH_WEBSOCKETS_WRITE_SECONDS": "600",
        "HELIOGRAPH_WEBSOCKETS_PING_SECONDS": "600",
    }
    server = servers.start(environment=patience)
    client = server.client()
    large = await wait_for_end(client, (await submit(client, "Counts", lines=lines))["pk"])
    warm = Seen()
    await follow(client, large["pk"], warm)
    assert warm.last == lines

    async def healthy() -> Seen:
        record = await submit(client, "Counts", lines=300, pause=0.01)
        seen = Seen()
        await follow(client, record["pk"], seen)
        assert seen.last == 300
        return seen

    alone = await healthy()
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    with stalled(client, large["pk"], viewers):
        async with asyncio.timeout(100):
            while len(process.net_connections("tcp")) < viewers:
                await asyncio.sleep(0.1)
        beside = await healthy()
        grown = process.memory_info().rss - before
    assert grown / viewers < 256 * 1024, f"{grown / viewers:,.0f} bytes for each"
    if viewers == 1_000:  # fewer of them cost less than the noise of a busy machine
        assert p99(beside.ages) < max(2 * p99(alone.ages), 0.02)


@pytest.mark.parametrize(
    ("rate", "seconds", "latest"),
    # The short form runs on busy machines too.
    [pytest.param(2_000, 2, 10.0, marks=SHORT), pytest.param(50_000, 60, 1.0, marks=LONG)],
)
async def test_a_steady_flood_is_stored_whole_while_the_status_stays_fresh(
    servers: Servers, rate: int, seconds: int, latest: float
) -> None:
    client = servers.start().client()
    record = await submit(client, "Paced", rate=rate, seconds=seconds)
    url = client.url.replace("http", "ws", 1)
    viewer = await websocket_connect(f"{url}/ws/async/status/{record['target']}/")
    late = []
    status = ""
    while status != "created":
        text = await viewer.read_message()
        assert text is not None
        message = _decode(text)
        if message["type"] == "status":
            status = message["process"]["status"]
            if status.startswith("at "):
                late.append(time.time() - float(status.removeprefix("at ")))
    viewer.close()
    while viewer.protocol is not None:
        await asyncio.sleep(0.001)
    assert late
    assert max(late) < latest
    ended = await client.call(f"/api/processes/{record['pk']}/")
    assert ended["log_lines"] == rate * seconds
    assert ended["terminal_timestamp"] - ended["started"] < 1.2 * seconds + 5 * latest
    text = (await client.fetch(f"/api/processes/{record['pk']}/logs.txt", request_timeout=600)).body
    assert hashlib.sha256(text).hexdigest() == digest_of(rate * seconds)

"""How late viewers on one server see what another one has stored, looked at again and again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.reliability.tools.observer import Observer
from tests.reliability.tools.serving import Client

SAMPLE_SECONDS = 1.0
SHOWN_SECONDS = 10.0
#: How many lines of a log are waited for in one look.
LINES = 20
FROM_THE_END = 1_000_000_000

#: Returns when the last trouble was over, by the monotonic clock; None during one.
QuietSince = Callable[[], float | None]


async def watch(clients: Sequence[Client], quiet_since: QuietSince, late: list[float]) -> None:
    """Note the seconds after which a viewer of one server sees a submit on another one."""
    watched = await _on_a_target("watched", clients[0])
    body = {
        "target": watched.target,
        "pipeline": "Quick",
        "products": await watched.upload("a.fits"),
        "flags": {},
    }
    number = 0
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        writer, reader = clients[number % len(clients)], clients[(number + 1) % len(clients)]
        number += 1
        before = quiet_since()
        with contextlib.suppress(Exception):  # a server may be killed at any moment
            seconds = await _seen_after(writer, reader, body)
            # What trouble delays is no measure; a server settles within a second after it.
            if before is not None and quiet_since() == before:
                late.append(seconds)


async def watch_lines(
    clients: Sequence[Client], quiet_since: QuietSince, late: list[float]
) -> None:
    """Note by how many seconds lines of a run come later on one server than on another."""
    watched = await _on_a_target("read", clients[0])
    products = await watched.upload("a.fits")
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        pk = None
        with contextlib.suppress(Exception):
            pk = await watched.submit("Waits", products, steady=True)
            before = quiet_since()
            seconds = await _apart(clients, pk)
            if before is not None and quiet_since() == before:
                late += seconds
        if pk is not None:
            await watched.cancel(pk)


async def _on_a_target(name: str, client: Client) -> Observer:
    observer = Observer(client)
    await observer.begin(name)
    return observer


async def _seen_after(writer: Client, reader: Client, body: dict[str, Any]) -> float:
    """Return after how many seconds a viewer of one server has a submit on another one."""
    socket = await _open(reader, f"/ws/async/status/{body['target']}/")
    try:
        async with asyncio.timeout(SHOWN_SECONDS):
            await socket.read_message()
            made = await writer.call("/api/processes/", "POST", body, 201)
            stored = time.monotonic()
            while made["identifier"] not in str(await socket.read_message()):
                pass
            return time.monotonic() - stored
    finally:
        socket.close()


async def _apart(clients: Sequence[Client], pk: int) -> list[float]:
    """Return for some lines how many seconds lie between the first server and the last one."""
    arrived: list[dict[int, float]] = [{} for _ in clients]
    path = f"/ws/processes/{pk}/logs/?after={FROM_THE_END}"
    sockets = []
    try:
        for client, came in zip(clients, arrived, strict=True):
            sockets.append(await _open(client, path, partial(_note, came)))
        async with asyncio.timeout(SHOWN_SECONDS):
            while len(common := set.intersection(*map(set, arrived))) < LINES:
                await asyncio.sleep(0.05)
    finally:
        for socket in sockets:
            socket.close()
    # The last one may have had its first line as it was opened.
    several = sorted(common)[1:]
    return [max(times) - min(times) for line in several if (times := [a[line] for a in arrived])]


def _note(came: dict[int, float], message: str | bytes | None) -> None:
    """Note when the lines of a message came, by their numbers."""
    for entry in [] if message is None else msgspec.json.decode(message).get("lines", []):
        came[entry[0]] = time.monotonic()


async def _open(
    client: Client, path: str, on_message: Callable[[str | bytes | None], None] | None = None
) -> WebSocketClientConnection:
    url = (await client.server.url()).replace("http", "ws", 1)
    request = HTTPRequest(f"{url}{path}", headers=client.credentials)
    return await websocket_connect(request, on_message_callback=on_message)

"""Viewers: websockets that count what they receive, as cheaply as Python can."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

LINES = b'{"type":"lines"'
END = b'{"type":"end"}'
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Viewer(asyncio.Protocol):
    """A viewer that counts frames of lines; done after enough frames, or after certain bytes."""

    def __init__(self, path: str, enough: int = 0, until: bytes = b"") -> None:
        loop = asyncio.get_running_loop()
        self._path = path
        self._enough = enough
        self._until = until
        self._rest = b""
        self.upgraded: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self.frames = 0

    def connection_made(self, transport: Any) -> None:
        """Ask for the websocket."""
        self.transport = transport
        transport.write(UPGRADE % self._path.encode())

    def data_received(self, data: bytes) -> None:
        """Count the frames."""
        if not self.upgraded.done():
            if b"101" not in data[:20]:
                raise RuntimeError(data[:500].decode())
            self.upgraded.set_result(None)
        data = self._rest + data
        self.frames += data.count(LINES)
        self._rest = data[-len(LINES) + 1 :]
        enough = self._enough and self.frames >= self._enough
        if (enough or (self._until and self._until in data)) and not self.done.done():
            self.done.set_result(None)
        self.see(data)

    def see(self, data: bytes) -> None:
        """Do nothing; subclasses look closer."""

    def connection_lost(self, error: Exception | None) -> None:
        """Report the loss to whoever waits."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("closed"))


class Clocked(Viewer):
    """A viewer that notes how old the lines are."""

    def __init__(self, path: str, until: bytes = END) -> None:
        super().__init__(path, until=until)
        self.ages: list[float] = []

    def see(self, data: bytes) -> None:
        """Read the times in the data; a line nearly always comes in one piece."""
        now = time.monotonic_ns()
        for part in data.split(b'"at ')[1:]:
            self.ages.append((now - int(part.split(b'"')[0])) / 1e6)


class Flooded(asyncio.BufferedProtocol):
    """A viewer that waits for the end of a log, reading fast into memory that all of them share."""

    _memory = bytearray(2**20)

    def __init__(self, path: str) -> None:
        self._path = path
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.begun = 0.0
        self.received = 0
        self._tail = b""

    def connection_made(self, transport: Any) -> None:
        """Ask for the websocket."""
        self.transport = transport
        transport.write(UPGRADE % self._path.encode())

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Return where to read to."""
        return memoryview(self._memory)

    def buffer_updated(self, count: int) -> None:
        """Look for the first lines and for the end, which comes last."""
        if not self.begun and LINES in self._memory[:count]:
            self.begun = time.perf_counter()
        self.received += count
        self._tail = (self._tail + self._memory[max(0, count - 64) : count])[-64:]
        if END in self._tail and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """Report the loss to whoever waits."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("closed"))


async def connect(viewers: list[Viewer], port: int) -> None:
    """Connect all viewers."""
    loop = asyncio.get_running_loop()
    for viewer in viewers:
        await loop.create_connection(partial(_itself, viewer), "127.0.0.1", port)
    await asyncio.gather(*(viewer.upgraded for viewer in viewers))


def _itself(viewer: Viewer) -> Viewer:
    return viewer


def close(viewers: list[Viewer]) -> None:
    """Close all connections."""
    for viewer in viewers:
        viewer.done.cancel()
        viewer.transport.close()

"""A proxy that cuts, stalls and drops connections: to a database, or to any port."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

PIECE_BYTES = 65_536


class Proxy:
    """Listens on a port of this machine and passes everything to another address and back.

    That is the path of a Unix socket, or a port of this machine.
    """

    def __init__(self, inner: Path | int, host: str = "127.0.0.1") -> None:
        self._inner = inner
        self._host = host
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._closed = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.connections = 0

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._pass_on, self._host, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        self._flowing.set()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def uri(self) -> str:
        """The URI of the database behind it."""
        return f"mongodb://{self._host}:{self.port}/?directConnection=true"

    def cut(self) -> None:
        """End all connections, and each new one at once."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """End all connections; new ones are welcome."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on any more, and keep what comes."""
        self._flowing.clear()

    def restore(self) -> None:
        """Work as it should, what was kept included."""
        self._closed = False
        self._flowing.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            inner_reader, inner_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, inner_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._flow(reader, inner_writer), self._flow(inner_reader, writer))
        finally:
            self._writers -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._inner, int):
            return await asyncio.open_connection("127.0.0.1", self._inner)
        return await asyncio.open_unix_connection(self._inner)

    async def _flow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
        # When one side ends, so does the other.
        writer.transport.abort()

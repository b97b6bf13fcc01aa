"""A connection between a server and the agent of a run: frames both ways, and a sign of life.

A frame is a channel number and its bytes; channel 0 carries messages as JSON objects. Whatever
neither side takes off the connection holds the other side back. Who may connect is left to
`authentication`, what the messages mean to `agent_run` and, in the server, to `remote_run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

import msgspec

#: The channel of messages.
MESSAGES = 0
#: The channels of a run's three pipes.
PIPES = {"messages": 1, "out": 2, "err": 3}
PIPE_NAMES = {number: name for name, number in PIPES.items()}
#: The first channel for the content of files.
FIRST_FILE = 16
#: How much of one pipe may be under way or unread at the server.
WINDOW_BYTES = 512 * 1024
#: The content of files goes in pieces of this size, so that messages get in between.
PIECE_BYTES = 256 * 1024
#: The largest frame; the largest before the other side is known.
LARGEST_BYTES = 64 * 2**20
LARGEST_UNKNOWN_BYTES = 16 * 1024
#: How many signs of life are sent in the time after which silence means that the other is gone.
SIGNS = 4

_HEADER = struct.Struct(">II")


class WireBroken(Exception):
    """The connection has ended, or the other side does not keep to the protocol or is silent."""


class Wire:
    """One connection. Any task may send; one alone receives."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.largest_bytes = LARGEST_UNKNOWN_BYTES
        #: since when a frame is being waited for, by the loop's clock; None while one is handled
        self._waiting_since: float | None = None

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message. Raise WireBroken."""
        await self.send_data(MESSAGES, msgspec.json.encode({"kind": kind, **fields}))

    def post(self, kind: str, **fields: Any) -> None:
        """Send a small message without waiting; nothing is sent once the connection has ended."""
        data = msgspec.json.encode({"kind": kind, **fields})
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(_HEADER.pack(MESSAGES, len(data)) + data)

    async def send_data(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel, and wait while too much is under way. Raise WireBroken."""
        try:
            self._writer.write(_HEADER.pack(channel, len(data)) + data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise WireBroken("the connection ended") from error

    async def receive(self) -> tuple[int, bytes]:
        """Return the next channel and its bytes. Raise WireBroken."""
        self._waiting_since = asyncio.get_running_loop().time()
        try:
            channel, size = _HEADER.unpack(await self._reader.readexactly(_HEADER.size))
            if size > self.largest_bytes:
                raise WireBroken("a frame is too large")
            return channel, await self._reader.readexactly(size)
        except (OSError, EOFError) as error:  # an IncompleteReadError is one
            raise WireBroken("the connection ended") from error
        finally:
            self._waiting_since = None

    async def receive_message(self) -> dict[str, Any]:
        """Return the next frame as a message, leaving out signs of life. Raise WireBroken."""
        while True:
            channel, data = await self.receive()
            if channel != MESSAGES:
                raise WireBroken("a message was expected")
            if (message := decoded(data))["kind"] != "alive":
                return message

    async def keep_alive(self, silence_seconds: float) -> None:
        """Send signs of life until cancelled; end the connection when none comes for this long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(silence_seconds / SIGNS)
            since = self._waiting_since
            if since is not None and loop.time() - since > silence_seconds:
                self.abort()
                return
            self.post("alive")

    def abort(self) -> None:
        """End the connection at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection once everything has been sent. May be repeated."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 2)


def decoded(data: bytes) -> dict[str, Any]:
    """Return a message, which has a `kind`. Raise WireBroken for anything else."""
    try:
        message = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireBroken("a message cannot be read") from error
    if not isinstance(message.get("kind"), str):
        raise WireBroken("a message has no kind")
    return message

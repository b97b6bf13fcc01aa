"""Frames from clients as raw bytes: what RFC 6455 forbids is closed with the code that it names."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Fakes, until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test

MASK = b"\x01\x02\x03\x04"
UPGRADE = (
    b"GET /ws/async/status/1/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(first: int, payload: bytes = b"", *, masked: bool = True, length: bytes = b"") -> bytes:
    """Return a frame; `length` replaces the bytes of its length."""
    size = length or bytes([len(payload)])
    if not masked:
        return bytes([first]) + size + payload
    body = bytes(byte ^ MASK[place % 4] for place, byte in enumerate(payload))
    return bytes([first, size[0] | 0x80]) + size[1:] + MASK + body


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(0x88, struct.pack("!H", code) + reason)


@asynccontextmanager
async def upgraded() -> AsyncIterator[tuple[Fakes, asyncio.StreamReader, asyncio.StreamWriter]]:
    fakes = Fakes()
    fakes.processes.boards[1] = Board([a_process(51)])
    async with fakes.serving() as client:
        reader, writer = await client.connect()
        writer.write(UPGRADE)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 101 ")
        await until(lambda: len(client.services.sockets) == 1)
        yield fakes, reader, writer
        writer.close()
        await until(lambda: len(client.services.sockets) == 0)


async def close_frame(reader: asyncio.StreamReader) -> bytes:
    """Return the payload of the close frame, which nothing follows."""
    while True:
        first, size = await asyncio.wait_for(reader.readexactly(2), 5)
        payload = await reader.readexactly(size)
        if first == 0x88:
            assert await asyncio.wait_for(reader.read(), 8) == b""
            return payload


FORBIDDEN = {
    "not masked": (frame(0x81, b"x", masked=False), 1002),
    "an empty one not masked": (frame(0x81, masked=False), 1002),
    "a ping not masked": (frame(0x89, masked=False), 1002),
    "first reserved bit": (frame(0xC1, b"x"), 1002),
    "second reserved bit": (frame(0xA1, b"x"), 1002),
    "third reserved bit of a ping": (frame(0x99), 1002),
    "reserved data opcode": (frame(0x83, b"x"), 1002),
    "reserved control opcode": (frame(0x8F), 1002),
    "fragmented ping": (frame(0x09), 1002),
    "fragmented close": (frame(0x08), 1002),
    "ping of 126 bytes": (frame(0x89, b"x" * 126, length=b"\x7e\x00\x7e"), 1002),
    "close of 200 bytes": (frame(0x88, b"x" * 200, length=b"\x7e\x00\xc8"), 1002),
    "length not the shortest": (frame(0x81, b"x", length=b"\x7e\x00\x01"), 1002),
    "long length not the shortest": (frame(0x81, b"x", length=b"\x7f" + bytes(7) + b"\x01"), 1002),
    "length over 63 bits": (frame(0x81, b"", length=b"\x7f\x80" + bytes(7)), 1002),
    "nothing to continue": (frame(0x80, b"x"), 1002),
    "a message within a message": (frame(0x01, b"x") + frame(0x81, b"y"), 1002),
    "text that is not UTF-8": (frame(0x81, b"\xc3\x28"), 1007),
    "a lone surrogate": (frame(0x81, b"\xed\xa0\x80"), 1007),
    "fragments that are not UTF-8": (frame(0x01, b"\xc3") + frame(0x80, b"\x28"), 1007),
    "close of one byte": (frame(0x88, b"\x03"), 1002),
    "close reason that is not UTF-8": (closing(1000, b"\xff"), 1007),
    "too big": (frame(0x82, b"x" * 5000, length=b"\x7e\x13\x88"), 1009),
    "too big in fragments": (
        frame(0x02, b"x" * 4000, length=b"\x7e\x0f\xa0") + frame(0x80, b"y" * 120),
        1009,
    ),
    "announced as huge": (frame(0x82, b"", length=b"\x7f\x00" + b"\xff" * 7), 1009),
} | {f"close with {code}": (closing(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 2999)}


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_a_forbidden_frame_is_closed_with_its_code(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, code = FORBIDDEN[name]
    with caplog.at_level(logging.INFO):
        async with upgraded() as (_, reader, writer):
            writer.write(sent + b"\x00" * 300)
            assert await close_frame(reader) == struct.pack("!H", code)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
async def test_a_good_close_is_answered_with_its_code(code: int) -> None:
    async with upgraded() as (_, reader, writer):
        writer.write(closing(code, "Grüße".encode()))
        assert (await close_frame(reader))[:2] == struct.pack("!H", code)


async def test_what_is_allowed_leaves_the_socket_open() -> None:
    async with upgraded() as (_, reader, writer):
        writer.write(frame(0x81, "ü".encode()) + frame(0x82, b"\xff") + frame(0x8A, b"pong"))
        writer.write(frame(0x01, b"\xc3") + frame(0x89, b"between") + frame(0x80, b"\xbc"))
        writer.write(frame(0x82, b"x" * 126, length=b"\x7e\x00\x7e"))
        assert await asyncio.wait_for(reader.readexactly(9), 5) == b"\x8a\x07between"
        writer.write(frame(0x88))
        assert await close_frame(reader) == b""

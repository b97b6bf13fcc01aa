"""The frames of websockets' clients, as strictly as RFC 6455 wants them.

Tornado drops the connection where the RFC has a close code for what is wrong, and takes some frames
that are forbidden.
"""

from __future__ import annotations

import socket
import struct
from typing import Protocol, cast

from tornado.util import _websocket_mask
from tornado.websocket import WebSocketProtocol13

PROTOCOL_ERROR, INVALID_PAYLOAD, TOO_BIG = 1002, 1007, 1009
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
LONGEST_CONTROL_BYTES = 125
#: Codes that a close frame may have; the others below 3000 say what happened without any.
CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
APPLICATION_CODES = range(3000, 5000)
DROPPED_BYTES = 65_536


class Violation(Exception):
    """A frame that the RFC forbids, and the code to close with."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Stoppable(Protocol):
    """What there is to stop when a client breaks the protocol."""

    def stop(self, code: int) -> None:
        """Stop sending, and close with this code."""


class StrictProtocol(WebSocketProtocol13):
    """The protocol of a socket without extensions."""

    async def _receive_frame(self) -> None:
        try:
            await self._take_frame()
        except Violation as violation:
            cast(Stoppable, self.handler).stop(violation.code)
            await self._drop_the_rest()

    async def _take_frame(self) -> None:
        first, second = await self._read_bytes(2)
        opcode, final = first & 0x0F, bool(first & 0x80)
        if first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Violation(PROTOCOL_ERROR, "reserved bits or opcode")
        if not second & 0x80:
            raise Violation(PROTOCOL_ERROR, "not masked")
        length = await self._read_length(second & 0x7F)
        if opcode >= CLOSE:
            _check_control(final, length)
        else:
            self._check_order(opcode, length)
        mask = await self._read_bytes(4)
        payload = _websocket_mask(mask, await self._read_bytes(length)) if length else b""
        if opcode >= CLOSE:
            await self._take_control(opcode, payload)
        else:
            await self._take_data(opcode, final, payload)

    async def _read_length(self, length: int) -> int:
        if length <= LONGEST_CONTROL_BYTES:
            return length
        form, size, shortest = ("!H", 2, 126) if length == 126 else ("!Q", 8, 65_536)
        extended: int = struct.unpack(form, await self._read_bytes(size))[0]
        if extended < shortest or extended >= 2**63:
            raise Violation(PROTOCOL_ERROR, "length not in its shortest form")
        return extended

    def _check_order(self, opcode: int, length: int) -> None:
        begun = self._fragmented_message_buffer
        if (opcode == CONTINUATION) != (begun is not None):
            raise Violation(PROTOCOL_ERROR, "nothing to continue, or a message not ended")
        if length + len(begun or b"") > self.params.max_message_size:
            raise Violation(TOO_BIG, "message too big")

    async def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == CLOSE:
            _check_close(payload)
        handled = self._handle_message(opcode, payload)
        if handled is not None:
            await handled

    async def _take_data(self, opcode: int, final: bool, payload: bytes) -> None:
        if self._fragmented_message_buffer is None:
            self._message_opcode, self._fragmented_message_buffer = opcode, bytearray()
        self._fragmented_message_buffer += payload
        if not final:
            return
        message, self._fragmented_message_buffer = bytes(self._fragmented_message_buffer), None
        if self._message_opcode == TEXT:
            _check_utf8(message)
        handled = self._handle_message(self._message_opcode, message)
        if handled is not None:
            await handled

    async def _drop_the_rest(self) -> None:
        """Read on, so that the close frame is not lost; `close` ends this after some seconds."""
        try:
            if not (self.stream.closed() or self.stream.writing()):
                self.stream.socket.shutdown(socket.SHUT_WR)
            while not self.stream.closed():
                await self.stream.read_bytes(DROPPED_BYTES, partial=True)
        except OSError:  # as StreamClosedError is
            self.client_terminated = True


def _check_control(final: bool, length: int) -> None:
    if not final or length > LONGEST_CONTROL_BYTES:
        raise Violation(PROTOCOL_ERROR, "control frame fragmented or too long")


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in CLOSE_CODES or code in APPLICATION_CODES):
        raise Violation(PROTOCOL_ERROR, "no valid close code")
    _check_utf8(payload[2:])


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise Violation(INVALID_PAYLOAD, "not valid UTF-8") from error

"""Joins the messages that a run or its children sent in parts, as they are larger than one write.

What the messages mean is left to `messages`.
"""

from __future__ import annotations

import re

import msgspec

#: How much is kept of messages whose last part is still missing.
PARTS_LIMIT_BYTES = 64 * 2**20
# It begins as no JSON does, which is tried first.
_PART = re.compile(rb"([<>])(\d{1,10}\.\d{1,10}) (.*)", re.DOTALL)
#: The longest escape of a character in JSON is that of a surrogate pair.
_ESCAPE_BYTES = 12

_decoder = msgspec.json.Decoder()


class MessageParts:
    """The beginnings of messages, by the writers that have not sent their ends yet."""

    def __init__(self) -> None:
        self._begun: dict[bytes, bytearray] = {}
        self._size_bytes = 0

    def take(self, line: bytes) -> bytes | None:
        """Return the message that a line completes, empty if none yet, None if it is no part."""
        found = _PART.fullmatch(line.removesuffix(b"\n"))
        if found is None:
            return None
        sign, writer, part = found.groups()
        self._begun.setdefault(writer, bytearray()).extend(part)
        self._size_bytes += len(part)
        return self._remove(writer) if sign == b">" else b""

    def take_oldest(self) -> bytes | None:
        """Remove the oldest beginning if they are too many, and return it."""
        if self._size_bytes <= PARTS_LIMIT_BYTES:
            return None
        return self._remove(next(iter(self._begun)))

    def take_all(self) -> list[bytes]:
        """Remove the beginnings whose ends will never come."""
        return [self._remove(writer) for writer in list(self._begun)]

    def _remove(self, writer: bytes) -> bytes:
        message = bytes(self._begun.pop(writer))
        self._size_bytes -= len(message)
        return message


def begun_text(message: bytes) -> list[object] | None:
    """Return the text message that begins like this, as far as it goes; None if it is no text."""
    if not message.startswith(b'["t",'):
        return None
    for cut in range(_ESCAPE_BYTES):
        try:
            found = _decoder.decode(message[: len(message) - cut] + b'"]')
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        return found if isinstance(found, list) else None
    return None

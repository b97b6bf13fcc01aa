"""Messages for websockets, encoded once for all their receivers (RFC 6455, section 5.2)."""

from __future__ import annotations

_FINAL_TEXT = b"\x81"


class Frame:
    """One or more text messages as they are sent. `last` is the number of the last line, if any."""

    __slots__ = ("__weakref__", "last", "wire")

    def __init__(self, wire: bytes, last: int = 0) -> None:
        self.wire = wire
        self.last = last


def message(*parts: bytes) -> bytes:
    """Make the frame of one text message, given in parts."""
    return b"".join((_FINAL_TEXT, _length(sum(map(len, parts))), *parts))


def _length(size: int) -> bytes:
    """Encode the length of a payload; what a server sends is not masked."""
    if size < 126:
        return bytes([size])
    if size < 2**16:
        return b"\x7e" + size.to_bytes(2, "big")
    return b"\x7f" + size.to_bytes(8, "big")

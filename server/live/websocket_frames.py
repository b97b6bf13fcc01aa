"""Messages for websockets, encoded once for all who get them (RFC 6455, section 5.2)."""

from __future__ import annotations

_FINAL_TEXT = b"\x81"


class Frame:
    """One or more text messages as they go over the wire. `last` is the last line in it, if any."""

    __slots__ = ("__weakref__", "last", "wire")

    def __init__(self, wire: bytes, last: int = 0) -> None:
        self.wire = wire
        self.last = last


def message(*parts: bytes) -> bytes:
    """The frame of one text message, given in parts."""
    return b"".join((_FINAL_TEXT, _length(sum(map(len, parts))), *parts))


def _length(size: int) -> bytes:
    """From a server, so without a mask."""
    if size < 126:
        return bytes([size])
    if size < 2**16:
        return b"\x7e" + size.to_bytes(2, "big")
    return b"\x7f" + size.to_bytes(8, "big")

"""A zip of any size, made while it is sent.

The standard library writes to a stream that cannot seek; what it has written is taken out after
each piece. Nothing is compressed: films and `.fz` are already.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from server.records import DataProduct

if TYPE_CHECKING:
    from server.archive import Archive


class Outlet(io.RawIOBase):
    """A stream that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Any) -> int:
        """Keep it."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


async def zipped(archive: Archive, products: Iterable[DataProduct]) -> AsyncIterator[bytes]:
    """The pieces of a zip of these products."""
    outlet = Outlet()
    names: set[str] = set()
    with zipfile.ZipFile(cast(Any, outlet), "w") as book:
        for product in products:
            member = zipfile.ZipInfo(unique(product.name, names), _moment(product.created))
            member.file_size = product.size  # tells whether the entry needs 64-bit sizes
            async with aclosing(cast(Any, archive.read(product, 0, product.size))) as pieces:
                with book.open(member, "w") as entry:
                    async for piece in pieces:
                        entry.write(piece)
                        yield outlet.take()
    yield outlet.take()


def unique(name: str, taken: set[str]) -> str:
    """The name, with a number before its suffix if it is taken; taken from now on."""
    stem, dot, suffix = name.partition(".")
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{stem} ({number}){dot}{suffix}"
    taken.add(found)
    return found


def _moment(seconds: float) -> tuple[int, int, int, int, int, int]:
    moment = time.gmtime(seconds)
    # The format begins with 1980.
    return (max(1980, moment.tm_year), *moment[1:6])

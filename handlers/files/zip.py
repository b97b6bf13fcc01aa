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

from server.core.records import DataProduct

if TYPE_CHECKING:
    from server.archive.products import DataProducts

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.content_headers import disposition, sandbox_headers
from handlers.http.query import PK, parse_pk
from handlers.http.streaming import send
from handlers.services import Services


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


async def zipped(stored: DataProducts, products: Iterable[DataProduct]) -> AsyncIterator[bytes]:
    """The pieces of a zip of these products."""
    outlet = Outlet()
    names: set[str] = set()
    with zipfile.ZipFile(cast(Any, outlet), "w") as book:
        for product in products:
            member = zipfile.ZipInfo(unique(product.name, names), _moment(product.created))
            member.file_size = product.size  # tells whether the entry needs 64-bit sizes
            async with aclosing(cast(Any, stored.read(product, 0, product.size))) as pieces:
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


class GroupZipHandler(BaseHandler):
    """All files of a group at once."""

    async def get(self, pk: str) -> None:
        """Send a zip, made as it goes."""
        group = await self.archive.groups.get(parse_pk(pk))
        products = await self.archive.products.get_many(group.products)
        sandbox_headers(self)
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", disposition("attachment", f"{group.name}.zip"))
        await send(self, zipped(self.archive.products, products))


def routes(services: Services) -> list[URLSpec]:
    """All files of a group as one."""
    pattern = rf"/dataproducts/data/group/{PK}/zip"
    return [URLSpec(pattern, GroupZipHandler, {"services": services})]

"""A zip of any size, made while it is sent.

The standard library writes it to a stream that cannot seek; what it has written is taken after each
piece. Nothing is compressed: videos and `.fz` files already are.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from tornado.routing import URLSpec

from handlers.http.content_headers import disposition, sandbox_headers
from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import send
from handlers.services import Services
from handlers.sharing.views import OfGroup
from server.core.records import DataProduct

if TYPE_CHECKING:
    from server.archive.products import DataProducts


class PieceStream(io.RawIOBase):
    """A stream that keeps what is written until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Keep what is written."""
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


async def zipped(archived: DataProducts, products: Iterable[DataProduct]) -> AsyncIterator[bytes]:
    """Yield the pieces of a zip of these products. Raise DamagedFile, if possible at once."""
    stream = PieceStream()
    names: set[str] = set()
    products = list(products)
    await archived.check(products)
    with zipfile.ZipFile(cast(Any, stream), "w") as zip_file:
        for product in products:
            member = zipfile.ZipInfo(unique(product.name, names), _zip_date(product.created))
            member.file_size = product.size  # decides whether the entry needs 64-bit sizes
            async with aclosing(cast(Any, archived.read(product, 0, product.size))) as pieces:
                with zip_file.open(member, "w") as entry:
                    async for piece in pieces:
                        entry.write(piece)
                        yield stream.take()
    yield stream.take()


def unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number before its suffix if it is taken; add it to those taken."""
    stem, dot, suffix = name.partition(".")
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{stem} ({number}){dot}{suffix}"
    taken.add(found)
    return found


def _zip_date(seconds: float) -> tuple[int, int, int, int, int, int]:
    date = time.gmtime(seconds)
    # The format has no years before 1980.
    return (max(1980, date.tm_year), *date[1:6])


class GroupZipHandler(OfGroup):
    """All files of a group as one zip."""

    async def get(self, pk: str) -> None:
        """Send the zip, made while it is sent."""
        group = await self.archive.groups.get(parse_pk(pk))
        products = await self.archive.products.get_many(group.products)
        sandbox_headers(self)
        self.set_header("Content-Type", "application/zip")
        self.set_header("Content-Disposition", disposition("attachment", f"{group.name}.zip"))
        await send(self, zipped(self.archive.products, products))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the zips."""
    return [route(rf"/dataproducts/data/group/{PK}/zip", GroupZipHandler, services)]

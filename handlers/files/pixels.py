"""What a viewer of FITS images asks for: a description of an image, and windows of its pixels.

Both are read from the file in a child process. A description is kept in the preview cache; windows
are not, as the child remembers what takes long and browsers what they have.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, ClassVar

from tornado.routing import URLSpec

from handlers.files.previews import DrawnHandler
from handlers.http.abandonment import AbandonableHandler
from handlers.http.content_headers import sandbox_headers
from handlers.http.query import PK, integer, parse_pk, text
from handlers.http.routing import route
from handlers.http.streaming import send
from handlers.services import Services
from handlers.sharing.views import OfProduct
from server.core.errors import InvalidInput, NotExamined
from server.core.records import DataProduct

#: Raised when images are described or read in another way, so that nothing of before is taken.
VERSION = 1
#: Of a mosaic of colours, the one whose pixels are wanted.
COLOURS = ("red", "green", "blue")
#: What begins a window that was read: the numbers of its rows and columns.
SHAPE = struct.Struct("<II")
#: The largest square of pixels that becomes one value.
MOST_BIN = 2**16
PIECE_BYTES = 256 * 1024
#: Windows wait on disk until their clients have taken them, at most so many at a time, and of one
#: caller at an address so many: clients that do not read what they asked for stop nobody else.
MOST_WINDOWS, MOST_OF_ONE = 64, 16


class OfImage(OfProduct, DrawnHandler):
    """What is read of a FITS image."""

    async def source(self, product: DataProduct, folder: Path, *, whole: bool = False) -> Path:
        """Return a local file with the product's bytes; of a remote one, a copy that is kept.

        The checksum is compared if it will be read `whole`.
        """
        cache = self.services.preview_cache
        if not (self.archive.products.is_remote and cache.has_room_for(product.size)):
            return await self.archive.products.path(product, folder, whole=whole)

        async def copy(place: Path) -> None:
            found = await self.archive.products.path(product, place.parent, whole=True)
            await asyncio.to_thread(found.replace, place)

        return await cache.file(f"{product.sha256}.copy", copy)


class ImageHandler(OfImage):
    """What a viewer has to know of an image of a file: `?hdu=`, and `?plane=` for its levels."""

    async def get(self, pk: str) -> None:
        """Answer with the description."""
        product = await self.archive.products.get(parse_pk(pk))
        hdu, plane = integer(self, "hdu", 0), integer(self, "plane", 0) or 0
        of_hdu = "" if hdu is None else hdu
        name = f"{product.sha256}-image-{of_hdu}-{plane}-{VERSION}.json"

        async def describe(place: Path) -> None:
            path = await self.source(product, place.parent, whole=True)
            await self.services.describe_image(path, place, hdu, plane)

        await self.answer_encoded(await self.services.preview_cache.get(name, describe))


class PixelsHandler(OfImage, AbandonableHandler):
    """A window of an image as numbers. It is for one client, and given up when that has gone."""

    quiet = True
    #: Windows that are being read or sent by this server, by who asked for them.
    _at_once: ClassVar[Counter[tuple[str | None, str | None]]] = Counter()

    async def get(self, pk: str) -> None:
        """Send the values, unless the client has them."""
        product = await self.archive.products.get(parse_pk(pk))
        window = self._window()
        sandbox_headers(self)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Etag", f'"{product.sha256}-{_named(window)}-{VERSION}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        at_once, client = self._at_once, (self.request.remote_ip, self.caller.name)
        if at_once[client] >= MOST_OF_ONE or at_once.total() >= MOST_WINDOWS:
            raise NotExamined("Too many windows are being read, try again later")
        at_once[client] += 1
        try:
            await self.while_wanted(self._send(product, window))
        finally:
            at_once[client] -= 1
            at_once += Counter()  # drops who has none

    async def _send(self, product: DataProduct, window: dict[str, Any]) -> None:
        async with self.services.preview_cache.workplace() as folder:
            path = await self.source(product, folder)
            await self.services.read_pixels(path, folder / "window", window)
            file, size = await asyncio.to_thread(_opened, folder / "window")
        try:
            rows, columns = SHAPE.unpack(await asyncio.to_thread(file.read, SHAPE.size))
            self.set_header("X-Image-Shape", f"{rows},{columns}")
            await send(self, _pieces(file), size - SHAPE.size)
        finally:
            file.close()

    def _window(self) -> dict[str, Any]:
        """Return the window that the query asks for. Raise InvalidInput."""
        step, colour = integer(self, "bin", 1, MOST_BIN) or 1, text(self, "colour")
        if step & (step - 1):
            raise InvalidInput.of("bin", "A power of two is expected.")
        if colour is not None and colour not in COLOURS:
            raise InvalidInput.of("colour", f"One of {', '.join(COLOURS)} is expected.")
        return {
            "hdu": integer(self, "hdu", 0),
            "plane": integer(self, "plane", 0) or 0,
            "x": integer(self, "x", 0) or 0,
            "y": integer(self, "y", 0) or 0,
            "width": integer(self, "width", 1),
            "height": integer(self, "height", 1),
            "bin": step,
            "colour": colour,
        }


def _named(window: dict[str, Any]) -> str:
    return "-".join("" if value is None else str(value) for value in window.values())


def _opened(path: Path) -> tuple[IO[bytes], int]:
    # Its folder is removed while it is being sent, which frees the disk once it is closed.
    return path.open("rb"), path.stat().st_size


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of images and of their pixels."""
    return [
        route(rf"/api/dataproducts/{PK}/image/", ImageHandler, services),
        route(rf"/dataproducts/{PK}/pixels", PixelsHandler, services),
    ]

"""Previews of data products, and the headers and tables of FITS files.

A preview is drawn once for each content, size and stretch, then kept in the preview cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.content_headers import sandbox_headers
from handlers.http.query import PK, integer, parse_pk, text
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProduct
from server.core.errors import InvalidInput
from server.core.records import DataProduct

SIZES = (64, 128, 256, 512, 1024, 2048)
DEFAULT_SIZE = 256
#: By their names for `?stretch=`, what people call them. The runners draw them by these names.
STRETCHES = {
    "asinh": "Soft (asinh)",
    "zscale": "ZScale",
    "linear": "Linear",
    "sqrt": "Square root",
    "log": "Logarithmic",
}
USUAL_STRETCH = "asinh"
#: Raised when files are drawn in another way, so that what the cache has of before is not sent.
VERSION = 2


class DrawnHandler(BaseHandler):
    """What is drawn of a file once, and then kept."""

    async def send_drawn(
        self, product: DataProduct, name: str, draw: Callable[[Path, Path], Awaitable[None]]
    ) -> None:
        """Send what `draw` makes of the product's file, unless the client has it."""
        sandbox_headers(self)
        self.set_header("Etag", f'"{name.rpartition(".")[0]}"')
        if self.check_etag_header():
            self.set_status(304)
            return

        async def drawn(path: Path) -> None:
            # A copy of the file goes to the folder if storage is remote.
            await draw(await self.archive.products.path(product, path.parent, whole=True), path)

        try:
            self.write(await self.services.preview_cache.get(name, drawn))
        except ValueError as error:
            raise InvalidInput(detail=str(error)) from error


class PreviewHandler(OfProduct, DrawnHandler):
    """A picture, `?size=` pixels on its longer side; FITS images with a `?stretch=`."""

    async def get(self, pk: str) -> None:
        """Send the picture."""
        product = await self.archive.products.get(parse_pk(pk))
        size, stretch = size_of(self), stretch_of(self)

        async def draw(source: Path, picture: Path) -> None:
            await self.services.draw_preview(source, picture, size, stretch)

        self.set_header("Content-Type", "image/png")
        await self.send_drawn(product, f"{product.sha256}-{size}-{stretch}-{VERSION}.png", draw)


class TableHandler(OfProduct, DrawnHandler):
    """The beginning of a FITS file's table as CSV, `?hdu=` that of an HDU."""

    async def get(self, pk: str) -> None:
        """Send the rows."""
        product = await self.archive.products.get(parse_pk(pk))
        hdu = integer(self, "hdu", 0)

        async def write(source: Path, table: Path) -> None:
            await self.services.write_table(source, table, hdu)

        self.set_header("Content-Type", "text/csv; charset=utf-8")
        of_hdu = "" if hdu is None else f"{hdu}-"
        await self.send_drawn(product, f"{product.sha256}-table-{of_hdu}{VERSION}.csv", write)


class HeaderHandler(OfProduct):
    """The headers of a FITS file."""

    async def get(self, pk: str) -> None:
        """Answer with the cards of each HDU, up to a limit."""
        product = await self.archive.products.get(parse_pk(pk))
        # A copy of the file goes to the folder if storage is remote.
        async with self.services.preview_cache.workplace() as folder:
            path = await self.archive.products.path(product, folder, whole=True)
            try:
                await self.answer(await self.services.read_headers(path))
            except ValueError as error:
                raise InvalidInput(detail=str(error)) from error


def size_of(handler: BaseHandler) -> int:
    """Return the size in pixels that the query asks for. Raise InvalidInput for any other."""
    size = integer(handler, "size", 1) or DEFAULT_SIZE
    if size not in SIZES:
        raise InvalidInput.of("size", f"One of {', '.join(map(str, SIZES))} is expected.")
    return size


def stretch_of(handler: BaseHandler) -> str:
    """Return the stretch that the query asks for. Raise InvalidInput for an unknown one."""
    stretch = text(handler, "stretch") or USUAL_STRETCH
    if stretch not in STRETCHES:
        raise InvalidInput.of("stretch", f"One of {', '.join(STRETCHES)} is expected.")
    return stretch


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the previews and headers."""
    return [
        route(rf"/dataproducts/{PK}/preview\.png", PreviewHandler, services),
        route(rf"/dataproducts/{PK}/table\.csv", TableHandler, services),
        route(rf"/api/dataproducts/{PK}/header/", HeaderHandler, services),
    ]

"""Pictures of data products, and the headers of FITS files.

A picture is drawn once for each content, size and stretch, then kept on a preview_cache.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.content_headers import sandbox_headers
from handlers.http.query import PK, integer, parse_pk, text
from handlers.services import Services
from server.core.errors import InvalidInput
from server.core.records import DataProduct

SIZES = (64, 128, 256, 512, 1024, 2048)
USUAL_SIZE = 256
#: By their names for `?stretch=`, what people call them. The runners draw them by these names.
STRETCHES = {
    "asinh": "Soft (asinh)",
    "zscale": "ZScale",
    "linear": "Linear",
    "sqrt": "Square root",
    "log": "Logarithmic",
}
USUAL_STRETCH = "asinh"


class PreviewHandler(BaseHandler):
    """A picture, `?size=` pixels on its longer side, FITS by a `?stretch=`."""

    async def get(self, pk: str) -> None:
        """Send the picture, unless the client has it."""
        product = await self.archive.products.get(parse_pk(pk))
        size, stretch = self._asked()
        sandbox_headers(self)
        name = f"{product.sha256}-{size}-{stretch}"
        self.set_header("Content-Type", "image/png")
        self.set_header("Etag", f'"{name}"')
        if self.check_etag_header():
            self.set_status(304)
            return

        async def draw(picture: Path) -> None:
            source = await self.archive.products.path(product, picture.parent)
            await self.services.preview(source, picture, size, stretch)

        try:
            self.write(await self.services.preview_cache.get(f"{name}.png", draw))
        except ValueError as error:
            raise InvalidInput(detail=str(error)) from error

    def _asked(self) -> tuple[int, str]:
        size = integer(self, "size", 1) or USUAL_SIZE
        if size not in SIZES:
            raise InvalidInput.of("size", f"One of {', '.join(map(str, SIZES))} is expected.")
        stretch = text(self, "stretch") or USUAL_STRETCH
        if stretch not in STRETCHES:
            raise InvalidInput.of("stretch", f"One of {', '.join(STRETCHES)} is expected.")
        return size, stretch


class HeaderHandler(BaseHandler):
    """The headers of a FITS file."""

    async def get(self, pk: str) -> None:
        """Answer with the cards of each HDU, as far as they are not too many."""
        product = await self.archive.products.get(parse_pk(pk))
        async with self._local(product) as path:
            try:
                await self.answer(await self.services.headers(path))
            except ValueError as error:
                raise InvalidInput(detail=str(error)) from error

    @asynccontextmanager
    async def _local(self, product: DataProduct) -> AsyncIterator[Path]:
        # A copy of the file goes to the folder if storage is far away.
        async with self.services.preview_cache.workplace() as folder:
            yield await self.archive.products.path(product, folder)


def routes(services: Services) -> list[URLSpec]:
    """The pictures and headers."""
    kwargs = {"services": services}
    return [
        URLSpec(rf"/dataproducts/{PK}/preview\.png", PreviewHandler, kwargs),
        URLSpec(rf"/api/dataproducts/{PK}/header/", HeaderHandler, kwargs),
    ]

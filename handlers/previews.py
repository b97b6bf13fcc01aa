"""Thumbnails of data products: drawn once for each content and size, then kept as files."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

from tornado.routing import URLSpec

from handlers.base import BaseHandler
from handlers.files import shut_in
from handlers.query import PK, pk_of, whole
from handlers.services import Services
from server.errors import InvalidInput
from server.records import DataProduct

SIZES = (64, 128, 256, 512, 1024)
USUAL_SIZE = 256

#: The thumbnails that are being drawn; whoever wants the same one waits for it.
_drawing: dict[Path, asyncio.Future[None]] = {}


class PreviewHandler(BaseHandler):
    """A thumbnail, `?size=` pixels on its longer side."""

    async def get(self, pk: str) -> None:
        """Send the picture, unless the client has it."""
        product = await self.archive.product(pk_of(pk))
        size = whole(self, "size", 1) or USUAL_SIZE
        if size not in SIZES:
            raise InvalidInput.of("size", f"One of {', '.join(map(str, SIZES))} is expected.")
        shut_in(self)
        self.set_header("Content-Type", "image/png")
        self.set_header("Etag", f'"{product.sha256}-{size}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        kept = self.services.previews / f"{product.sha256}-{size}.png"
        if not await asyncio.to_thread(kept.exists):
            await draw_once(self.services, product, kept, size)
        self.write(await asyncio.to_thread(kept.read_bytes))


async def draw_once(services: Services, product: DataProduct, kept: Path, size: int) -> None:
    """Have the picture drawn, by one for all who want it now. Raises InvalidInput."""
    if kept not in _drawing:
        drawing = _drawing[kept] = asyncio.ensure_future(_draw(services, product, kept, size))
        drawing.add_done_callback(lambda _: _drawing.pop(kept))
    try:
        await asyncio.shield(_drawing[kept])
    except ValueError as error:
        raise InvalidInput(detail=str(error)) from error


async def _draw(services: Services, product: DataProduct, kept: Path, size: int) -> None:
    # In a folder of its own, which a copy of the file goes to as well if storage is far away; moved
    # out at last, so that nobody ever sees half a picture.
    folder = kept.with_name(f"{secrets.token_hex(8)}.tmp")
    await asyncio.to_thread(folder.mkdir)
    try:
        source = await services.archive.path(product, folder)
        await services.preview(source, folder / kept.name, size)
        await asyncio.to_thread((folder / kept.name).replace, kept)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, True)


def routes(services: Services) -> list[URLSpec]:
    """The thumbnails."""
    kwargs = {"services": services}
    return [URLSpec(rf"/dataproducts/{PK}/preview\.png", PreviewHandler, kwargs)]

"""Thumbnails of data products: drawn once for each content and size, then kept as files."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from tornado.routing import URLSpec

from handlers.base import BaseHandler
from handlers.files import shut_in
from handlers.query import PK, pk_of, whole
from handlers.services import Services
from server.errors import InvalidInput

SIZES = (64, 128, 256, 512, 1024)
USUAL_SIZE = 256

Draw = Callable[[Path, Path, int], Awaitable[None]]

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
            source = await self.archive.path(product)
            await draw_once(self.services.preview, source, kept, size)
        self.write(await asyncio.to_thread(kept.read_bytes))


async def draw_once(draw: Draw, source: Path, kept: Path, size: int) -> None:
    """Have the picture drawn, by one for all who want it now. Raises InvalidInput."""
    if kept not in _drawing:
        drawing = _drawing[kept] = asyncio.ensure_future(_draw(draw, source, kept, size))
        drawing.add_done_callback(lambda _: _drawing.pop(kept))
    try:
        await asyncio.shield(_drawing[kept])
    except ValueError as error:
        raise InvalidInput(detail=str(error)) from error


async def _draw(draw: Draw, source: Path, kept: Path, size: int) -> None:
    # Drawn beside it and moved, so that nobody ever sees half a picture.
    fresh = kept.with_name(f"{secrets.token_hex(8)}.tmp")
    try:
        await draw(source, fresh, size)
        await asyncio.to_thread(fresh.replace, kept)
    finally:
        await asyncio.to_thread(fresh.unlink, missing_ok=True)


def routes(services: Services) -> list[URLSpec]:
    """The thumbnails."""
    kwargs = {"services": services}
    return [URLSpec(rf"/dataproducts/{PK}/preview\.png", PreviewHandler, kwargs)]

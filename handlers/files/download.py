"""The files of data products.

They come from users, so none may run in our origin: only types of images and videos that run
nothing are shown in the browser, all others are downloads, and a sandbox policy covers them all.
"""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.content_headers import Unsatisfiable, disposition, range_of, sandbox_headers
from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import send
from handlers.services import Services
from handlers.sharing.views import OfProduct
from server.core.errors import NotFound
from server.core.records import DataProduct

#: The types that a browser shows.
INLINE_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "video/webm", "video/mp4"}
)


class FileHandler(OfProduct):
    """A file, whole or in part."""

    async def get(self, pk: str, name: str) -> None:
        """Send the file or the range that is asked for, unless the client has it."""
        product = await self.archive.products.get(parse_pk(pk))
        if product.name != name:
            raise NotFound("file", name)
        self._set_headers(product)
        if self.check_etag_header():
            self.set_status(304)
            return
        if await self._redirected(product):
            return
        try:
            start, stop = self._range(product)
        except Unsatisfiable:
            self._answer_unsatisfiable(product.size)
        else:
            if self.request.method == "HEAD":
                await self.archive.products.check([product])
            await send(self, self.archive.products.read(product, start, stop), stop - start)

    async def _redirected(self, product: DataProduct) -> bool:
        """Send the client to the storage itself, if that is wanted and possible.

        Not for what pages show, which may load nothing from elsewhere.
        """
        wanted = self.services.config.files.redirect and self.request.method == "GET"
        if not wanted or product.content_type in INLINE_TYPES:
            return False
        shown = {
            "Content-Type": product.content_type,
            "Content-Disposition": disposition("attachment", product.name),
        }
        url = await self.archive.products.signed_url(product, shown)
        if url is None:
            return False
        for name in ("Content-Disposition", "Content-Type", "Etag"):
            self.clear_header(name)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Location", url)
        self.set_status(302)
        return True

    def _set_headers(self, product: DataProduct) -> None:
        content_type = product.content_type
        kind = "inline" if content_type in INLINE_TYPES else "attachment"
        sandbox_headers(self)
        self.set_header("Content-Type", content_type)
        self.set_header("Content-Disposition", disposition(kind, product.name))
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Etag", f'"{product.sha256}"')

    def _range(self, product: DataProduct) -> tuple[int, int]:
        """Return the bytes to send; set status and headers to match. Raise Unsatisfiable."""
        etag = f'"{product.sha256}"'
        headers = self.request.headers
        # With another `If-Range`, the client has a part of another file.
        header = headers.get("Range") if headers.get("If-Range", etag) == etag else None
        found = range_of(header, product.size) if self.request.method == "GET" else None
        if found is None:
            return 0, product.size
        start, stop = found
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{product.size}")
        return found

    def _answer_unsatisfiable(self, size: int) -> None:
        for name in ("Content-Disposition", "Etag"):
            self.clear_header(name)
        self.set_header("Content-Range", f"bytes */{size}")
        self.write_json({"detail": "The range begins after the end of the file."}, 416)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the files."""
    return [route(rf"/dataproducts/{PK}/file/([^/]+)", FileHandler, services)]

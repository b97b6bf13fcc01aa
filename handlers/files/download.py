"""The bytes of data products.

Files come from users, so none may act in our origin: only kinds of images and films that run
nothing are shown in place, everything else is a download, and the policy shuts in even those.
"""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.content_headers import Unsatisfiable, disposition, range_of, sandbox_headers
from handlers.http.query import PK, parse_pk
from handlers.http.streaming import send
from handlers.services import Services
from server.core.errors import NotFound
from server.core.records import DataProduct

INLINE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "video/webm", "video/mp4"}
)


class FileHandler(BaseHandler):
    """A file, whole or in part."""

    async def get(self, pk: str, name: str) -> None:
        """Send the bytes asked for, unless the client has them."""
        product = await self.archive.products.get(parse_pk(pk))
        if product.name != name:
            raise NotFound("file", name)
        self._describe(product)
        if self.check_etag_header():
            self.set_status(304)
            return
        try:
            start, stop = self._part(product)
        except Unsatisfiable:
            self._answer_unsatisfiable(product.size)
        else:
            await send(self, self.archive.products.read(product, start, stop), stop - start)

    def _describe(self, product: DataProduct) -> None:
        kind = product.content_type
        place = "inline" if kind in INLINE else "attachment"
        sandbox_headers(self)
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", disposition(place, product.name))
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("Etag", f'"{product.sha256}"')

    def _part(self, product: DataProduct) -> tuple[int, int]:
        """The bytes to send, with status and headers to match. Raises Unsatisfiable."""
        etag = f'"{product.sha256}"'
        headers = self.request.headers
        # With another `If-Range`, the part that the client has is of another file.
        asked = headers.get("Range") if headers.get("If-Range", etag) == etag else None
        part = range_of(asked, product.size) if self.request.method == "GET" else None
        if part is None:
            return 0, product.size
        self.set_status(206)
        self.set_header("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{product.size}")
        return part

    def _answer_unsatisfiable(self, size: int) -> None:
        for name in ("Content-Disposition", "Etag"):
            self.clear_header(name)
        self.set_header("Content-Range", f"bytes */{size}")
        self.write_json({"detail": "The range begins behind the end of the file."}, 416)


def routes(services: Services) -> list[URLSpec]:
    """The files."""
    kwargs = {"services": services}
    return [URLSpec(rf"/dataproducts/{PK}/file/([^/]+)", FileHandler, kwargs)]

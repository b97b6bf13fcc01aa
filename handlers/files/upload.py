"""Uploads: from the connection to the archive, never whole in memory.

`multipart` parses the body; the handler of the route is in `handlers.api.products`.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tornado.web import HTTPError

from handlers.files.multipart import FileParts, boundary_of
from handlers.http.body import BodyHandler
from handlers.http.query import parse_pk
from server.core.records import DataProduct

if TYPE_CHECKING:
    from handlers.services import Services
    from server.archive.archive import Archive

#: How much the headers of a part and its boundary may add to a file.
PART_HEADER_BYTES = 16_384

#: Referenced here, as the event loop alone would let them be collected.
_cleanups: set[asyncio.Task[None]] = set()


class UploadSession:
    """One upload: all of its files are stored or, unless it comes to `commit`, none."""

    def __init__(self, archive: Archive, target: int, boundary: bytes) -> None:
        self._archive = archive
        self._target = target
        self._parts = FileParts(boundary)
        self._stack = AsyncExitStack()
        # The client may disconnect while a piece is being written.
        self._lock = asyncio.Lock()
        self._open = False

    async def start(self) -> None:
        """Open the upload. Raise NotFound when there is no such target."""
        await self._archive.targets.get(self._target)
        self._upload = await self._stack.enter_async_context(
            self._archive.products.upload(self._target)
        )
        self._open = True

    async def take(self, chunk: bytes) -> None:
        """Store a piece of the body; the next one waits until it is stored."""
        async with self._lock:
            for event in self._parts.feed(chunk) if self._open else ():
                if isinstance(event, str):
                    await self._upload.add(event)
                else:
                    await self._upload.write(event)

    async def commit(self) -> list[DataProduct]:
        """Store the data products and return them. Raise InvalidInput for an incomplete body."""
        async with self._lock:
            self._parts.finish()
            return await self._upload.commit()

    async def end(self) -> None:
        """Remove everything that was not committed."""
        async with self._lock:
            self._open = False
            await self._stack.aclose()

    def abandon(self) -> None:
        """Start `end` where nothing can wait for it."""
        cleanup = asyncio.ensure_future(self.end())
        _cleanups.add(cleanup)
        cleanup.add_done_callback(_cleanups.discard)


class UploadHandler(BodyHandler):
    """A handler whose POST takes files for the target in its path. Heirs call `commit`."""

    media_type = "multipart/form-data"

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        uploads = services.config.uploads
        self.limit_bytes = uploads.limit_parts * (uploads.limit_bytes + PART_HEADER_BYTES)
        self.session: UploadSession | None = None

    async def prepare(self) -> None:
        """Check the headers and the target before the body comes."""
        identified = super().prepare()
        if identified is not None:
            await identified
        if self.request.method != "POST" or self.refused:
            return
        try:
            content_type = self.request.headers.get("Content-Type", "")
            pk = parse_pk(self.path_args[0])
            session = UploadSession(self.archive, pk, boundary_of(content_type))
            await session.start()
            self.session = session
        except Exception as error:
            self.refuse(error)
            self.answer_who_waits()

    def check_headers(self) -> None:
        """Refuse a POST that is not an upload."""
        super().check_headers()
        if self.request.method == "POST":
            if not self.has_body and self.declared_bytes is None:
                raise HTTPError(411)
            self.check_type()

    async def take(self, chunk: bytes) -> None:
        """Store a piece; Tornado reads the next one when it is stored."""
        if self.session is not None:
            await self.session.take(chunk)

    async def commit(self) -> list[DataProduct]:
        """Store the data products that were uploaded, and return them."""
        assert self.session is not None
        return await self.session.commit()

    def refuse(self, error: Exception) -> None:
        """Answer with this error once the body is read; nothing is stored."""
        super().refuse(error)
        self._clean_up()

    def on_finish(self) -> None:
        """Clean up when the answer has been sent."""
        super().on_finish()
        self._clean_up()

    def on_connection_close(self) -> None:
        """Clean up when the client has disconnected."""
        super().on_connection_close()
        self._clean_up()

    def _clean_up(self) -> None:
        if self.session is not None:
            self.session.abandon()
            self.session = None

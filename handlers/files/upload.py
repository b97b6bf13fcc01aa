"""Uploads: from the connection to the archive without ever being held whole."""

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

#: What the headers of a part and its boundary may add to a file.
ENVELOPE_BYTES = 16_384

_farewells: set[asyncio.Task[None]] = set()


class UploadSession:
    """One upload on its way in: all of it is stored or, unless `commit` is reached, nothing."""

    def __init__(self, archive: Archive, target: int, boundary: bytes) -> None:
        self._archive = archive
        self._target = target
        self._parts = FileParts(boundary)
        self._stack = AsyncExitStack()
        # The client may vanish while a piece is being written.
        self._lock = asyncio.Lock()
        self._open = False

    async def start(self) -> None:
        """Raise NotFound unless there is such a target, then be ready for files."""
        await self._archive.targets.get(self._target)
        self._upload = await self._stack.enter_async_context(
            self._archive.products.upload(self._target)
        )
        self._open = True

    async def take(self, chunk: bytes) -> None:
        """Store a piece of the body; the next one waits for it."""
        async with self._lock:
            for event in self._parts.feed(chunk) if self._open else ():
                if isinstance(event, str):
                    await self._upload.add(event)
                else:
                    await self._upload.write(event)

    async def commit(self) -> list[DataProduct]:
        """Make the data products."""
        async with self._lock:
            self._parts.finish()
            return await self._upload.commit()

    async def end(self) -> None:
        """Remove everything that was not committed."""
        async with self._lock:
            self._open = False
            await self._stack.aclose()

    def abandon(self) -> None:
        """`end`, from where nobody can wait for it."""
        farewell = asyncio.ensure_future(self.end())
        _farewells.add(farewell)
        farewell.add_done_callback(_farewells.discard)


class UploadHandler(BodyHandler):
    """A handler whose POST takes files for the target in its path."""

    media_type = "multipart/form-data"

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        uploads = services.config.uploads
        self.limit_bytes = uploads.limit_parts * (uploads.limit_bytes + ENVELOPE_BYTES)
        self.reception: UploadSession | None = None

    async def prepare(self) -> None:
        """Look at the headers and the target before the body comes."""
        super().prepare()
        if self.request.method != "POST" or self.refused:
            return
        try:
            content_type = self.request.headers.get("Content-Type", "")
            pk = parse_pk(self.path_args[0])
            reception = UploadSession(self.archive, pk, boundary_of(content_type))
            await reception.start()
            self.reception = reception
        except Exception as error:
            self.refuse(error)

    def check_headers(self) -> None:
        """Refuse what is no upload."""
        super().check_headers()
        if self.request.method == "POST":
            if not self.has_body and self.declared_bytes is None:
                raise HTTPError(411)
            self.check_type()

    async def take(self, chunk: bytes) -> None:
        """Pass a piece on; none comes before it is written."""
        if self.reception is not None:
            await self.reception.take(chunk)

    async def commit(self) -> list[DataProduct]:
        """Make the data products of what came."""
        assert self.reception is not None
        return await self.reception.commit()

    def refuse(self, error: Exception) -> None:
        """Answer with this error once the body is through."""
        super().refuse(error)
        self._leave()

    def on_finish(self) -> None:
        """Clean up when the answer is sent."""
        super().on_finish()
        self._leave()

    def on_connection_close(self) -> None:
        """Clean up when the client has gone."""
        super().on_connection_close()
        self._leave()

    def _leave(self) -> None:
        if self.reception is not None:
            self.reception.abandon()
            self.reception = None

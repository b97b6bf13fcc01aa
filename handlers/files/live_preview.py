"""`/processes/<pk>/preview.png`: the latest picture of a run, while it runs."""

from __future__ import annotations

import hashlib

from tornado.routing import URLSpec

from handlers.http.content_headers import sandbox_headers
from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProcess
from server.core.errors import NotFound
from server.core.records import State


class LivePreviewHandler(OfProcess):
    """The latest picture of a run; its digest is the version."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Send the picture, unless the client has it. There is one only while the process runs."""
        record = await self.processes.get(parse_pk(pk))
        running = record.state is State.RUNNING
        picture = await self.services.live_preview(record) if running else None
        if picture is None:
            raise NotFound("picture of process", pk)
        sandbox_headers(self)
        self.set_header("Content-Type", "image/png")
        self.set_header("Etag", f'"{hashlib.blake2b(picture, digest_size=12).hexdigest()}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        self.write(picture)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the live previews."""
    return [route(rf"/processes/{PK}/preview\.png", LivePreviewHandler, services)]

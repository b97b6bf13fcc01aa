"""The latest picture of a run, while it runs, and the frames so far of a film that it makes."""

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


class LivePicture(OfProcess):
    """A picture that a run shows of its work; its digest is the version."""

    quiet = True

    async def send_picture(self, pk: str, frame: int | None, content_type: str) -> None:
        """Send the picture, unless the client has it. There is one only while the process runs."""
        record = await self.processes.get(parse_pk(pk))
        running = record.state is State.RUNNING
        picture = await self.services.live_preview(record, frame) if running else None
        if picture is None:
            raise NotFound("picture of process", pk)
        sandbox_headers(self)
        self.set_header("Content-Type", content_type)
        self.set_header("Etag", f'"{hashlib.blake2b(picture, digest_size=12).hexdigest()}"')
        if self.check_etag_header():
            self.set_status(304)
            return
        self.write(picture)


class LivePreviewHandler(LivePicture):
    """The latest picture of a run."""

    async def get(self, pk: str) -> None:
        """Send the picture."""
        await self.send_picture(pk, None, "image/png")


class LiveFrameHandler(LivePicture):
    """A frame of a film that is being made; once it is made, the film has them all."""

    async def get(self, pk: str, frame: str) -> None:
        """Send the frame."""
        await self.send_picture(pk, parse_pk(frame), "image/jpeg")


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the live previews."""
    return [
        route(rf"/processes/{PK}/preview\.png", LivePreviewHandler, services),
        route(rf"/processes/{PK}/frames/{PK}\.jpg", LiveFrameHandler, services),
    ]

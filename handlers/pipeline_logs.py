"""`/api/pipeline/logs/<pipeline PK>/`: the specified status of a pipeline with its whole log."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.base import BaseHandler
from handlers.compressed import accepts_gzip, compressed_pieces
from handlers.query import PK, pk_of
from handlers.services import Services
from handlers.streams import send, send_ready


class PipelineLogsHandler(BaseHandler):
    """Sends the log as it was when asked for, however long."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the seven keys of the status, the log and the group."""
        body = await self.processes.log_body(pk_of(pk))
        if self.unchanged(body.version):
            return
        content = await body.read(compressed=accepts_gzip(self))
        if content.compressed:
            self.set_header("Content-Encoding", "gzip")
        if isinstance(content.pieces, list):
            await send_ready(self, content.pieces)
        else:
            await send(self, compressed_pieces(self, content.pieces))


def routes(services: Services) -> list[URLSpec]:
    """The log of a pipeline."""
    kwargs = {"services": services}
    return [URLSpec(rf"/api/pipeline/logs/{PK}/", PipelineLogsHandler, kwargs)]

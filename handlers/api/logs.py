"""The logs over HTTP.

The specified `/api/pipeline/logs/<pipeline PK>/` is a pipeline's status with its whole log;
`/api/processes/<pk>/logs/`, `…/logs.txt` and `…/sections/` are for every type of process.
"""

from __future__ import annotations

import zlib

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.compression import accepts_gzip, compressed_apart, compressed_pieces
from handlers.http.query import PK, choices, integer, parse_pk, text
from handlers.http.streaming import send, send_ready
from handlers.services import Services
from server.core.errors import InvalidInput


class PipelineLogsHandler(BaseHandler):
    """Sends the log as it was when asked for, however long."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the seven keys of the status, the log and the group."""
        record = await self.processes.get(parse_pk(pk))
        body = await self.processes.log_bodies.get(record)
        if self.unchanged(body.version):
            return
        content = await body.read(compressed=accepts_gzip(self))
        if content.compressed:
            self.set_header("Content-Encoding", "gzip")
        if isinstance(content.pieces, list):
            await send_ready(self, content.pieces)
        else:
            await send(self, compressed_pieces(self, content.pieces))


LEVELS = frozenset({"debug", "info", "warning", "error"})


class LogHandler(BaseHandler):
    """The log by cursor."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the lines behind a cursor that match."""
        after = integer(self, "after", 0) or 0
        limit = integer(self, "limit", 1, 100_000) or 1_000
        level, q = wanted(self)
        record = await self.processes.get(parse_pk(pk))
        page = await self.processes.log_reader.lines(record, after, limit, level, q)
        # Lines never change: how far the page reaches says all, for one and the same query.
        query = zlib.crc32(self.request.query.encode())
        lines = b",\n".join(page.entries)
        if not self.unchanged(f"{query:x}-{page.next}-{len(lines)}-{int(page.ended)}"):
            ended = b"true" if page.ended else b"false"
            body = b'{"lines":[%b],"next":%d,"ended":%b}' % (lines, page.next, ended)
            self.write(await compressed_apart(self, body))


class SectionsHandler(BaseHandler):
    """Where in its log the statuses of a process begin."""

    async def get(self, pk: str) -> None:
        """Answer with the newest sections, in the order of their lines."""
        await self.answer({"sections": await self.processes.sections(parse_pk(pk))})


class LogTextHandler(BaseHandler):
    """The log as a file."""

    async def get(self, pk: str) -> None:
        """Send the text of the lines that match."""
        record = await self.processes.get(parse_pk(pk))
        pieces = self.processes.log_reader.text(record, *wanted(self))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{record.identifier}.txt"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", self.vary)
        await send(self, compressed_pieces(self, pieces))


def wanted(handler: BaseHandler) -> tuple[str, str]:
    """Which lines the query asks for: the least level, and a text in them."""
    levels = choices(handler, "level", LEVELS)
    if len(levels) > 1:
        raise InvalidInput.of("level", "One level is expected; it includes the graver ones.")
    return levels[0] if levels else "debug", text(handler, "q") or ""


def routes(services: Services) -> list[URLSpec]:
    """The logs: the specified answer first, then lines, sections and text of any process."""
    one = rf"/api/processes/{PK}"
    kwargs = {"services": services}
    return [
        URLSpec(rf"/api/pipeline/logs/{PK}/", PipelineLogsHandler, kwargs),
        URLSpec(rf"{one}/logs/", LogHandler, kwargs),
        URLSpec(rf"{one}/sections/", SectionsHandler, kwargs),
        URLSpec(rf"{one}/logs\.txt", LogTextHandler, kwargs),
    ]

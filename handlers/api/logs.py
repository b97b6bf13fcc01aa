"""Logs over HTTP.

The specified `/api/pipeline/logs/<pipeline PK>/` is the status of a pipeline with its whole log;
`/api/processes/<pk>/logs/`, `…/logs.txt` and `…/sections/` are for processes of every type.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator

from tornado.routing import URLSpec

from handlers.http.abandonment import AbandonableHandler
from handlers.http.base import BaseHandler
from handlers.http.compression import accepts_gzip, compressed_in_thread, compressed_pieces
from handlers.http.content_headers import download_headers
from handlers.http.query import PK, choices, integer, parse_pk, text
from handlers.http.routing import route
from handlers.http.streaming import COPIED_BYTES, each, send, send_ready
from handlers.services import Services
from handlers.sharing.views import OfProcess
from server.core.errors import DamagedFile, InvalidInput
from server.core.records import LEVELS


@contextlib.asynccontextmanager
async def heeding_deletion(handler: BaseHandler, process: int) -> AsyncIterator[None]:
    """Raise NotFound if the log cannot be read because the process was deleted meanwhile."""
    try:
        yield
    except DamagedFile:
        await handler.processes.get(process)
        raise


class PipelineLogsHandler(OfProcess):
    """A pipeline's status with its whole log, as they are when the request comes."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the keys of the status, the log and the group."""
        record = await self.processes.get(parse_pk(pk))
        body = await self.processes.log_bodies.get(record)
        if self.unchanged(body.version):
            return
        async with heeding_deletion(self, record.pk):
            content = await body.read(compressed=accepts_gzip(self))
            if content.compressed:
                self.set_header("Content-Encoding", "gzip")
            if isinstance(content.pieces, list):
                await send_ready(self, content.pieces)
            else:
                await send(self, compressed_pieces(self, content.pieces))


class LogHandler(OfProcess, AbandonableHandler):
    """The lines of a log by cursor."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with the matching lines after a cursor, or before one."""
        after, before = integer(self, "after", 0), integer(self, "before", 1)
        if after is not None and before is not None:
            raise InvalidInput.of("before", "Give either after or before, not both.")
        limit = integer(self, "limit", 1, 100_000) or 1_000
        level, q = line_filter(self)
        record = await self.processes.get(parse_pk(pk))
        reading = self.processes.log_reader.lines(
            record,
            after or 0,
            limit,
            level,
            q,
            before=before,
            client=self.request.remote_ip or "",
            counted=True,
        )
        async with heeding_deletion(self, record.pk):
            page = await self.while_wanted(reading)
        if page is None:
            return
        # Lines never change: for the same query, the version is how far the page reaches, and how
        # many lines there are now.
        query = zlib.crc32(self.request.query.encode())
        pieces = page.json
        size = sum(map(len, pieces))
        version = f"{query:x}-{page.next}-{size}-{int(page.ended)}-{sum(page.counts)}"
        if not self.unchanged(version):
            await self._send(pieces, size)

    async def _send(self, pieces: list[bytes], size: int) -> None:
        """Send a page; a long one in pieces, as joining and compressing it would hold others up."""
        if size <= COPIED_BYTES:
            self.write(await compressed_in_thread(self, b"".join(pieces)))
        elif accepts_gzip(self):
            await send(self, compressed_pieces(self, each(pieces)))
        else:
            await send_ready(self, pieces)


class SectionsHandler(OfProcess):
    """The sections of a log: where each status of the process begins."""

    async def get(self, pk: str) -> None:
        """Answer with the newest sections, in the order of their lines."""
        await self.answer({"sections": await self.processes.sections(parse_pk(pk))})


class LogTextHandler(OfProcess, AbandonableHandler):
    """The log as a text file."""

    async def get(self, pk: str) -> None:
        """Send the text of the matching lines."""
        record = await self.processes.get(parse_pk(pk))
        reader, wanted = self.processes.log_reader, line_filter(self)
        pieces = reader.text(record, *wanted, client=self.request.remote_ip or "")
        download_headers(self, "text/plain; charset=utf-8", f"{record.identifier}.txt")
        self.set_header("Vary", self.vary)
        async with heeding_deletion(self, record.pk):
            await self.while_wanted(send(self, compressed_pieces(self, pieces)))


def line_filter(handler: BaseHandler) -> tuple[str, str]:
    """Return which lines the query asks for: the lowest level, and a text in them."""
    levels = choices(handler, "level", frozenset(LEVELS))
    if len(levels) > 1:
        raise InvalidInput.of("level", "One level is expected; it includes the more severe ones.")
    return levels[0] if levels else "debug", text(handler, "q") or ""


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the logs, the specified one first."""
    return [
        route(rf"/api/pipeline/logs/{PK}/", PipelineLogsHandler, services),
        route(rf"/api/processes/{PK}/logs/", LogHandler, services),
        route(rf"/api/processes/{PK}/sections/", SectionsHandler, services),
        route(rf"/api/processes/{PK}/logs\.txt", LogTextHandler, services),
    ]

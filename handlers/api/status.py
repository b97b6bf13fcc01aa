"""`/api/async/status/<target PK>/`: the specified status of a target's processes, for polls."""

from __future__ import annotations

import time

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.compression import MIN_BYTES, accepts_gzip
from handlers.http.query import PK, integer, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import send_ready
from handlers.services import Services


class AsyncStatusHandler(BaseHandler):
    """Answers from the status board in memory; only the time stamp is new each time."""

    quiet = True

    async def get(self, pk: str) -> None:
        """Answer with all processes of the target, or the newest `limit`."""
        limit = integer(self, "limit", 1, 1_000)
        board = await self.processes.board(parse_pk(pk))
        version = board.version if limit is None else f"{board.version}-{limit}"
        if self.unchanged(version):
            return
        pieces = board.pieces(time.time(), limit)
        if len(pieces[-1]) >= MIN_BYTES and accepts_gzip(self):
            self.set_header("Content-Encoding", "gzip")
            pieces = await board.compressed(time.time(), limit)
        await send_ready(self, pieces)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the status."""
    return [route(rf"/api/async/status/{PK}/", AsyncStatusHandler, services)]

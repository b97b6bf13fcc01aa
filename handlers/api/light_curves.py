"""`/api/targets/<pk>/lightcurve/`: the measurements of a target, as JSON in pages or as one CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.content_headers import download_headers
from handlers.http.query import PK, choices, integer, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import send
from handlers.services import Services
from server.core.errors import InvalidInput

FORMATS = frozenset({"json", "csv"})
COLUMNS = ("time", "magnitude", "error", "filter", "process")
MAX_ROWS, DEFAULT_ROWS = 10_000, 1_000


class LightCurveHandler(BaseHandler):
    """The light curve of one target."""

    async def get(self, pk: str) -> None:
        """Answer with a page of it, or with all of it for `?format=csv`."""
        target = await self.archive.targets.get(parse_pk(pk))
        formats = choices(self, "format", FORMATS)
        if len(formats) > 1:
            raise InvalidInput.of("format", "One format is expected.")
        before, limit = integer(self, "before", 1), integer(self, "limit", 1, MAX_ROWS)
        if formats == ["csv"]:
            await self._send_csv(target.pk, target.identifier)
            return
        page = await self.archive.light_curves.page(
            target.pk, before=before, limit=limit or DEFAULT_ROWS
        )
        following = b"null" if page.next is None else b"%d" % page.next
        rows = b",".join(page.rows)
        await self.answer_encoded(b'{"lightcurve":[%b],"next":%b}' % (rows, following))

    async def _send_csv(self, target: int, identifier: str) -> None:
        download_headers(self, "text/csv; charset=utf-8", f"lightcurve_{identifier}.csv")
        await send(self, self._lines(target))

    async def _lines(self, target: int) -> AsyncIterator[bytes]:
        yield _table([COLUMNS])
        async for rows in self.archive.light_curves.all(target):
            if rows:
                yield _table([[getattr(row, name) for name in COLUMNS] for row in rows])


def _table(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the light curves."""
    return [route(rf"/api/targets/{PK}/lightcurve/", LightCurveHandler, services)]

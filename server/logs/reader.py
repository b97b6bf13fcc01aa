"""The logs as they are asked for: pages of lines by cursor, and whole texts in pieces.

The same reader as that of the websockets, in `follow`: a cursor goes in, lines come out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from server.core.records import ProcessRecord
from server.logs.cache import Slice
from server.logs.filter import filter_of
from server.logs.logs import Logs, text_of

#: What one request for a page looks at, and sends, at most. Then it is short, with a `next`.
EXAMINED_LINES = 200_000
EXAMINED_BYTES = 64 * 1024**2
PAGE_BYTES = 32 * 1024**2


class LinesPage(NamedTuple):
    """Lines behind a cursor, some in each of `entries`. `next` is the last line examined; `ended`
    that no more will come.
    """

    entries: list[bytes]
    next: int
    ended: bool


class LogReader:
    """Reads logs for the outside."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def lines(
        self, record: ProcessRecord, after: int, limit: int, level: str = "debug", q: str = ""
    ) -> LinesPage:
        """At most `limit` lines behind a cursor, of at least a level and with a text in them."""
        wanted = filter_of(level, q)
        entries: list[bytes] = []
        last = await self.last_line(record)
        cursor = min(after, last)
        stop = min(last, cursor + EXAMINED_LINES)
        room, examined, size = limit, 0, 0
        while room and cursor < stop and size < PAGE_BYTES and examined < EXAMINED_BYTES:
            part = await self.read(record, cursor)
            if part is None:
                break
            found = wanted.take(part, room)
            if found.lines:
                entries.append(found.entries)
            cursor, room, size = found.last, room - found.lines, size + len(found.entries)
            if examined:
                await asyncio.sleep(0)
            examined += len(part.entries)
        return LinesPage(entries, cursor, record.state.ended and cursor >= record.log_lines)

    async def text(
        self, record: ProcessRecord, level: str = "debug", q: str = ""
    ) -> AsyncIterator[bytes]:
        """The text of the log in pieces, of the lines that match."""
        wanted = filter_of(level, q)
        async for part in self.parts(record, 0, await self.last_line(record)):
            found = wanted.take(part, part.last)
            if found.lines:
                yield text_of(found.entries).encode()
            else:
                await asyncio.sleep(0)

    async def parts(self, record: ProcessRecord, cursor: int, last: int) -> AsyncIterator[Slice]:
        """What is stored of a log behind a cursor, slice by slice, up to a line."""
        while cursor < last and (part := await self.read(record, cursor)) is not None:
            part = part.upto(last)
            cursor = part.last
            yield part

    async def read(self, record: ProcessRecord, after: int) -> Slice | None:
        """The next lines; of an ended process never more than its record counts."""
        if not record.state.ended:
            return await self._logs.read(record.pk, after)
        if after >= record.log_lines:
            return None
        part = await self._logs.read(record.pk, after, stored=record.log_lines)
        return None if part is None else part.upto(record.log_lines)

    async def last_line(self, record: ProcessRecord) -> int:
        """The number of the last line of a log as it is now."""
        return record.log_lines if record.state.ended else await self._logs.last_line(record.pk)

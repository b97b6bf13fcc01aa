"""Reading logs for requests: pages of lines by cursor, and whole texts in pieces.

The feeds of the websockets, in `server.live`, read here as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from server.core.records import ProcessRecord
from server.core.turns import take_turn
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR, entries_text
from server.logs.filter import filter_of
from server.logs.logs import Logs
from server.logs.terminal_text import visible_text

#: Limits on what is examined and sent for one page. A page that reaches one of them is shorter.
EXAMINED_LINES = 200_000
EXAMINED_BYTES = 64 * 1024**2
PAGE_BYTES = 32 * 1024**2


class LinesPage(NamedTuple):
    """Lines after a cursor, several in each of `entries`.

    `next` is the last line examined; `ended` says that no more will follow.
    """

    entries: list[bytes]
    next: int
    ended: bool

    @property
    def json(self) -> list[bytes]:
        """The page as a JSON object, in pieces."""
        ended = b"true" if self.ended else b"false"
        tail = b'],"next":%d,"ended":%b}' % (self.next, ended)
        joined = [SEPARATOR + entries if at else entries for at, entries in enumerate(self.entries)]
        return [b'{"lines":[', *joined, tail]


class LogReader:
    """Reads the logs of processes, given by their records."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def lines(
        self, record: ProcessRecord, after: int, limit: int, level: str = "debug", q: str = ""
    ) -> LinesPage:
        """Return up to `limit` lines after a cursor, of at least a level and containing a text."""
        wanted = filter_of(level, q)
        entries: list[bytes] = []
        last = await self.last_line(record)
        cursor = min(after, last)
        stop = min(last, cursor + EXAMINED_LINES)
        room, examined, size = limit, 0, 0
        while room and cursor < stop and size < PAGE_BYTES and examined < EXAMINED_BYTES:
            if examined:
                await take_turn()
            part = await self.read(record, cursor)
            if part is None:
                break
            found = wanted.take(part, room)
            if found.lines:
                entries.append(found.entries)
            cursor, room, size = found.last, room - found.lines, size + len(found.entries)
            examined += len(part.entries)
        return LinesPage(entries, cursor, record.state.ended and cursor >= record.log_lines)

    def seen(self, text: str) -> str:
        """Return what a reader sees of the text of a line, in one row."""
        return visible_text(text).replace("\n", " ⏎ ")

    async def text(
        self, record: ProcessRecord, level: str = "debug", q: str = ""
    ) -> AsyncIterator[bytes]:
        """Yield the text of the lines that match, in pieces."""
        wanted = filter_of(level, q)
        async for part in self.parts(record, 0, await self.last_line(record)):
            found = wanted.take(part, part.last)
            if found.lines:
                yield entries_text(found.entries).encode()

    async def parts(self, record: ProcessRecord, cursor: int, last: int) -> AsyncIterator[Slice]:
        """Yield the stored lines after a cursor up to a line, slice by slice, taking turns."""
        while cursor < last and (part := await self.read(record, cursor)) is not None:
            part = part.upto(last)
            cursor = part.last
            yield part
            if cursor < last:
                await take_turn()

    async def read(self, record: ProcessRecord, after: int) -> Slice | None:
        """Return the next lines after a cursor, None at the end.

        Of an ended process, only the lines that its record counts are read.
        """
        if not record.state.ended:
            return await self._logs.read(record.pk, after)
        if after >= record.log_lines:
            return None
        part = await self._logs.read(record.pk, after, stored=record.log_lines)
        return None if part is None else part.upto(record.log_lines)

    async def last_line(self, record: ProcessRecord) -> int:
        """Return the number of the last line that the log has now."""
        return record.log_lines if record.state.ended else await self._logs.last_line(record.pk)

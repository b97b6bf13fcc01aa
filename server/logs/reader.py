"""Reading logs for requests: pages of lines by cursor, and whole texts in pieces.

The feeds of the websockets, in `server.live`, read here as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from server.core.errors import DamagedFile
from server.core.records import LEVELS, ProcessRecord
from server.core.turns import take_turn
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR, entries_text
from server.logs.logs import Logs
from server.logs.pages import PageSearch
from server.logs.searching.filter import LogFilter, filter_of
from server.logs.searching.query import VisibleText
from server.logs.searching.turns import SearchTurns
from server.logs.segments.format import BLOCK_LINES
from server.logs.segments.sealed import TextPart
from server.logs.segments.search import Span
from server.logs.terminal_text import visible_text

_UNCOUNTED = (0,) * len(LEVELS)


class LinesPage(NamedTuple):
    """Lines on one side of a cursor, several in each of `entries`.

    `next` is the last line examined, backwards the first one; `ended` says that no more will
    follow in this direction. `counts` are the lines of each level that the whole log
    has now, if they were wanted.
    """

    entries: list[bytes]
    next: int
    ended: bool
    counts: Sequence[int] = _UNCOUNTED

    @property
    def json(self) -> list[bytes]:
        """The page as a JSON object, in pieces."""
        ended = b"true" if self.ended else b"false"
        counts = msgspec.json.encode(dict(zip(LEVELS, self.counts, strict=True)))
        tail = b'],"next":%d,"ended":%b,"counts":%b}' % (self.next, ended, counts)
        joined = [SEPARATOR + entries if at else entries for at, entries in enumerate(self.entries)]
        return [b'{"lines":[', *joined, tail]


class LogReader:
    """Reads the logs of processes, given by their records.

    `visible` returns what a terminal would show of a line; without it, searches compare the line as
    it is.
    """

    def __init__(self, logs: Logs, visible: VisibleText | None = visible_text) -> None:
        self._logs = logs
        self._visible_text = visible
        self._turns = SearchTurns()

    async def lines(
        self,
        record: ProcessRecord,
        after: int,
        limit: int,
        level: str = "debug",
        q: str = "",
        *,
        before: int | None = None,
        client: str = "",
        counted: bool = False,
    ) -> LinesPage:
        """Return up to `limit` lines after a cursor, of at least a level and containing a text.

        With `before`, return the last ones before that line instead. Clients take turns. `counted`
        says that the counts are wanted, for which a log of an earlier version is read once.
        """
        last = await self.last_line(record)
        search = self._search(record, self._filter(level, q), client)
        if before is None:
            await search.forwards(min(after, last), last, limit)
            ended = record.state.ended and search.end >= record.log_lines
        else:
            await search.backwards(min(before, last + 1), limit)
            ended = search.end <= 1
        counts = await self._logs.levels(record.pk) if counted else _UNCOUNTED
        return LinesPage(search.entries, search.end, ended, counts)

    def seen(self, text: str) -> str:
        """Return what a reader sees of the text of a line, in one row."""
        return visible_text(text).replace("\n", " ⏎ ")

    async def text(
        self, record: ProcessRecord, level: str = "debug", q: str = "", client: str = ""
    ) -> AsyncIterator[bytes]:
        """Yield the text of the lines that match, in pieces.

        :raises DamagedFile: lines are missing, perhaps because the process was deleted meanwhile.
        """
        wanted, last = self._filter(level, q), await self.last_line(record)
        await self._logs.sealed.now(record.pk)
        if wanted.everything:
            async for part in self.texts(record, 0, last):
                yield part.text
            return
        cursor = 0
        while cursor < last:
            step = partial(self._matching_text, record, wanted, cursor, last)
            found = await self._turns.run(client, step)
            if found is None:
                raise _missing(cursor, last)
            pieces, cursor = found
            for piece in pieces:
                yield piece

    async def texts(self, record: ProcessRecord, cursor: int, last: int) -> AsyncIterator[TextPart]:
        """Yield the text of the lines after a cursor up to a line, taking turns.

        :raises DamagedFile: lines are missing, perhaps because the process was deleted meanwhile.
        """
        while cursor < last:
            if last - cursor > BLOCK_LINES:  # a few lines are rather in memory
                async for sealed in self._logs.sealed.texts(record.pk, cursor, last):
                    cursor = sealed.last
                    yield sealed
            if cursor >= last:
                return
            part = await self.read(record, cursor)
            if part is None:  # to end here would make it look like the whole log
                raise _missing(cursor, last)
            part = part.upto(last)
            cursor = part.last
            yield TextPart(entries_text(part.entries).encode(), cursor)
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

    def _filter(self, level: str, q: str) -> LogFilter:
        return filter_of(level, q, self._visible_text)

    def _search(self, record: ProcessRecord, wanted: LogFilter, client: str) -> PageSearch:
        return PageSearch(
            record.pk,
            wanted,
            read=lambda after: self.read(record, after),
            sealed=self._logs.sealed,
            run=lambda step: self._turns.run(client, step),
        )

    async def _matching_text(
        self, record: ProcessRecord, wanted: LogFilter, cursor: int, last: int
    ) -> tuple[list[bytes], int] | None:
        """Return the text of the next matches, and the last line examined; None at the end."""
        span = Span(cursor + 1, last)
        sealed = await self._logs.sealed.search(record.pk, wanted.query, span, last, as_text=True)
        if sealed is not None:
            return sealed.pieces, sealed.end
        part = await self.read(record, cursor)
        if part is None:
            return None
        found = wanted.take(part.upto(last), last)
        text = entries_text(found.entries) if found.lines else ""
        return [text.encode()] if text else [], found.last


def _missing(after: int, last: int) -> DamagedFile:
    return DamagedFile(f"the lines {after + 1} to {last} of a log", "it is missing")

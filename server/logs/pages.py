"""Examining a log for one page: forwards or backwards, segment by segment, slice by slice.

A page stops when it is full, and when it has examined as much as one request may cost.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.core.turns import take_turn
from server.logs.cache import Slice
from server.logs.searching.filter import Found, LogFilter
from server.logs.segments.sealed import SealedLogs
from server.logs.segments.search import Matches, Span

T = TypeVar("T")

#: Limits on what is examined and sent for one page. A page that reaches one of them is shorter.
EXAMINED_LINES = 200_000
EXAMINED_BYTES = 64 * 1024**2
PAGE_BYTES = 32 * 1024**2
#: A page of a search that has matches is not kept waiting for more of them for longer than this.
PATIENT_SECONDS = 0.05
#: Lines of segments count less by this factor, as scanning them costs less.
SEALED_FACTOR = 10
#: Lines of chunks that are read together when going backwards.
WINDOW_LINES = 4_000

Run = Callable[[Callable[[], Awaitable[T]]], Awaitable[T]]


class PageSearch:
    """The matches of one page, as they are found.

    `read` returns the slice after a line, and `run` has a step wait for its turn.
    """

    def __init__(
        self,
        process: int,
        wanted: LogFilter,
        *,
        read: Callable[[int], Awaitable[Slice | None]],
        sealed: SealedLogs,
        run: Run[Matches | None],
    ) -> None:
        self._process = process
        self._wanted = wanted
        self._read = read
        self._sealed = sealed
        self._run = run
        self.entries: list[bytes] = []
        #: the last line examined, backwards the lowest
        self.end = 0
        self._room = 0
        self._due = time.monotonic() + PATIENT_SECONDS
        self._size = self._examined_lines = self._examined_bytes = 0

    async def forwards(self, after: int, last: int, limit: int) -> None:
        """Examine the lines after one, up to the last."""
        self.end, self._room = after, limit
        if not self._wanted.everything:
            await self._sealed.now(self._process)
        while self.end < last and self._may_go_on():
            if await self._search_sealed(Span(self.end + 1, last)):
                continue
            await take_turn()
            part = await self._read(self.end)
            if part is None:
                break
            self._take(part, self._wanted.take(part, self._room))

    async def backwards(self, before: int, limit: int) -> None:
        """Examine the lines before one, down to the first."""
        self.end, self._room = before, limit
        await self._sealed.now(self._process)
        while self.end > 1 and self._may_go_on():
            if not await self._search_sealed(Span(1, self.end - 1, backwards=True)):
                await self._search_window()
        self.entries.reverse()

    def _may_go_on(self) -> bool:
        return (
            self._room > 0
            and self._size < PAGE_BYTES
            and self._examined_lines < EXAMINED_LINES
            and self._examined_bytes < EXAMINED_BYTES
            and not (self._size and not self._wanted.everything and time.monotonic() > self._due)
        )

    async def _search_sealed(self, span: Span) -> bool:
        """Search the segment where the span begins; return False if there is none."""
        if self._wanted.everything and not span.backwards:
            return False  # what is read by cursor stays in memory
        found = await self._run(
            lambda: self._sealed.search(self._process, self._wanted.query, span, self._room)
        )
        if found is None:
            return False
        examined = abs(found.end - (span.last if span.backwards else span.first)) + 1
        self._examined_lines += examined // SEALED_FACTOR
        self._add(found.pieces[::-1] if span.backwards else found.pieces, found.lines, found.end)
        return True

    async def _search_window(self) -> None:
        """Search the lines right before the end, which are in chunks, from the last one on."""
        start = self.end - 1 - min(WINDOW_LINES, self.end - 1)
        start = max(start, (await self._sealed.of(self._process)).last)
        parts: list[Slice] = []
        cursor = start
        while cursor < self.end - 1:
            await take_turn()
            part = await self._read(cursor)
            if part is None:
                break
            parts.append(part.upto(self.end - 1))
            cursor = parts[-1].last
        for part in reversed(parts):
            if not self._may_go_on():
                return
            self._take(part, self._wanted.take_last(part, self._room))
        if self._room > 0:
            self.end = min(self.end, start + 1)

    def _take(self, part: Slice, found: Found) -> None:
        self._examined_lines += part.last - part.first + 1
        self._examined_bytes += len(part.entries)
        self._add([found.entries] if found.lines else [], found.lines, found.last)

    def _add(self, pieces: list[bytes], lines: int, end: int) -> None:
        self.entries += pieces
        self._room -= lines
        self._size += sum(map(len, pieces))
        self.end = end

"""The logs as they are shown: pages of lines, whole texts, and live frames for the websockets.

One reader serves them all: a cursor goes in, lines come out. Subscribe, then read; a wake-up
carries no data, so nothing is shown that is not stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from server.hub import Hub
from server.ledger import Ledger
from server.lines import SEPARATOR
from server.logs import Logs, Slice, text_of
from server.records import ProcessRecord
from server.status_board import StatusBoard

#: Changes of a record that follow each other faster are merged into one frame.
MERGE_SECONDS = 0.05
#: How many lines one request for a filtered page looks at.
EXAMINED_LINES = 200_000
LEVELS = ("debug", "info", "warning", "error")
END_FRAME = b'{"type":"end"}'

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[int | float | str | bool]).decode


class LinesPage(NamedTuple):
    """Lines behind a cursor. `next` is the last line examined; `ended` that no more will come."""

    entries: list[bytes]
    next: int
    ended: bool


class LogViews:
    """Reads logs for the outside."""

    def __init__(
        self,
        ledger: Ledger,
        logs: Logs,
        hub: Hub,
        fields: Callable[[ProcessRecord], dict[str, Any]],
        board: Callable[[int], Awaitable[StatusBoard]],
    ) -> None:
        self._fields = fields
        self._board = board
        self._ledger = ledger
        self._logs = logs
        self._hub = hub

    async def lines(
        self, pk: int, after: int, limit: int, level: str = "debug", q: str = ""
    ) -> LinesPage:
        """At most `limit` lines behind a cursor, of at least a level and with a text in them."""
        record = await self._ledger.get(pk)
        wanted = _Filter(level, q)
        entries: list[bytes] = []
        cursor, last = after, after + EXAMINED_LINES
        while len(entries) < limit and cursor < last:
            part = await self._read(record, cursor)
            if part is None:
                return LinesPage(entries, cursor, record.state.ended)
            for entry in part.entries.split(SEPARATOR):
                cursor += 1
                if wanted(entry):
                    entries.append(entry)
                    if len(entries) == limit:
                        break
            await asyncio.sleep(0)
        ended = record.state.ended and cursor >= record.log_lines
        return LinesPage(entries, cursor, ended)

    async def text(self, pk: int, level: str = "debug", q: str = "") -> AsyncIterator[bytes]:
        """The text of the log in pieces, of the lines that match."""
        record = await self._ledger.get(pk)
        wanted = _Filter(level, q)
        async for part in self.parts(record):
            if wanted.everything:
                yield text_of(part).encode()
            else:
                kept = [entry for entry in part.entries.split(SEPARATOR) if wanted(entry)]
                if kept:
                    yield text_of(part._replace(entries=SEPARATOR.join(kept))).encode()

    async def parts(self, record: ProcessRecord, cursor: int = 0) -> AsyncIterator[Slice]:
        """What is stored of a log now behind a cursor, slice by slice."""
        while (part := await self._read(record, cursor)) is not None:
            cursor = part.last
            yield part

    async def _read(self, record: ProcessRecord, after: int) -> Slice | None:
        """The next lines; of an ended process never more than its record counts."""
        if record.state.ended and after >= record.log_lines:
            return None
        part = await self._logs.read(record.pk, after)
        if part is not None and record.state.ended and part.last > record.log_lines:
            kept = part.entries.split(SEPARATOR)[: record.log_lines - part.first + 1]
            return Slice(part.first, record.log_lines, SEPARATOR.join(kept))
        return part

    async def follow(self, pk: int, after: int) -> AsyncIterator[bytes]:
        """Ready frames of a process: its record, all lines behind the cursor, the live ones, `end`.

        Raises NotFound for an unknown process, also when it is deleted meanwhile.
        """
        with self._hub.subscribe(("process", pk), ("log", pk)) as subscription:
            record = await self._ledger.get(pk)
            cursor = min(after, await self._last_line(record))
            shown, shown_at = 0, 0.0
            while True:
                record = await self._ledger.get(pk)
                now = time.monotonic()
                late = now - shown_at >= MERGE_SECONDS and not record.state.ended
                if record.version != shown and (late or not shown):
                    shown, shown_at = record.version, now
                    yield self._process_frame(record)
                while (part := await self._read(record, cursor)) is not None:
                    cursor = part.last
                    yield b'{"type":"lines","lines":[%b]}' % part.entries
                if record.state.ended:
                    # Whoever is told of the end has all lines by then.
                    if record.version != shown:
                        yield self._process_frame(record)
                    yield END_FRAME
                    return
                pause = shown_at + MERGE_SECONDS - now if record.version != shown else None
                await subscription.wait(pause)

    async def _last_line(self, record: ProcessRecord) -> int:
        return record.log_lines if record.state.ended else await self._logs.last_line(record.pk)

    def _process_frame(self, record: ProcessRecord) -> bytes:
        fields = _encode(self._fields(record))
        return b'{"type":"process","process":%b}' % fields

    async def follow_status(self, target: int) -> AsyncIterator[bytes]:
        """Ready frames of a target's processes: a snapshot, then what changed, newest state only.

        Raises NotFound for an unknown target, also when it is deleted meanwhile.
        """
        with self._hub.subscribe(("target", target)) as subscription:
            board = await self._board(target)
            seen = board.version
            yield b'{"type":"snapshot",%b' % board.body(time.time())[1:]
            while True:
                await subscription.wait()
                board = await self._board(target)
                changes, seen = list(board.changes(seen)), board.version
                for entry in changes:
                    yield b'{"type":"status","timestamp":%b,"process":%b}' % (
                        _encode(time.time()),
                        entry,
                    )
                await asyncio.sleep(MERGE_SECONDS / 5)


class _Filter:
    """Whether an entry is of at least a level and has a text in it, without regard to case."""

    def __init__(self, level: str, q: str) -> None:
        self._levels = frozenset(LEVELS[LEVELS.index(level) :])
        self._q = q.casefold()
        self.everything = level == "debug" and not q

    def __call__(self, entry: bytes) -> bool:
        if self.everything:
            return True
        fields = _decode(entry)
        return fields[2] in self._levels and self._q in str(fields[3]).casefold()

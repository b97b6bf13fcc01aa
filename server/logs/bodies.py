"""The specified answer of the pipeline logs API, kept while it is hot.

Of a log up to a size, the text stays in memory as it stands in the JSON, and for those who ask for
it compressed as well; both only grow at their ends. A longer one is streamed from the store.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from server.core.errors import NotFound
from server.core.gzip_body import Deflated, Pieces
from server.core.records import ProcessRecord
from server.logs.logs import text_of
from server.logs.reader import LogReader

#: The longest text that is kept in memory.
WHOLE_BYTES = 33_554_432
#: Up to here the body of an ended process is kept in one piece as well.
READY_BYTES = 262_144
#: From here on compressing is worth it.
COMPRESSED_BYTES = 1_024
#: What a log kept takes in memory besides its text, about.
KEPT_BYTES = 1_000

_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """A body in pieces: all of them, together `size` bytes, or as they are read."""

    pieces: list[bytes] | AsyncIterator[bytes]
    size: int | None
    compressed: bool = False


class _Kept:
    """The text of a log up to a line, as the inside of a JSON string."""

    def __init__(self) -> None:
        self.text = Pieces()
        self.deflated: Deflated | None = None
        self.cursor = 0
        self.ready: tuple[str, bytes] = ("", b"")
        self.lock = asyncio.Lock()
        self.too_large = False
        self.counted = 0

    @property
    def size(self) -> int:
        """How much memory it takes, about."""
        packed = 0 if self.deflated is None else self.deflated.size
        return KEPT_BYTES + self.text.size + packed + len(self.ready[1])

    def clear(self) -> None:
        """Forget the text."""
        self.text, self.deflated, self.cursor, self.ready = Pieces(), None, 0, ("", b"")


class LogBody:
    """The answer as it is now. `version` changes with it."""

    def __init__(self, bodies: LogBodies, record: ProcessRecord, last: int) -> None:
        self._bodies = bodies
        self.record = record
        self.last = last

    @property
    def version(self) -> str:
        """Changes with the body."""
        return f"{self.record.version}-{self.last}"

    async def read(self, compressed: bool = False) -> Content:
        """The body, perhaps compressed: what is short or streamed is not."""
        return await self._bodies.read(self, compressed)


class LogBodies:
    """Bodies of the logs API; `cache_bytes` bounds those kept in memory."""

    def __init__(self, reader: LogReader, cache_bytes: int) -> None:
        self._reader = reader
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    async def get(self, record: ProcessRecord) -> LogBody:
        """The answer for a pipeline process. Raises NotFound for any other type."""
        if record.process_type != "pipeline":
            raise NotFound("pipeline", record.pk)
        return LogBody(self, record, await self._reader.last_line(record))

    async def read(self, body: LogBody, compressed: bool) -> Content:
        """The content of a body, from memory as far as it is there."""
        pk = body.record.pk
        kept = self._kept.get(pk)
        if kept is not None and not compressed and kept.ready[0] == body.version:
            self._kept.move_to_end(pk)
            return Content([kept.ready[1]], len(kept.ready[1]))
        if kept is None:
            kept = self._kept[pk] = _Kept()
        async with kept.lock:
            content = await self._content(kept, body, compressed)
        self._count(pk, kept)
        return content or Content(self._stream(body), None)

    async def _content(self, kept: _Kept, body: LogBody, compressed: bool) -> Content | None:
        """The whole body, from what is kept and what came since; None when it is too large."""
        if kept.cursor > body.last and body.record.state.ended:
            kept.clear()  # of a lost run, which wrote on
        if not await self._extend(kept, body):
            return None
        head, tail = _frame(body.record)
        if compressed and kept.text.size >= COMPRESSED_BYTES:
            pieces = (await self._deflated(kept, body)).body(head, tail)
            return Content(pieces, sum(map(len, pieces)), True)
        pieces = [head, *kept.text.pieces, tail]
        size = len(head) + kept.text.size + len(tail)
        if size <= READY_BYTES:
            pieces = [b"".join(pieces)]
            kept.ready = (body.version, pieces[0])
        return Content(pieces, size)

    async def _extend(self, kept: _Kept, body: LogBody) -> bool:
        """Add what came since; False when it is too much."""
        limit = min(WHOLE_BYTES, self._cache_bytes)
        if kept.too_large:
            return False
        async for part in self._reader.parts(body.record, kept.cursor, body.last):
            piece = escaped(text_of(part.entries))
            if kept.text.size + len(piece) > limit:
                kept.clear()
                kept.too_large = True
                return False
            kept.text.add(piece)
            kept.cursor = part.last
        return True

    async def _deflated(self, kept: _Kept, body: LogBody) -> Deflated:
        deflated = kept.deflated
        if deflated is None:
            deflated = kept.deflated = Deflated()
        for piece in kept.text.behind(deflated.text_bytes):
            await deflated.add(piece)
        if body.record.state.ended:
            deflated.end()
        return deflated

    async def _stream(self, body: LogBody) -> AsyncIterator[bytes]:
        head, tail = _frame(body.record)
        yield head
        async for part in self._reader.parts(body.record, 0, body.last):
            yield escaped(text_of(part.entries))
        yield tail

    def _count(self, pk: int, kept: _Kept) -> None:
        """Note how much memory a log takes now, and make room."""
        if self._kept.get(pk) is not kept:
            return  # forgotten meanwhile
        self._kept.move_to_end(pk)
        self._used_bytes += kept.size - kept.counted
        kept.counted = kept.size
        while self._used_bytes > self._cache_bytes and self._kept:
            self.forget(next(iter(self._kept)))

    def forget(self, pk: int) -> None:
        """Drop the body of a process."""
        kept = self._kept.pop(pk, None)
        if kept is not None:
            self._used_bytes -= kept.counted


def escaped(text: str) -> bytes:
    """The text as the inside of a JSON string."""
    return _encode(text)[1:-1]


def _frame(record: ProcessRecord) -> tuple[bytes, bytes]:
    """What stands before and behind the text of the log."""
    head = _encode(record.status_fields())[:-1] + b',"logs":"'
    rest = _encode({"group_name": record.group_name, "group_url": record.group_url})
    return head, b'",' + rest[1:]

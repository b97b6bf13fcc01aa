"""The specified answer of the pipeline logs API, cached while a log is in use.

The text of a log stays in memory as it stands in the JSON and, for clients that accept it,
compressed as well; both only grow at their ends. A text over the limit is streamed from the store.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from server.core.errors import NotFound
from server.core.gzip_body import Deflated, Pieces
from server.core.records import ProcessRecord
from server.logs.reader import LogReader

#: The longest text that is cached.
WHOLE_BYTES = 33_554_432
#: Up to this size, the body itself is cached as well.
READY_BYTES = 262_144
#: From this size on, compression is worth it.
COMPRESSED_BYTES = 1_024
#: Memory that a cached log takes besides its text, roughly.
KEPT_BYTES = 1_000

_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """A body in pieces, either all of them, `size` bytes in total, or as they are read."""

    pieces: list[bytes] | AsyncIterator[bytes]
    size: int | None
    compressed: bool = False


class _CachedText:
    """The text of a log up to a line, as the inside of a JSON string."""

    def __init__(self) -> None:
        #: held by whoever reads or extends the text
        self.lock = asyncio.Lock()
        self.text = Pieces()
        #: the last line of the text
        self.cursor = 0
        #: whether the log is longer than what is cached of any
        self.too_large = False
        #: the size when it was last counted
        self.counted = 0
        self._deflated: Deflated | None = None
        self._ready: tuple[str, bytes] = ("", b"")

    @property
    def size(self) -> int:
        """The memory that it takes, roughly."""
        deflated = 0 if self._deflated is None else self._deflated.size
        return KEPT_BYTES + self.text.size + deflated + len(self._ready[1])

    def add(self, piece: bytes, last: int) -> None:
        """Add the text up to a line."""
        self.text.add(piece)
        self.cursor = last

    def clear(self) -> None:
        """Drop the text."""
        self.text, self.cursor, self._deflated, self._ready = Pieces(), 0, None, ("", b"")

    def give_up(self) -> None:
        """Drop the text and cache no more of this log, as it is too large."""
        self.clear()
        self.too_large = True

    def recount(self) -> int:
        """Return by how much the size has grown since the last call."""
        before, self.counted = self.counted, self.size
        return self.counted - before

    def ready(self, version: str) -> Content | None:
        """Return the body in this version if it is cached as a whole."""
        known, body = self._ready
        return Content([body], len(body)) if known == version else None

    def plain(self, head: bytes, tail: bytes, version: str) -> Content:
        """Return the body, and cache a short one as a whole."""
        pieces = [head, *self.text.pieces, tail]
        size = len(head) + self.text.size + len(tail)
        if size <= READY_BYTES:
            pieces = [b"".join(pieces)]
            self._ready = (version, pieces[0])
        return Content(pieces, size)

    async def gzipped(self, head: bytes, tail: bytes, ended: bool) -> Content:
        """Return the compressed body; `ended` says that the text will not grow any more."""
        deflated = self._deflated
        if deflated is None:
            deflated = self._deflated = Deflated()
        for piece in self.text.behind(deflated.text_bytes):
            await deflated.add(piece)
        if ended:
            deflated.end()
        pieces = deflated.body(head, tail)
        return Content(pieces, sum(map(len, pieces)), compressed=True)


class LogBody:
    """The answer as it is now."""

    def __init__(self, bodies: LogBodies, record: ProcessRecord, last: int) -> None:
        self._bodies = bodies
        self.record = record
        self.last = last

    @property
    def version(self) -> str:
        """A text that changes whenever the body changes."""
        version = f"{self.record.version}-{self.last}"
        prefix = self._bodies.prefix
        return f"{version}-{zlib.crc32(prefix.encode()):x}" if prefix else version

    async def read(self, *, compressed: bool = False) -> Content:
        """Return the body, compressed if so wished unless it is short or streamed."""
        return await self._bodies.read(self, compressed=compressed)


class LogBodies:
    """Bodies of the logs API; `cache_bytes` limits the memory for them.

    `prefix` is that of the URLs in them.
    """

    def __init__(self, reader: LogReader, cache_bytes: int, prefix: str = "") -> None:
        self._reader = reader
        self.prefix = prefix
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._cached: OrderedDict[int, _CachedText] = OrderedDict()

    async def get(self, record: ProcessRecord) -> LogBody:
        """Return the answer for a pipeline process. Raise NotFound for any other type."""
        if record.process_type != "pipeline":
            raise NotFound("pipeline", record.pk)
        return LogBody(self, record, await self._reader.last_line(record))

    async def read(self, body: LogBody, *, compressed: bool) -> Content:
        """Return the content of a body, from memory as far as it is cached."""
        pk = body.record.pk
        cached = self._cached.get(pk)
        if cached is None:
            cached = self._cached[pk] = _CachedText()
        elif not compressed and (ready := cached.ready(body.version)) is not None:
            self._cached.move_to_end(pk)
            return ready
        async with cached.lock:
            content = await self._content(cached, body, compressed)
        self._count(pk, cached)
        return content or Content(self._stream(body), None)

    def forget(self, pk: int) -> None:
        """Drop the body of a process from memory."""
        cached = self._cached.pop(pk, None)
        if cached is not None:
            self._used_bytes -= cached.counted

    async def _content(
        self, cached: _CachedText, body: LogBody, compressed: bool
    ) -> Content | None:
        """Return the body from the cached text and what was stored since, None if too large."""
        if cached.cursor > body.last and body.record.state.ended:
            cached.clear()  # a lost run has written past the end that its record counts
        if not await self._extend(cached, body):
            return None
        head, tail = _frame(body.record, self.prefix)
        if compressed and cached.text.size >= COMPRESSED_BYTES:
            return await cached.gzipped(head, tail, body.record.state.ended)
        return cached.plain(head, tail, body.version)

    async def _extend(self, cached: _CachedText, body: LogBody) -> bool:
        """Add what was stored since; return False if the text is too large to be cached."""
        limit = min(WHOLE_BYTES, self._cache_bytes)
        if cached.too_large:
            return False
        async for part in self._reader.texts(body.record, cached.cursor, body.last):
            piece = escaped(part.text.decode())
            if cached.text.size + len(piece) > limit:
                cached.give_up()
                return False
            cached.add(piece, part.last)
        return True

    async def _stream(self, body: LogBody) -> AsyncIterator[bytes]:
        head, tail = _frame(body.record, self.prefix)
        yield head
        async for part in self._reader.texts(body.record, 0, body.last):
            yield escaped(part.text.decode())
        yield tail

    def _count(self, pk: int, cached: _CachedText) -> None:
        """Count the memory that a log takes now, and drop others if that is too much."""
        if self._cached.get(pk) is not cached:
            return  # dropped meanwhile
        self._cached.move_to_end(pk)
        self._used_bytes += cached.recount()
        while self._used_bytes > self._cache_bytes and self._cached:
            self.forget(next(iter(self._cached)))


def escaped(text: str) -> bytes:
    """Return the text as the inside of a JSON string."""
    return _encode(text)[1:-1]


def _frame(record: ProcessRecord, prefix: str) -> tuple[bytes, bytes]:
    """Return what precedes and what follows the text of the log in a body."""
    head = _encode(record.status_fields(prefix))[:-1] + b',"logs":"'
    url = record.group_url
    group_url = None if url is None else prefix + url
    rest = _encode({"group_name": record.group_name, "group_url": group_url})
    return head, b'",' + rest[1:]

"""The sealed part of each log: which segments there are, and reading and searching them.

Segments are made and deleted by others; those of a log follow each other from line 1 on. Of the
blocks that are read by cursor, the most recently used ones stay in memory, as entries. A download
or search of a long log bypasses that memory: decompressing again costs less than what it would
evict.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AsyncExitStack, aclosing
from typing import Any, NamedTuple, Protocol, TypeVar

from server.core.errors import DamagedFile, NotFound
from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.searching.query import Query
from server.logs.segments.blocks import Block, DamagedBlock, text_of_block
from server.logs.segments.index import BlockIndex, Counts, SegmentIndex
from server.logs.segments.search import Matches, Span, search_blocks

T = TypeVar("T")

#: Lists of segments in memory; one of 20 million lines takes about a megabyte.
KNOWN_LISTS = 200
#: Blocks that are read at once for a download, and those of them that are decompressed in one step.
BLOCKS_READ, BLOCKS_AT_ONCE = 16, 4
#: Steps that run ahead of a download: with one alone it would wait for the decompression.
STEPS_AHEAD = 2
#: What a cached slice has at most: one frame of a websocket. Readers of the same log meet at the
#: same cursors, wherever each began.
SLICE_BYTES = 262_144 - 64


class StoredSegment(Protocol):
    """A segment as the database has it."""

    @property
    def file(self) -> str:
        """The key of its file in the storage."""

    @property
    def size(self) -> int:
        """The size of the file."""

    @property
    def sha256(self) -> str:
        """The checksum of the file in hexadecimal."""

    @property
    def index(self) -> str:
        """Its index as text."""


class SegmentDocuments(Protocol):
    """The segments in the database."""

    async def read(self, process: int, line: int = 1) -> Sequence[StoredSegment]:
        """Return the segments in order, from the one with this line or else the first after it."""


class SegmentFiles(Protocol):
    """The storage of the files."""

    async def part(self, key: str, start: int, stop: int, *, expected: Any) -> bytes:
        """Return the bytes from `start` to before `stop`."""


class Segment(NamedTuple):
    """A segment and what it holds."""

    stored: StoredSegment
    content: SegmentIndex


class TextPart(NamedTuple):
    """The text of consecutive lines, up to line `last`."""

    text: bytes
    last: int


class NoSegments:
    """The documents where nothing is sealed."""

    async def read(self, process: int, line: int = 1) -> Sequence[StoredSegment]:
        """Return no segments."""
        return ()


class NoFiles:
    """The files where nothing is sealed."""

    async def part(self, key: str, start: int, stop: int, *, expected: Any) -> bytes:
        """Raise NotFound."""
        raise NotFound("file", key)


class SealedLog:
    """The segments of one log as last read."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self._firsts: list[int] = []

    @property
    def last(self) -> int:
        """The last sealed line, 0 if there is none."""
        return self.segments[-1].content.last if self.segments else 0

    @property
    def entry_bytes(self) -> int:
        """The size of the sealed entries, counted as `LogChunk.log_bytes` is."""
        return sum(segment.content.entry_bytes for segment in self.segments)

    @property
    def text_bytes(self) -> int:
        """The size of the sealed text."""
        return sum(segment.content.text_bytes for segment in self.segments)

    @property
    def counts(self) -> Counts:
        """The sealed lines of each level."""
        levels = [segment.content.levels for segment in self.segments]
        return tuple(map(sum, zip(*levels, strict=True))) if levels else (0,) * len(LEVELS)

    def add(self, stored: Sequence[StoredSegment]) -> None:
        """Add what follows the last one."""
        for each in stored:
            content = SegmentIndex.from_text(each.index)
            if content.first > self.last:
                self.segments.append(Segment(each, content))
                self._firsts.append(content.first)

    def holding(self, line: int) -> Segment | None:
        """Return the segment that holds a line."""
        at = bisect_right(self._firsts, line) - 1
        if at < 0 or self.segments[at].content.last < line:
            return None
        return self.segments[at]


class SealedLogs:
    """The sealed parts of all logs. `cache_bytes` limits the entries kept in memory."""

    def __init__(self, documents: SegmentDocuments, files: SegmentFiles, cache_bytes: int) -> None:
        self._documents = documents
        self._files = files
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._logs: OrderedDict[int, asyncio.Future[SealedLog]] = OrderedDict()
        self._slices: OrderedDict[tuple[int, int], list[Slice]] = OrderedDict()
        self._loading: dict[tuple[int, int], asyncio.Future[list[Slice]]] = {}

    async def of(self, process: int) -> SealedLog:
        """Return the segments of a log, read once for all who ask."""
        reading = self._logs.get(process)
        if reading is None:
            reading = self._logs[process] = asyncio.ensure_future(self._read_list(process))
            reading.add_done_callback(lambda done: self._drop_failed(process, done))
            if len(self._logs) > KNOWN_LISTS:
                self._logs.popitem(last=False)
        self._logs.move_to_end(process)
        return await asyncio.shield(reading)

    async def now(self, process: int) -> SealedLog:
        """Return the segments of a log as the database has them now."""
        if process in self._logs:
            await self.refresh(process)
        return await self.of(process)

    async def refresh(self, process: int) -> bool:
        """Read on in the list of segments; return whether there are new ones."""
        log = await self.of(process)
        before = log.last
        log.add(await self._documents.read(process, before + 1))
        return log.last > before

    def forget(self, process: int) -> None:
        """Drop a log from memory."""
        self._logs.pop(process, None)
        for key in [key for key in self._slices if key[0] == process]:
            self._used_bytes -= _size(self._slices.pop(key))

    async def read(self, process: int, after: int) -> Slice | None:
        """Return the sealed entries right after a cursor, None if these are not sealed."""
        segment = (await self.of(process)).holding(after + 1)
        if segment is None:
            return None
        block = segment.content.blocks[segment.content.position(after + 1)]
        slices = await self._slices_of(process, segment, block)
        return next(part for part in slices if part.last > after).after(after)

    async def texts(self, process: int, after: int, last: int) -> AsyncIterator[TextPart]:
        """Yield the text of the sealed lines after a cursor up to a line, some blocks at a time.

        The next blocks are decompressed while these are used.
        """
        log = await self.of(process)
        ahead: deque[asyncio.Future[list[TextPart]]] = deque()
        async with AsyncExitStack() as stack:
            stack.callback(_cancel, ahead)
            reading = await stack.enter_async_context(aclosing(self._read_ahead(log, after, last)))
            async for segment, blocks in reading:
                for at in range(0, len(blocks), BLOCKS_AT_ONCE):
                    step = blocks[at : at + BLOCKS_AT_ONCE]
                    ahead.append(_begin(_in_thread(segment, _texts, step, after, last)))
                    if len(ahead) > STEPS_AHEAD:
                        for part in await ahead.popleft():
                            yield part
            while ahead:
                for part in await ahead.popleft():
                    yield part

    async def search(
        self, process: int, query: Query, span: Span, most: int, *, as_text: bool = False
    ) -> Matches | None:
        """Search the segment that holds the line at which the span begins; None if there is none.

        Blocks without a line of the level are not read.
        """
        log = await self.of(process)
        segment = log.holding(span.last if span.backwards else span.first)
        if segment is None:
            return None
        content = segment.content
        own = Span(max(span.first, content.first), min(span.last, content.last), span.backwards)
        blocks = [
            block
            for block in content.blocks[
                content.position(own.first) : content.position(own.last) + 1
            ]
            if sum(block.levels[query.lowest :])
        ]
        if not blocks:
            return Matches([], 0, own.first if own.backwards else own.last)
        data = await self.bytes_of(segment, blocks)
        return await _in_thread(segment, search_blocks, data, query, own, most, as_text)

    async def _read_ahead(
        self, log: SealedLog, after: int, last: int
    ) -> AsyncGenerator[tuple[Segment, list[tuple[BlockIndex, bytes]]], None]:
        """Yield the blocks with the lines after a cursor up to a line, some at a time."""
        ahead: deque[asyncio.Future[list[tuple[BlockIndex, bytes]]]] = deque()
        before: Segment | None = None
        try:
            for segment, blocks in _some_at_a_time(log, after, last):
                ahead.append(_begin(self.bytes_of(segment, blocks)))
                if before is not None:
                    yield before, await ahead.popleft()
                before = segment
            if before is not None:
                yield before, await ahead.popleft()
        finally:
            _cancel(ahead)

    async def _read_list(self, process: int) -> SealedLog:
        log = SealedLog()
        log.add(await self._documents.read(process))
        return log

    def _drop_failed(self, process: int, reading: asyncio.Future[SealedLog]) -> None:
        failed = reading.cancelled() or reading.exception() is not None
        if failed and self._logs.get(process) is reading:
            del self._logs[process]

    async def _slices_of(self, process: int, segment: Segment, block: BlockIndex) -> list[Slice]:
        """Return the entries of a block, read once for all who ask for it at the same time."""
        key = (process, block.first)
        cached = self._slices.get(key)
        if cached is not None:
            self._slices.move_to_end(key)
            return cached
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.ensure_future(self._load(key, segment, block))
            self._loading[key] = loading
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)

    async def _load(self, key: tuple[int, int], segment: Segment, block: BlockIndex) -> list[Slice]:
        ((_, data),) = await self.bytes_of(segment, [block])
        slices = await _in_thread(segment, _slices, block, data)
        if key[0] in self._logs:  # not forgotten meanwhile
            self._slices[key] = slices
            self._used_bytes += _size(slices)
        while self._used_bytes > self._cache_bytes and len(self._slices) > 1:
            self._used_bytes -= _size(self._slices.popitem(last=False)[1])
        return slices

    async def bytes_of(
        self, segment: Segment, blocks: Sequence[BlockIndex]
    ) -> list[tuple[BlockIndex, bytes]]:
        """Return the bytes of blocks of a segment, read with what is between them in one go.

        :raises DamagedFile: they are not there.
        """
        start, stop = blocks[0].offset, blocks[-1].offset + blocks[-1].size
        stored = segment.stored
        try:
            data = memoryview(await self._files.part(stored.file, start, stop, expected=stored))
        except NotFound as error:
            # The log is there, as far as is known: it must not look as if it were not.
            raise _damaged(segment, "it is missing") from error
        return [
            (block, bytes(data[block.offset - start : block.offset - start + block.size]))
            for block in blocks
        ]


def _some_at_a_time(
    log: SealedLog, after: int, last: int
) -> Iterator[tuple[Segment, Sequence[BlockIndex]]]:
    """Yield the blocks with the lines after a cursor up to a line, as many as are read at once."""
    while after < last and (segment := log.holding(after + 1)) is not None:
        content = segment.content
        end = min(last, content.last)
        blocks = content.blocks[content.position(after + 1) : content.position(end) + 1]
        for at in range(0, len(blocks), BLOCKS_READ):
            yield segment, blocks[at : at + BLOCKS_READ]
        after = end


def _slices(block: BlockIndex, data: bytes) -> list[Slice]:
    rest: Slice | None = Slice(block.first, block.last, Block(block, data).entries())
    slices: list[Slice] = []
    while rest is not None:
        part = rest.within(SLICE_BYTES)
        slices.append(part)
        rest = rest.after(part.last) if part.last < rest.last else None
    return slices


def _texts(blocks: Sequence[tuple[BlockIndex, bytes]], after: int, last: int) -> list[TextPart]:
    parts: list[TextPart] = []
    for index, data in blocks:
        if after < index.first and index.last <= last:
            parts.append(TextPart(text_of_block(index, data), index.last))
            continue
        first, end = max(after + 1, index.first), min(last, index.last)
        text = Block(index, data).text_of(first - index.first, end - index.first + 1)
        parts.append(TextPart(text, end))
    return parts


def _size(slices: Sequence[Slice]) -> int:
    return sum(part.size for part in slices)


def _begin(work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Begin work that may be given up."""
    begun = asyncio.ensure_future(work)
    begun.add_done_callback(_heed)
    return begun


def _cancel(begun: Iterable[asyncio.Future[T]]) -> None:
    for work in begun:
        work.cancel()


def _heed(work: asyncio.Future[T]) -> None:
    """Take note of an error, which nobody will ask for if the reader has left."""
    if not work.cancelled():
        work.exception()


async def _in_thread(segment: Segment, work: Callable[..., T], *arguments: Any) -> T:
    """Work on blocks of a segment. :raises DamagedFile: they are not what the index says."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except DamagedBlock as error:
        raise _damaged(segment, str(error)) from error


def _damaged(segment: Segment, reason: str) -> DamagedFile:
    content = segment.content
    return DamagedFile(f"the lines {content.first} to {content.last} of a log", reason)

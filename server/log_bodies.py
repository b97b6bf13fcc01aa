"""The specified answer of the pipeline logs API, built once per change and kept while it is hot.

Up to a size the whole body stays in memory, and a longer log only adds its end; beyond it the body
is streamed from the store, slice by slice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec

from server.errors import NotFound
from server.ledger import Ledger
from server.log_views import LogViews
from server.logs import Logs, text_of
from server.records import ProcessRecord

#: The longest body that is kept whole in memory.
WHOLE_BYTES = 33_554_432

_encode = msgspec.json.Encoder().encode


class LogBody(NamedTuple):
    """A body in pieces. `version` changes with it; `size` None means that it is not known yet."""

    version: str
    size: int | None
    pieces: AsyncIterator[bytes]


class _Kept(NamedTuple):
    """A whole body; `start` and `end` bound the text of the log in it, which is `cursor` lines."""

    version: str
    body: bytes
    start: int
    end: int
    cursor: int


class LogBodies:
    """Bodies of the logs API; `cache_bytes` bounds those kept in memory."""

    def __init__(self, ledger: Ledger, logs: Logs, views: LogViews, cache_bytes: int) -> None:
        self._ledger = ledger
        self._logs = logs
        self._views = views
        self._cache_bytes = cache_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    async def get(self, pk: int) -> LogBody:
        """The answer for a pipeline process. Raises NotFound for any other type."""
        record = await self._ledger.get(pk)
        if record.process_type != "pipeline":
            raise NotFound("pipeline", pk)
        last = record.log_lines if record.state.ended else await self._logs.last_line(pk)
        version = f"{record.version}-{last}"
        kept = self._kept.get(pk)
        if kept is None or kept.version != version:
            kept = await self._build(record, version, kept)
            if kept is None:
                return LogBody(version, None, self._stream(record))
            self._keep(pk, kept)
        else:
            self._kept.move_to_end(pk)
        return LogBody(version, len(kept.body), _one(kept.body))

    async def _build(self, record: ProcessRecord, version: str, old: _Kept | None) -> _Kept | None:
        """The whole body, from an old one and what came since; None when it is too large."""
        head, tail = _frame(record)
        cursor, pieces, size = 0, [head], 0
        if old is not None:
            cursor = old.cursor
            pieces.append(old.body[old.start : old.end])
            size = old.end - old.start
        async for part in self._views.parts(record, cursor):
            piece = escaped(text_of(part))
            size += len(piece)
            if size > min(WHOLE_BYTES, self._cache_bytes):
                return None
            pieces.append(piece)
            cursor = part.last
        body = b"".join([*pieces, tail])
        return _Kept(version, body, len(head), len(head) + size, cursor)

    async def _stream(self, record: ProcessRecord) -> AsyncIterator[bytes]:
        head, tail = _frame(record)
        yield head
        async for part in self._views.parts(record):
            yield escaped(text_of(part))
        yield tail

    def _keep(self, pk: int, kept: _Kept) -> None:
        old = self._kept.pop(pk, None)
        self._used_bytes += len(kept.body) - (len(old.body) if old else 0)
        self._kept[pk] = kept
        while self._used_bytes > self._cache_bytes and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._used_bytes -= len(dropped.body)

    def forget(self, pk: int) -> None:
        """Drop the body of a deleted process."""
        kept = self._kept.pop(pk, None)
        if kept is not None:
            self._used_bytes -= len(kept.body)


def escaped(text: str) -> bytes:
    """The text as the inside of a JSON string."""
    return _encode(text)[1:-1]


def _frame(record: ProcessRecord) -> tuple[bytes, bytes]:
    """What stands before and behind the text of the log."""
    head = _encode(record.status_fields())[:-1] + b',"logs":"'
    rest = _encode({"group_name": record.group_name, "group_url": record.group_url})
    return head, b'",' + rest[1:]


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body

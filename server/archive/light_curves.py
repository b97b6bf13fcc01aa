"""The light curve of a target: from the measurements of a run to pages of rows.

Rows are stored as JSON, so that showing them takes no decoding.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from runners.pipeline.measurements import Measurement
from server.archive.visibility import Visibility
from server.core.records import ProcessRecord
from server.store.archive import light_curves as stored
from server.store.archive.light_curves import LightCurveChunk

CHUNK_ROWS = 1_000
#: Chunks read at a time, and at most for one page: with many small series it may be short.
READ_CHUNKS = 8
PAGE_CHUNKS = 128

_encode = msgspec.json.Encoder().encode


class Row(msgspec.Struct):
    """One measurement as it is shown; `time` is a Modified Julian Date."""

    time: float
    magnitude: float
    error: float | None
    filter: str | None
    process: int


@dataclass(frozen=True)
class LightCurvePage:
    """Rows as JSON, newest first; `next` is the `before` of the following page, or None."""

    rows: list[bytes]
    next: int | None


class LightCurves:
    """All measurements that may be seen, of all targets."""

    def __init__(self, chunks: stored.LightCurves, visibility: Visibility) -> None:
        self._chunks = chunks
        self._visibility = visibility

    async def page(self, target: int, *, before: int | None = None, limit: int) -> LightCurvePage:
        """Return a page of a target's measurements; it may be short and still have a `next`."""
        rows: list[bytes] = []
        cursor, seen = before, 0
        while seen < PAGE_CHUNKS:
            chunks = await self._chunks.read(target, before=cursor, limit=READ_CHUNKS)
            visible = {chunk.first for chunk in await self._visibility.chunks(chunks)}
            for chunk in chunks:
                if chunk.first in visible:
                    texts = _rows_below(chunk, cursor)
                    room = limit - len(rows)
                    rows += texts[:room]
                    if len(texts) > room:
                        return LightCurvePage(rows, chunk.first + len(texts) - room)
                cursor = chunk.first
            seen += len(chunks)
            if len(chunks) < READ_CHUNKS:
                return LightCurvePage(rows, None)
        return LightCurvePage(rows, cursor)

    async def all(self, target: int) -> AsyncIterator[list[Row]]:
        """Iterate over all measurements of a target, newest first, some at a time."""
        cursor: int | None = None
        while True:
            page = await self.page(target, before=cursor, limit=CHUNK_ROWS)
            yield [msgspec.json.decode(row, type=Row) for row in page.rows]
            if page.next is None:
                return
            cursor = page.next


def chunks_of(
    measurements: Sequence[Measurement], first: int, run: ProcessRecord
) -> list[LightCurveChunk]:
    """Return the chunks of a run's measurements, sorted by time and numbered from `first`."""
    ordered = sorted(measurements, key=lambda measurement: measurement.time)
    chunks = []
    for start in range(0, len(ordered), CHUNK_ROWS):
        part = ordered[start : start + CHUNK_ROWS]
        rows = [_encode(Row(*measurement, process=run.pk)).decode() for measurement in part]
        chunks.append(
            LightCurveChunk(
                first=first + start,
                count=len(part),
                target=run.target,
                process=run.pk,
                series=first,
                rows="\n".join(rows),
            )
        )
    return chunks


def _rows_below(chunk: LightCurveChunk, number: int | None) -> list[bytes]:
    """Return the rows with lower numbers, newest first."""
    rows = chunk.rows.encode().split(b"\n")
    return (rows if number is None else rows[: number - chunk.first])[::-1]

"""The measurements of a target: from what a run gives to pages of rows.

A run's series is shown only if the record of its process names it, as outputs are. Rows are JSON
from the moment they are stored, so that showing them costs no decoding.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from runners.pipeline.measurements import Measurement
from server.core.records import ProcessRecord
from server.store import Store
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
    """Rows as ready JSON, newest first; `next` is the `before` of the following page, or None."""

    rows: list[bytes]
    next: int | None


class LightCurves:
    """All measurements of all targets."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, target: int, before: int | None, limit: int) -> LightCurvePage:
        """A page of a target's measurements; it may be short and still have a `next`."""
        rows: list[bytes] = []
        cursor, seen = before, 0
        while seen < PAGE_CHUNKS:
            chunks = await self._store.light_curves.read(target, cursor, READ_CHUNKS)
            shown = await self._shown(chunks)
            for chunk in chunks:
                if chunk.first in shown:
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
        """All measurements of a target, newest first, some at a time."""
        cursor: int | None = None
        while True:
            page = await self.page(target, cursor, CHUNK_ROWS)
            yield [msgspec.json.decode(row, type=Row) for row in page.rows]
            if page.next is None:
                return
            cursor = page.next

    async def _shown(self, chunks: Sequence[LightCurveChunk]) -> set[int]:
        """The first numbers of those chunks that the records of their processes name."""
        if not chunks:
            return set()
        named = await self._store.processes.published_by({chunk.process for chunk in chunks})
        return {
            chunk.first
            for chunk in chunks
            if chunk.process in named and named[chunk.process].series == chunk.series
        }


def chunks_of(
    measurements: Sequence[Measurement], first: int, run: ProcessRecord
) -> list[LightCurveChunk]:
    """The chunks of a run's measurements, sorted by time and numbered from `first`."""
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
    """The rows with lower numbers, newest first."""
    rows = chunk.rows.encode().split(b"\n")
    return (rows if number is None else rows[: number - chunk.first])[::-1]

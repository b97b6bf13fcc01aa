"""Logs that are complete when they come, as the chunks that `logs` makes of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from server.core.records import LEVELS
from server.logs.entries import Line, encode_entries
from server.logs.logs import CHUNK_LINES, parts_of, text_bytes_of, with_levels
from server.store.processes.log_chunks import LogChunk


def chunks_of(process: int, attempt: int, lines: Iterable[Line]) -> Iterator[LogChunk]:
    """Iterate over the chunks of a whole log, whose first line has the number 1."""
    first, size, text_bytes = 1, 0, 0
    levels = [0] * len(LEVELS)
    for some in _batches(lines):
        for part in parts_of(some):
            entries = encode_entries(first, part)
            size += len(entries)
            text_bytes += text_bytes_of(part, entries)
            levels = with_levels(levels, part)
            chunk = entries.decode()
            yield LogChunk(process, first, len(part), attempt, chunk, size, text_bytes, levels)
            first += len(part)


def _batches(lines: Iterable[Line]) -> Iterator[Sequence[Line]]:
    batch: list[Line] = []
    for line in lines:
        batch.append(line)
        if len(batch) >= CHUNK_LINES:
            yield batch
            batch = []
    if batch:
        yield batch

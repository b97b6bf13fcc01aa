"""Segments: some hundred thousand consecutive lines of a log in one file, block after block.

`encode_segment` is for a thread. Where the files are kept, and when a segment is made, is left to
others; what is in a block, to `blocks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.logs.cache import Slice
from server.logs.segments.blocks import encode_block
from server.logs.segments.index import BlockIndex, SegmentIndex

#: What a segment should hold at most: a reader has its index in memory, a sealer its entries.
SEGMENT_LINES = 131_072
SEGMENT_BYTES = 16 * 1024**2
#: What a block holds at most, or one slice. Smaller ones compress worse, larger ones hold the
#: interpreter longer while one is decoded.
BLOCK_LINES = 8_192
BLOCK_BYTES = 524_288


@dataclass(frozen=True)
class EncodedSegment:
    """The bytes of a file, and what is stored in the database about it."""

    data: bytes
    index: SegmentIndex


def encode_segment(slices: Iterable[Slice]) -> EncodedSegment:
    """Return consecutive slices of one log, at least one, as a segment.

    Raise ValueError when they do not follow each other.
    """
    pieces: list[bytes] = []
    blocks: list[BlockIndex] = []
    offset = entry_bytes = 0
    for parts in _grouped(slices):
        data, block = encode_block(offset, parts)
        if block.last != parts[-1].last or (blocks and blocks[-1].last + 1 != block.first):
            raise ValueError(f"line {block.first} does not follow")
        pieces.append(data)
        blocks.append(block)
        offset += len(data)
        entry_bytes += sum(len(part.entries) for part in parts)
    if not blocks:
        raise ValueError("a segment has at least one line")
    levels = tuple(map(sum, zip(*(block.levels for block in blocks), strict=True)))
    index = SegmentIndex(
        first=blocks[0].first,
        last=blocks[-1].last,
        size=offset,
        text_bytes=sum(block.text_bytes for block in blocks),
        entry_bytes=entry_bytes,
        levels=levels,
        blocks=tuple(blocks),
    )
    return EncodedSegment(b"".join(pieces), index)


def _grouped(slices: Iterable[Slice]) -> Iterator[list[Slice]]:
    """Yield slices together that make up one block."""
    parts: list[Slice] = []
    lines = size = 0
    for part in slices:
        count = part.last - part.first + 1
        if parts and (lines + count > BLOCK_LINES or size + len(part.entries) > BLOCK_BYTES):
            yield parts
            parts, lines, size = [], 0, 0
        parts.append(part)
        lines, size = lines + count, size + len(part.entries)
    if parts:
        yield parts

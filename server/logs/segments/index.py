"""What a sealed segment of a log holds, and where in its file. The database keeps it as text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import msgspec

from server.core.records import LEVELS

#: Lines of each level, in the order of `LEVELS`.
Counts = tuple[int, ...]


@dataclass(frozen=True)
class BlockIndex:
    """One block of a segment: its bytes in the file, and its lines `first` to `last`."""

    offset: int
    size: int
    first: int
    text_bytes: int
    levels: Counts

    @property
    def lines(self) -> int:
        """The number of its lines."""
        return sum(self.levels)

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.first + self.lines - 1


@dataclass(frozen=True)
class SegmentIndex:
    """Lines `first` to `last`; `size` is that of the file, `entry_bytes` that of the entries.

    `entry_bytes` counts as `LogChunk.log_bytes` does: the entries of a chunk with the separators
    between them, not those between chunks.
    """

    first: int
    last: int
    size: int
    text_bytes: int
    entry_bytes: int
    levels: Counts
    blocks: tuple[BlockIndex, ...]

    @cached_property
    def _firsts(self) -> list[int]:
        return [block.first for block in self.blocks]

    def position(self, line: int) -> int:
        """Return which of the blocks holds a line."""
        return bisect_right(self._firsts, line) - 1

    def to_text(self) -> str:
        """Return the index as it is stored; those of the blocks are lists of integers."""
        stored = {name: getattr(self, name) for name in (*_NUMBERS, "levels")} | {
            "block_sizes": [block.size for block in self.blocks],
            "block_text_bytes": [block.text_bytes for block in self.blocks],
            "block_levels": [count for block in self.blocks for count in block.levels],
        }
        return msgspec.json.encode(stored).decode()

    @classmethod
    def from_text(cls, text: str) -> SegmentIndex:
        """Return the index that was stored as this text."""
        stored = msgspec.json.decode(text)
        numbers = {name: int(stored[name]) for name in _NUMBERS}
        return cls(**numbers, levels=tuple(stored["levels"]), blocks=_blocks(stored))


_NUMBERS = ("first", "last", "size", "text_bytes", "entry_bytes")


def _blocks(stored: Mapping[str, Any]) -> tuple[BlockIndex, ...]:
    sizes, counts, kinds = stored["block_sizes"], stored["block_levels"], len(LEVELS)
    levels = [tuple(counts[at : at + kinds]) for at in range(0, len(counts), kinds)]
    offsets = accumulate(sizes[:-1], initial=0)
    firsts = accumulate(map(sum, levels[:-1]), initial=stored["first"])
    blocks = zip(offsets, sizes, firsts, stored["block_text_bytes"], levels, strict=True)
    return tuple(BlockIndex(*block) for block in blocks)

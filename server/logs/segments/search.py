"""Searching blocks: their text is scanned as it stands, and only lines that match are made entries.

For threads. Which blocks are worth reading is left to `sealed`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from server.core.records import LEVELS
from server.logs.searching.query import Query
from server.logs.segments.blocks import Block
from server.logs.segments.index import BlockIndex

#: Finds lines of at least a level among the levels of a block.
_AT_LEAST = [re.compile(b"[%c-%c]" % (lowest, len(LEVELS) - 1)) for lowest in range(len(LEVELS))]


class Span(NamedTuple):
    """Lines `first` to `last`, examined from the first on, or from the last on backwards."""

    first: int
    last: int
    backwards: bool = False


class Matches(NamedTuple):
    """Pieces with the matches, in the order of the lines, their number, and how far was examined.

    `end` is the last line examined: the lowest one when it went backwards.
    """

    pieces: list[bytes]
    lines: int
    end: int


def search_blocks(
    blocks: Sequence[tuple[BlockIndex, bytes]],
    query: Query,
    span: Span,
    most: int,
    as_text: bool = False,
) -> Matches:
    """Return at most this many matches among the lines of the blocks, as entries or as text.

    Raise DamagedBlock when the bytes are not those of the blocks.
    """
    pieces: list[bytes] = []
    room, end = most, span.first if span.backwards else span.last
    for index, data in reversed(blocks) if span.backwards else blocks:
        block = Block(index, data)
        found = _within(matching(block, query), index, span)
        found = (found[-room:] if span.backwards else found[:room]) if found else found
        if found:
            pieces.append(_text(block, found) if as_text else _entries(block, found))
            room -= len(found)
        if not room:
            end = index.first + found[0 if span.backwards else -1]
            break
    return Matches(pieces[::-1] if span.backwards else pieces, most - room, end)


def matching(block: Block, query: Query) -> Sequence[int]:
    """Return the places of all lines of a block that match, in order."""
    if not sum(block.index.levels[query.lowest :]):
        return []
    if not query.folded:
        return _of_level(block, query.lowest)
    found = _containing(block, query)
    return [at for at in found if block.levels[at] >= query.lowest] if query.lowest else found


def _of_level(block: Block, lowest: int) -> Sequence[int]:
    if sum(block.index.levels[lowest:]) == len(block.levels):
        return range(len(block.levels))
    return [match.start() for match in _AT_LEAST[lowest].finditer(block.levels)]


def _containing(block: Block, query: Query) -> list[int]:
    """Return the places of the lines that contain the text."""
    text = block.text
    if block.unended:
        texts = block.texts()
        if any(b"\n" in each for each in texts):
            return [at for at, each in enumerate(texts) if query.matches(query.lowest, each)]
        text = b"\n".join([*texts, b""])
    return _places(query.fold(text), query.folded)


def _places(text: bytes, wanted: bytes) -> list[int]:
    """Return the numbers, from 0 on, of the lines of a text that contain these bytes."""
    places: list[int] = []
    if b"\n" in wanted:
        return places
    place = counted = 0
    at = text.find(wanted)
    while at >= 0:
        place += text.count(b"\n", counted, at)
        places.append(place)
        counted = text.find(b"\n", at)
        at = text.find(wanted, counted)
    return places


def _within(places: Sequence[int], index: BlockIndex, span: Span) -> Sequence[int]:
    start = bisect_left(places, span.first - index.first)
    return places[start : bisect_right(places, span.last - index.first)]


def _entries(block: Block, places: Sequence[int]) -> bytes:
    if len(places) == len(block.levels):
        return block.entries()
    return block.entries_of(places, block.texts())


def _text(block: Block, places: Sequence[int]) -> bytes:
    if len(places) == len(block.levels):
        return block.text
    texts, unended = block.texts(), {each.line for each in block.unended}
    return b"".join([texts[at] if at in unended else texts[at] + b"\n" for at in places])

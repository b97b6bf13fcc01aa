"""Segments: what goes in comes back as the same bytes, and damage is noticed."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.entries import SEPARATOR, Line, encode_entries, entries_text
from server.logs.segments import format as segments
from server.logs.segments.blocks import Block, DamagedBlock, text_of_block
from server.logs.segments.format import EncodedSegment, encode_segment
from server.logs.segments.index import SegmentIndex
from server.logs.segments.times import pack_times, unpack_times

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["", "\0", "\ufffd", "\r\x1b[0m\b", "x" * 65_536, "é" * 32_768, "\u2028", ",\n"]
    ),
)
LINES = st.builds(Line, FINITE, st.sampled_from(LEVELS), TEXTS, st.booleans())


def slices_of(lines: Sequence[Line], first: int = 1, step: int = 3) -> list[Slice]:
    """Cut the lines into slices as chunks are."""
    return [
        Slice(
            first + at,
            first + at + len(lines[at : at + step]) - 1,
            encode_entries(first + at, lines[at : at + step]),
        )
        for at in range(0, len(lines), step)
    ]


def blocks_of(segment: EncodedSegment) -> list[Block]:
    """Read all blocks, by the index as it comes out of the database."""
    index = SegmentIndex.from_text(segment.index.to_text())
    assert index == segment.index
    return [
        Block(each, segment.data[each.offset : each.offset + each.size]) for each in index.blocks
    ]


@given(st.lists(LINES, min_size=1, max_size=30), st.integers(1, 2**31), st.integers(1, 9))
def test_entries_come_back_as_the_same_bytes(lines: list[Line], first: int, step: int) -> None:
    parts = slices_of(lines, first, step)
    segment = encode_segment(parts)
    blocks = blocks_of(segment)
    entries = encode_entries(first, lines)
    assert SEPARATOR.join(block.entries() for block in blocks) == entries
    assert b"".join(block.text for block in blocks).decode() == entries_text(entries)
    assert segment.index.entry_bytes == sum(len(part.entries) for part in parts)
    assert segment.index.text_bytes == len(entries_text(entries).encode())
    assert segment.index.size == len(segment.data)
    assert segment.index.levels == tuple(
        sum(line.level == level for line in lines) for level in LEVELS
    )


@pytest.mark.parametrize(
    "entries",
    [
        b'[1,5,"info","a time without a fraction"]',
        b'[1,1.5,"info","a flag that says nothing",false]',
        b'[1,1.50,"info","a zero too many"]',
        b'[1, 1.5, "info", "spaces"]',
        b'[1,1.5,"info","an element too many",true,2]',
        b'[1,1.5,"info","\\u0041"]',
        b'[1,1.5,"info","a"],\n[1,1.5,"info","the same number"]',
        b'[1,1.5,"info","two\\nlines"],\n[2,1.5,"info","one",true]',
        b'[1,1.5,"info","a\\nb",true],\n[2,1.5,"info","c,false]"],\n[3,1.5,"info",",true]"]',
    ],
)
def test_entries_that_another_encoder_wrote_come_back_as_they_were(entries: bytes) -> None:
    (block,) = blocks_of(encode_segment([Slice(1, entries.count(b"\n") + 1, entries)]))
    assert block.entries() == entries


@given(st.lists(LINES, min_size=1, max_size=20))
def test_the_text_alone_is_the_same_as_with_the_rest(lines: list[Line]) -> None:
    segment = encode_segment(slices_of(lines, 5, 20))
    (index,) = segment.index.blocks
    assert text_of_block(index, segment.data) == Block(index, segment.data).text


@given(st.data())
def test_a_changed_byte_of_the_text_is_noticed_without_the_rest(data: st.DataObject) -> None:
    segment = encode_segment(slices_of([Line(1.5, "info", f"line {at} é") for at in range(40)]))
    (index,) = segment.index.blocks
    text = Block(index, segment.data).text
    at = data.draw(st.integers(0, len(segment.data) - 1))
    damaged = bytearray(segment.data)
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        found = text_of_block(index, bytes(damaged))
    except DamagedBlock:
        return
    assert found == text  # what was changed is not read


@given(st.lists(LINES, min_size=1, max_size=20), st.data())
def test_some_entries_of_a_block_are_those_of_all(lines: list[Line], data: st.DataObject) -> None:
    (block,) = blocks_of(encode_segment(slices_of(lines, 5, 20)))
    wanted = sorted(data.draw(st.sets(st.integers(0, len(lines) - 1))))
    every = block.entries().split(SEPARATOR) if all(",\n" not in x.text for x in lines) else []
    if every:
        assert block.entries_of(wanted, block.texts()) == SEPARATOR.join(every[at] for at in wanted)


def test_many_slices_become_several_blocks_whose_lines_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segments, "BLOCK_LINES", 10)
    lines = [Line(1.5, LEVELS[at % 4], f"line {at}") for at in range(95)]
    segment = encode_segment(slices_of(lines, 11, 4))
    index = segment.index
    assert [block.lines for block in index.blocks] == [8] * 11 + [7]
    assert (index.first, index.last) == (11, 105)
    for line in range(11, 106):
        block = index.blocks[index.position(line)]
        assert block.first <= line <= block.last


@pytest.mark.parametrize(
    "parts", [[], [Slice(1, 1, b'[1,1.5,"info","a"]'), Slice(3, 3, b'[3,1.5,"info","b"]')]]
)
def test_slices_that_do_not_follow_each_other_make_no_segment(parts: list[Slice]) -> None:
    with pytest.raises(ValueError, match="line"):
        encode_segment(parts)


@given(st.lists(FINITE, max_size=50))
def test_times_come_back_bit_for_bit(times: list[float]) -> None:
    back = unpack_times(pack_times(times))
    assert struct.pack(f"{len(times)}d", *times) == back.tobytes()


def test_times_that_no_difference_can_hold_come_back_too() -> None:
    times = [-1e308, 1e308, -0.0, 5e-324, math.pi]
    assert list(unpack_times(pack_times(times))) == times


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    lines = [Line(1.5 + at, LEVELS[at % 4], f"line {at} é", at % 5 == 0) for at in range(40)]
    segment = encode_segment(slices_of(lines, 1, 40))
    index = segment.index.blocks[0]
    at = data.draw(st.integers(0, len(segment.data) - 1))
    damaged = bytearray(segment.data)
    damaged[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedBlock):
        Block(index, bytes(damaged)).entries()


@given(st.binary(max_size=80))
def test_bytes_that_are_no_block_are_refused(data: bytes) -> None:
    index = encode_segment(slices_of([Line(1.5, "info", "x")])).index.blocks[0]
    with pytest.raises(DamagedBlock):
        Block(index, data)


def test_a_line_of_sixty_characters_takes_little_room() -> None:
    """Most of what is stored besides the text is the times, about a byte each."""
    lines = [
        Line(
            1764115362.0 + at * 2.5e-5,
            "info",
            f"frame {at:6} sky {at * 7919 % 1000:4} fwhm {at * 104729 % 997:4}",
        )
        for at in range(20_000)
    ]
    segment = encode_segment(slices_of(lines, 1, 2_000))
    assert segment.index.size < segment.index.text_bytes / 4

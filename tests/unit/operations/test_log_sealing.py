"""Stretches of lines that are sealed together, and how they are read. Sealing is an integration."""

from __future__ import annotations

import pytest

from server.logs.cache import Slice
from server.logs.entries import encode_entries
from server.logs.segments.format import SEGMENT_BYTES, SEGMENT_LINES
from server.operations.log_sealing import (
    LEAST_CHUNKS,
    MOST_CHUNKS,
    READ_BYTES,
    BrokenLog,
    _next_step,
    _Stretch,
)
from server.store.processes.index import LINE_BYTES
from tests.fakes.log_fakes import lines


def part(first: int, last: int) -> Slice:
    return Slice(first, last, encode_entries(first, lines(last - first + 1, first=first)))


def test_lines_that_follow_are_added() -> None:
    stretch = _Stretch(10)
    stretch.add(part(11, 13))
    stretch.add(part(14, 14))
    assert (stretch.last, stretch.chunks) == (14, 2)
    assert stretch.entry_bytes == sum(len(each.entries) for each in stretch.slices)
    assert stretch.stored_bytes == stretch.entry_bytes + 2 * LINE_BYTES
    assert not stretch.full


def test_a_gap_is_named() -> None:
    stretch = _Stretch(10)
    with pytest.raises(BrokenLog, match="its lines 11 to 12 are missing"):
        stretch.add(part(13, 14))


def test_of_lines_that_are_stored_twice_the_first_ones_count() -> None:
    stretch = _Stretch(0)
    stretch.add(part(1, 4))
    stretch.add(part(3, 6))
    stretch.add(part(2, 5))
    assert [(each.first, each.last) for each in stretch.slices] == [(1, 4), (5, 6)]
    assert stretch.chunks == 3, "all of them are in the database"


@pytest.mark.parametrize(
    "whole",
    [Slice(1, SEGMENT_LINES, b""), Slice(1, 2, b" " * SEGMENT_BYTES)],
    ids=("lines", "bytes"),
)
def test_a_stretch_is_full_by_its_lines_or_its_bytes(whole: Slice) -> None:
    stretch = _Stretch(0)
    assert not stretch.full
    stretch.add(whole)
    assert stretch.full


def test_as_many_chunks_are_read_as_have_about_the_wanted_bytes() -> None:
    step = LEAST_CHUNKS
    for _ in range(10):
        step = _next_step(step, 0)
    assert step == MOST_CHUNKS
    assert _next_step(step, READ_BYTES) == step
    for _ in range(10):
        step = _next_step(step, 3 * READ_BYTES)
    assert step == LEAST_CHUNKS

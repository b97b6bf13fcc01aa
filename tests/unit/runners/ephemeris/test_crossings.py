"""When values pass a level, and the spans in which conditions hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runners.examiner.ephemeris.crossings import (
    Condition,
    Crossing,
    Span,
    crossings,
    longest,
    pieces,
    spans_where,
    times_in,
)

TIMES = np.arange(0.0, 50.0, 10.0)
VALUES = np.array([-1.0, 1.0, 3.0, -1.0, -1.0])


def test_a_crossing_is_interpolated_and_has_a_direction() -> None:
    assert crossings(TIMES, VALUES, 0.0) == [Crossing(5.0, True), Crossing(27.5, False)]
    assert crossings(TIMES, VALUES, 3.5) == []
    assert crossings(TIMES, VALUES, -1.0) == []


def test_spans_end_where_a_condition_does_and_join_where_none_does() -> None:
    up, low = Condition(VALUES, 0.0, above=True), Condition(VALUES, 2.0, above=False)
    assert spans_where(TIMES, up) == [Span(5.0, 27.5)]
    assert spans_where(TIMES, up, low) == [Span(5.0, 15.0), Span(22.5, 27.5)]
    # 2 is passed in the middle of this span, which stays whole.
    other = Condition(np.full(5, 1.0), 0.0, above=True)
    assert spans_where(TIMES, other, Condition(VALUES, 9.0, above=False)) == [Span(0.0, 40.0)]
    assert longest(spans_where(TIMES, up, low)) == Span(5.0, 15.0)
    assert longest([]) is None


def test_the_ends_of_a_span_are_among_its_times() -> None:
    assert times_in(TIMES, Span(5.0, 27.5)) == [5.0, 10.0, 20.0, 27.5]
    assert pieces(TIMES, [27.5, 5.0]) == [Span(0, 5), Span(5, 27.5), Span(27.5, 40)]


@given(arrays(float, 5, elements=st.floats(-90, 90)), st.floats(-90, 90))
def test_where_it_is_above_and_where_it_is_not_make_up_the_whole(
    values: np.ndarray, level: float
) -> None:
    both = [spans_where(TIMES, Condition(values, level, above=above)) for above in (True, False)]
    length = sum(span.end - span.start for spans in both for span in spans)
    assert length == pytest.approx(40.0)

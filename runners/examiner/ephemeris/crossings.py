"""When a quantity that is known at some times passes a level, and for how long it is beyond it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Crossing(NamedTuple):
    """A time at which a level is passed, upwards or downwards."""

    time: float
    upwards: bool


class Span(NamedTuple):
    """From one time to another."""

    start: float
    end: float


class Condition(NamedTuple):
    """That values are at a level or above it, or else beneath it."""

    values: Array
    level: float
    above: bool

    def holds(self, time: float, times: Array) -> bool:
        """Return whether it is so at a time."""
        return (value_at(time, times, self.values) >= self.level) is self.above


def crossings(times: Array, values: Array, level: float) -> list[Crossing]:
    """Return when values pass a level, by linear interpolation between ascending times."""
    above = values >= level
    found = []
    for at in np.flatnonzero(above[1:] != above[:-1]):
        part = (level - values[at]) / (values[at + 1] - values[at])
        time = times[at] + part * (times[at + 1] - times[at])
        found.append(Crossing(float(time), bool(above[at + 1])))
    return found


def spans_where(times: Array, *conditions: Condition) -> list[Span]:
    """Return the spans of ascending times in which all the conditions hold."""
    found: list[Span] = []
    passed = (crossing.time for each in conditions for crossing in crossings(times, *each[:2]))
    for span in pieces(times, passed):
        middle = (span.start + span.end) / 2
        if not all(each.holds(middle, times) for each in conditions):
            continue
        joins = bool(found) and found[-1].end == span.start
        found.append(Span(found.pop().start, span.end) if joins else span)
    return found


def pieces(times: Array, boundaries: Iterable[float]) -> list[Span]:
    """Cut the whole of ascending times at the boundaries."""
    cuts = sorted({float(times[0]), *boundaries, float(times[-1])})
    return [Span(start, end) for start, end in itertools.pairwise(cuts)]


def longest(spans: Sequence[Span]) -> Span | None:
    """Return the longest of the spans, None if there is none."""
    return max(spans, key=lambda span: span.end - span.start, default=None)


def times_in(times: Array, span: Span) -> list[float]:
    """Return both ends of a span and the times between them."""
    between = times[(times > span.start) & (times < span.end)]
    return [span.start, *map(float, between), span.end]


def value_at(time: float, times: Array, values: Array) -> float:
    """Return a value by linear interpolation between ascending times."""
    return float(np.interp(time, times, values))

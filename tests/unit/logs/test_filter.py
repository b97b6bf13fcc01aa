"""Filters of entries: what their JSON says about them is never taken for more than it is."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from server.core.records import LEVELS
from server.logs.cache import Slice
from server.logs.entries import Line, encode_entries
from server.logs.searching.filter import LogFilter

TEXTS = st.one_of(
    st.sampled_from(["error", '"error"', ',"error",', "\\", 'a "quote"', "\x1b[31merror\x1b[0m"]),
    st.text(st.sampled_from('aE,"\\\n\réß'), max_size=8),
)
LINES = st.lists(
    st.builds(Line, st.just(1.5), st.sampled_from(LEVELS), TEXTS, st.booleans()),
    min_size=1,
    max_size=12,
)


@given(LINES, st.sampled_from(LEVELS), st.sampled_from(["", "e", '"', "\\", "error", "É"]))
def test_the_lines_of_a_level_with_a_text_are_found(lines: list[Line], level: str, q: str) -> None:
    part = Slice(1, len(lines), encode_entries(1, lines))
    wanted = [
        number
        for number, line in enumerate(lines, 1)
        if LEVELS.index(line.level) >= LEVELS.index(level) and q.casefold() in line.text.casefold()
    ]
    found = LogFilter(level, q).take(part, len(lines))
    assert [entry[0] for entry in json.loads(b"[%b]" % found.entries)] == wanted
    last = LogFilter(level, q).take_last(part, 2)
    assert [entry[0] for entry in json.loads(b"[%b]" % last.entries)] == wanted[-2:]


def test_a_text_that_looks_like_a_level_is_none() -> None:
    lines = [Line(1.5, "info", "error", unended=True), Line(1.5, "error", "info", unended=True)]
    found = LogFilter("error").take(Slice(1, 2, encode_entries(1, lines)), 2)
    assert (found.lines, found.entries) == (1, b'[2,1.5,"error","info",true]')

"""What is compared of a line: what a terminal would show, without regard to case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.searching.query import Query
from server.logs.terminal_text import visible_text

TEXTS = st.text(st.sampled_from("aAbZ ß\x1b[0m31;\r\b\a\x9b\u0130\n"), max_size=30)


@pytest.mark.parametrize(
    ("text", "q", "found"),
    [
        ("\x1b[1;31mTrace\x1b[0mback", "traceback", True),
        ("\x1b[1;31mTrace\x1b[0mback", "[1;31m", False),
        (" 10%|#   |\r 90%|### |", "90%", True),
        (" 10%|#   |\r 90%|### |", "10%", False),
        ("wrong\b\b\b\b\bright", "right", True),
        ("wrong\b\b\b\b\bright", "wrong", False),
        ("\x9b31mred", "31m", False),
        ("STRASSE", "straße", True),
        ("\x1b]0;title\x07shown", "title", False),
        ("\x1b[3\x1b[1mx", "x", True),
    ],
)
def test_a_text_is_found_where_the_eye_sees_it(text: str, q: str, found: bool) -> None:
    assert Query("debug", q, visible_text).matches(1, text.encode()) is found


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_many_lines_at_once_are_folded_as_each_is_by_itself(texts: list[str]) -> None:
    query = Query("debug", "x", visible_text)
    lines = [text.replace("\n", "") for text in texts]
    folded = query.fold("\n".join(lines).encode()).split(b"\n")
    assert folded == [query.fold(line.encode()) for line in lines]

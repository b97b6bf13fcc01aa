"""What is compared of a line: what a terminal would show, without regard to case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.searching.query import Query
from server.logs.terminal_text import has_controls, visible_text

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
        ("nul \x00 here", "nul \u2400 here", True),
        ("nul \x00 here", "l \x00 h", True),
        ("del\x7f\x0b\x1f", "L\u2421\u240b\u241f", True),
        ("a \u202eb", "\u27e8u+202e\u27e9", True),
        ("a \u202eb", "\u202eb", True),
        ("a \u2066b\u061c", "u+061c", True),
        ("caf\xe9 \u2014 \u0634", "\u27e8", False),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred", True),
        ("\x1b[31mred\x1b[0m", "\x1b[31m", False),
    ],
)
def test_a_text_is_found_where_the_eye_sees_it(text: str, q: str, found: bool) -> None:
    assert Query("debug", q, visible_text).matches(1, text.encode()) is found


@given(st.text(max_size=20).map(lambda text: text.encode(errors="replace")))
def test_a_text_without_controls_is_shown_as_it_is(text: bytes) -> None:
    if not has_controls(text):
        assert visible_text(text.decode()) == text.decode()


@pytest.mark.parametrize("code", [*range(0x200), *range(0x600, 0x640), *range(0x2000, 0x2070)])
def test_each_character_that_is_not_seen_as_it_is_counts_as_a_control(code: int) -> None:
    if chr(code) != "\n":
        assert has_controls(chr(code).encode()) is (visible_text(chr(code)) != chr(code))


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_many_lines_at_once_are_folded_as_each_is_by_itself(texts: list[str]) -> None:
    query = Query("debug", "x", visible_text)
    lines = [text.replace("\n", "") for text in texts]
    folded = query.fold("\n".join(lines).encode()).split(b"\n")
    assert folded == [query.fold(line.encode()) for line in lines]

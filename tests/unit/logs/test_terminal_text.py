"""What a reader sees of a text with escape sequences; the page is held to the same table."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.logs import Logs
from server.logs.reader import LogReader
from server.logs.terminal_text import visible_text

CASES = json.loads(
    (Path(__file__).parents[2] / "samples" / "terminal_text.json").read_text(encoding="utf-8")
)
#: Pieces of which every kind of sequence can be made, whole and broken.
_PIECES = [*"\x1b\x07\x08\r\x18\x9b\x9d\x90\x9c[]P\\(0;:?123mKACJG", "text", "é", "\u202e"]
LONG = 100_000


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_a_text_looks_as_in_a_terminal(case: dict[str, str]) -> None:
    assert visible_text(case["text"]) == case["seen"]


@given(st.lists(st.sampled_from(_PIECES)).map("".join))
def test_no_control_is_left(text: str) -> None:
    seen = visible_text(text)
    assert all(sign == "\n" or (sign.isprintable()) for sign in seen)
    assert visible_text(seen) == seen


@given(st.text(st.characters(exclude_categories=["C"])))
def test_a_text_without_controls_stays_as_it_is(text: str) -> None:
    assert visible_text(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "\x1b[",
        "\x1b]",
        "\x1b",
        "\x1bP\x1b]8;;",
        "\x9b31",
        "\b",
        "\rx\x1b[4000C\x1b[1K",
        "\x1b[99999C\x1b[1Kx\x1b[D",
        "\x1b[A\rx",
        "\x1b[99Ax\x1b[99B\x1b[J",
        "\x1b[99999999999999999999C",
        "\x1b[" + "1;" * 100,
        "\u202e",
        "â\x80",
    ],
    ids=repr,
)
def test_a_hostile_text_costs_what_it_is_long(piece: str) -> None:
    def seconds(text: str) -> float:
        before = time.process_time()
        visible_text(text)
        return time.process_time() - before

    # Quadratic, it would be 100 times; a factor of 30 and 0.1 s leave room for a busy computer.
    once = seconds(piece * (LONG // 10 // len(piece)))
    assert seconds(piece * (LONG // len(piece))) < 30 * once + 0.1


def test_what_is_seen_of_a_line_fits_into_a_row() -> None:
    reader = LogReader(cast(Logs, None))
    assert reader.seen("\x1b[31mred\x1b[0m \x07") == "red ␇"
    assert reader.seen("\rinner\x1b[A\router") == "outer ⏎ inner"

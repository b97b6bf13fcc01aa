"""From a run's text to numbered entries."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.execution.child.line_assembler import (
    HOLD_SECONDS,
    LINE_LIMIT_BYTES,
    LineAssembler,
    Utf8Text,
)
from server.logs.entries import SEPARATOR, Line, encode_entries, entries_text


def lines_of(*texts: str, stream: str = "log") -> list[Line]:
    assembler = LineAssembler()
    for text in texts:
        assembler.feed(stream, 1.0, "info", text, now=0.0)
    assembler.release()
    return assembler.take()


def shown(lines: list[Line]) -> str:
    return entries_text(encode_entries(1, lines)) if lines else ""


def test_each_line_end_makes_a_line() -> None:
    assert [line.text for line in lines_of("a\nb\n")] == ["a", "b"]


def test_an_empty_line_is_a_line() -> None:
    assert [line.text for line in lines_of("\n")] == [""]


def test_only_a_line_feed_ends_a_line() -> None:
    text = "10 %\r20 %\x0b\x0c\x85\u2028\x00\x1b[31m"
    assert [line.text for line in lines_of(text + "\n")] == [text]


def test_an_unended_text_waits_for_its_end() -> None:
    assembler = LineAssembler()
    assembler.feed("log", 1.0, "info", "half ", now=0.0)
    assert assembler.release(now=HOLD_SECONDS / 2) == HOLD_SECONDS
    assert assembler.take() == []
    assembler.feed("log", 2.0, "info", "whole\n", now=0.6)
    assert assembler.take() == [Line(1.0, "info", "half whole")]


def test_an_unended_text_is_let_go_after_a_second() -> None:
    assembler = LineAssembler()
    assembler.feed("log", 1.0, "info", "50 %", now=0.0)
    assert assembler.release(now=HOLD_SECONDS) is None
    assert assembler.take() == [Line(1.0, "info", "50 %", unended=True)]


def test_streams_do_not_mix_within_a_line() -> None:
    assembler = LineAssembler()
    assembler.feed("stdout", 1.0, "info", "out", now=0.0)
    assembler.feed("stderr", 1.0, "warning", "err\n", now=0.0)
    assembler.feed("stdout", 1.0, "info", "put\n", now=0.0)
    assert [line.text for line in assembler.take()] == ["err", "output"]


def test_a_long_line_comes_in_pieces_without_line_ends() -> None:
    lines = lines_of("x" * (2 * LINE_LIMIT_BYTES + 5) + "\n")
    assert [len(line.text) for line in lines] == [LINE_LIMIT_BYTES, LINE_LIMIT_BYTES, 5]
    assert [line.unended for line in lines] == [True, True, False]


def test_a_line_of_exactly_the_limit_is_one_line() -> None:
    assert [line.unended for line in lines_of("x" * LINE_LIMIT_BYTES + "\n")] == [False]


def test_a_long_line_is_not_cut_inside_a_character() -> None:
    text = "x" + "\N{EARTH GLOBE EUROPE-AFRICA}" * LINE_LIMIT_BYTES
    lines = lines_of(text + "\n")
    assert "".join(line.text for line in lines) == text
    assert all(len(line.text.encode()) <= LINE_LIMIT_BYTES for line in lines)


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_nothing_of_a_text_is_lost_however_it_is_cut(texts: list[str]) -> None:
    assert shown(lines_of(*texts)) == "".join(texts)


@given(st.lists(st.text(max_size=20), min_size=1))
def test_entries_are_valid_json_with_numbers_in_a_row(texts: list[str]) -> None:
    lines = [Line(0.5, "info", text.encode("utf-8", "replace").decode()) for text in texts]
    entries = encode_entries(7, lines)
    decoded = json.loads(b"[%b]" % entries)
    assert [entry[0] for entry in decoded] == list(range(7, 7 + len(texts)))
    assert len(entries.split(SEPARATOR)) == len(texts)


def test_an_unended_entry_has_a_fifth_element() -> None:
    entries = encode_entries(1, [Line(0.5, "info", "a", unended=True), Line(0.5, "info", "b")])
    assert json.loads(b"[%b]" % entries) == [[1, 0.5, "info", "a", True], [2, 0.5, "info", "b"]]
    assert entries_text(entries) == "ab\n"


@given(st.binary(), st.integers(min_value=1, max_value=5))
def test_bytes_are_decoded_alike_however_they_are_cut(data: bytes, size: int) -> None:
    decoder = Utf8Text()
    pieces = [decoder.feed(data[i : i + size]) for i in range(0, len(data), size)]
    assert "".join(pieces) + decoder.feed(b"") == data.decode("utf-8", "replace")


def levels_of(*writes: str, stream: str = "stderr", level: str = "warning") -> list[str]:
    assembler = LineAssembler()
    for text in writes:
        assembler.feed(stream, 1.0, level, text, now=0.0)
    assembler.release()
    return [line.level for line in assembler.take()]


@pytest.mark.parametrize("stream", ["stderr", "@12.3/stderr", "err"])
@pytest.mark.parametrize(
    "writes",
    [
        ["\r 10 %", "\r 20 %", "\n"],
        ["10 %\r", "20 %\r"],
        ["a\rb\n"],
        ["\router", "\n", "\rinner", "\x1b[A", "\n", "\x9b1A"],
        ["\r 10 %\n", "\n", " \x1b[?25h\n"],
    ],
    ids=repr,
)
def test_a_progress_bar_is_no_warning(writes: list[str], stream: str) -> None:
    assert set(levels_of(*writes, stream=stream)) == {"info"}


def test_the_moves_of_a_bar_that_was_let_go_belong_to_it() -> None:
    assembler = LineAssembler()
    assembler.feed("stderr", 1.0, "warning", "\r 50 %", now=0.0)
    assembler.release(now=HOLD_SECONDS)
    assembler.feed("stderr", 1.0, "warning", "\n", now=2.0)
    assembler.feed("stderr", 1.0, "warning", "no stars\n", now=2.0)
    assembler.feed("stderr", 1.0, "warning", "\n", now=2.0)
    levels = [(line.level, line.text) for line in assembler.take()]
    assert levels == [
        ("info", "\r 50 %"),
        ("info", ""),
        ("warning", "no stars"),
        ("warning", ""),
    ]


def test_all_lines_of_a_frame_are_at_its_level() -> None:
    frame = "\r\x1b[2K\x1b[1A\x1b[2Kone\ntwo"
    assert levels_of("\r\x1b[2Kone\ntwo", frame, frame + "\n\x1b[?25h") == ["info"] * 5


@pytest.mark.parametrize(
    "writes",
    [
        ["no stars\n"],
        ["no stars\r\n"],
        ["no stars\r", "\n"],
        ["a\r\nb\r\n"],
        ["\n"],
        ["\x1b[31mno stars\x1b[0m\n"],
        ["no stars"],
        ["x" * 70_000],
    ],
    ids=lambda writes: repr(writes)[:20],
)
def test_other_lines_of_standard_error_stay_warnings(writes: list[str]) -> None:
    assert set(levels_of(*writes)) == {"warning"}
    assert set(levels_of(*writes, stream="err")) == {"warning"}


def test_a_bar_and_an_error_read_together_are_told_apart() -> None:
    assert levels_of("\r10 %\r\x1b[K100 %\nno stars\n", stream="err") == ["info", "warning"]


@pytest.mark.parametrize("stream", ["logging", "lines", "log", "traceback", "@1.2/logging"])
def test_other_streams_keep_their_level(stream: str) -> None:
    assert levels_of("\ra\n", "\rb", "\x1b[A", stream=stream) == ["warning"] * 2
    assert levels_of("\ra\n", stream=stream, level="error") == ["error"]


def test_what_overwrites_has_the_time_of_the_last_state() -> None:
    assembler = LineAssembler()
    for time, text in enumerate(["one", "\r\x1b[2K two", " three", "\x1b[A\n", "four"]):
        assembler.feed("log", float(time), "info", text, now=0.0)
    assembler.release()
    assert [line.time for line in assembler.take()] == [3.0, 4.0]


def test_a_line_after_the_sequences_that_end_a_bar_keeps_its_level() -> None:
    writes = ["\r\x1b[2Kdone\n\x1b[?25h", "no stars\n"]
    assert levels_of(*writes) == ["info", "warning"]


@pytest.mark.parametrize("kind", ["stderr", "stdout"])
def test_a_frame_of_another_thread_comes_after_the_row_that_it_overwrites(kind: str) -> None:
    assembler = LineAssembler()
    frame = "\r\x1b[2K\x1b[1A\x1b[2K"
    assembler.feed(f"@1.2/{kind}", 1.0, "info", f"{frame}one 50 %\ntwo 50 %", now=0.0)
    assembler.feed("logging", 1.5, "info", "half ", now=0.0)
    assembler.feed(kind, 2.0, "info", f"{frame}one 60 %\ntwo 60 %\n", now=0.0)
    assert [(line.text, line.unended) for line in assembler.take()] == [
        (f"{frame}one 50 %", False),
        ("two 50 %", True),
        (f"{frame}one 60 %", False),
        ("two 60 %", False),
    ]


def test_bars_of_two_threads_do_not_cut_each_other() -> None:
    assembler = LineAssembler()
    for percent in range(100):
        for thread in "12":
            assembler.feed(f"@1.{thread}/stderr", 1.0, "warning", f"\r{percent} %", now=0.5)
    assembler.release()
    assert len(assembler.take()) == 2

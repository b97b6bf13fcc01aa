"""What the server makes of a child's messages, good and bad."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.records import Progress
from server.execution.child.messages import MESSAGE_LIMIT_BYTES, SECTIONS_LIMIT, ChildMessages


def said(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def texts(received: ChildMessages) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in received.assembler.take()]


def test_text_becomes_lines_at_its_level() -> None:
    received = ChildMessages()
    received.feed_messages(
        said(["t", "log", 1.5, "info", "a\n"], ["t", "stderr", 1.5, "warning", "b\n"])
    )
    assert texts(received) == [("info", "a"), ("warning", "b")]


def test_a_message_may_come_in_pieces() -> None:
    received = ChildMessages()
    for byte in said(["t", "log", 1.5, "info", "whole\n"]):
        received.feed_messages(bytes([byte]))
    assert texts(received) == [("info", "whole")]


def test_the_first_message_about_provenance_counts() -> None:
    received = ChildMessages()
    received.feed_messages(said(["provenance", {"python": "3"}], ["provenance", {}]))
    assert received.provenance == {"python": "3"}
    received.feed_messages(said(["provenance", "nonsense"]))
    assert texts(received) == [("warning", '["provenance","nonsense"]')]


def test_the_newest_status_and_progress_count() -> None:
    received = ChildMessages()
    received.feed_messages(said(["status", "One"], ["status", "Two"], ["progress", 1.0, 2.0]))
    assert received.take_changes() == {"status": "Two", "progress": Progress(1.0, 2.0)}


def test_the_first_last_message_counts() -> None:
    received = ChildMessages()
    received.feed_messages(said(["done", 0], ["cancelled"], ["failed", "late"]))
    assert received.last == ("done",)


@pytest.mark.parametrize(
    "line", [b"no json\n", b'["t","log",1.5,"loud","x"]\n', b'["unknown"]\n', b"{}\n", b"\xff\n"]
)
def test_what_is_not_a_message_is_shown_in_the_log(line: bytes) -> None:
    received = ChildMessages()
    received.feed_messages(line + said(["t", "log", 1.5, "info", "next\n"]))
    [(level, _), following] = texts(received)
    assert (level, following) == ("warning", ("info", "next"))


TIMES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.booleans(), st.none()
)
TEXT_MESSAGES = st.tuples(
    st.sampled_from(["t", "u"]),
    st.sampled_from(["log", "stdout", "nowhere"]),
    TIMES,
    st.sampled_from(["info", "error", "loud"]),
    st.one_of(st.text(alphabet="ab\n", max_size=5), st.integers(0, 9)),
)


@given(st.lists(TEXT_MESSAGES, max_size=8))
def test_text_is_taken_the_same_way_alone_and_among_other_messages(messages: list[object]) -> None:
    alone, among = ChildMessages(), ChildMessages()
    for message in messages:
        alone.feed_messages(said(message))
    among.feed_messages(said(["status", "Among"], *messages))
    for received in (alone, among):
        received.end()
    assert texts(alone) == texts(among)


def test_a_message_cut_off_by_the_end_is_shown() -> None:
    received = ChildMessages()
    received.feed_messages(b'["t","log",1.5,"info","las')
    received.end()
    assert texts(received) == [("warning", '["t","log",1.5,"info","las')]


def test_endless_bytes_without_a_line_end_are_not_hoarded() -> None:
    received = ChildMessages()
    received.feed_messages(b"x" * (MESSAGE_LIMIT_BYTES + 1))
    received.end()
    assert sum(len(text) for _, text in texts(received)) == MESSAGE_LIMIT_BYTES + 1


def test_raw_output_is_shown_by_its_descriptor() -> None:
    received = ChildMessages()
    received.feed_raw("out", b"from C\n")
    received.feed_raw("err", b"caf\xc3")
    received.feed_raw("err", b"\xa9 \xff\n")
    assert texts(received) == [("info", "from C"), ("warning", "café \ufffd")]


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    received = ChildMessages()
    for piece in pieces:
        received.feed_messages(piece)
        received.feed_raw("out", piece)
    received.end()
    assert all(isinstance(text, str) for _, text in texts(received))


def test_a_status_begins_a_section_at_the_next_line() -> None:
    received = ChildMessages()
    said = [
        ["status", "Reading"],
        ["t", "log", 1.5, "info", "a\nb\n"],
        ["status", "Nothing is said in it"],
        ["status", "Measuring"],
        ["t", "log", 1.5, "info", "c\n"],
    ]
    received.feed_messages(b"".join(json.dumps(message).encode() + b"\n" for message in said))
    taken = [(section.line, section.status) for section in received.take_sections()]
    assert taken == [(0, "Reading"), (2, "Measuring")]
    assert received.take_sections() == []


def test_the_sections_of_an_attempt_are_bounded() -> None:
    received = ChildMessages()
    for number in range(SECTIONS_LIMIT + 5):
        messages = [["t", "log", 1.5, "info", "x\n"], ["status", f"Part {number}"]]
        received.feed_messages(b"".join(json.dumps(each).encode() + b"\n" for each in messages))
    assert len(received.take_sections()) == SECTIONS_LIMIT
    assert received.take_changes()["status"] == f"Part {SECTIONS_LIMIT + 4}"


def test_an_output_may_be_the_main_one_and_anything_else_is_shown() -> None:
    received = ChildMessages()
    received.feed_messages(
        said(
            ["output", "/a", "a", "DataProduct"],  # as an older worker sends it
            ["output", "/b", "b", "DataProduct", True],
            ["output", "/c", "c", "DataProduct", "yes"],
        )
    )
    assert [(each.name, each.main) for each in received.outputs] == [("a", False), ("b", True)]
    assert len(texts(received)) == 1

"""Messages that come in parts are joined by writer, and what a killed writer began is kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.execution import reporter
from runners.execution.reporter import ATOMIC_BYTES, PipeReporter
from server.execution.child import message_parts
from server.execution.child.messages import ChildMessages
from tests.fakes.modules import Overlay


class Writes:
    """What reporters write, one entry a write."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[bytes] = []
        monkeypatch.setattr(reporter, "os", Overlay(os, write=self._write))

    def _write(self, descriptor: int, data: bytes) -> int:
        self.made.append(data)
        return len(data)


@pytest.fixture
def writes() -> Iterator[Writes]:
    """Yield what is written from now on."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield Writes(monkeypatch)


def received(writes: list[bytes]) -> ChildMessages:
    """Return what the server makes of these writes."""
    messages = ChildMessages()
    for data in writes:
        messages.feed_messages(data)
    messages.end()
    return messages


def texts(writes: list[bytes]) -> list[str]:
    """Return the lines that these writes become."""
    return [line.text for line in received(writes).assembler.take()]


def test_no_write_is_larger_than_what_is_written_as_a_whole(writes: Writes) -> None:
    reporter = PipeReporter(-1, threading.get_ident())
    for size in [*range(ATOMIC_BYTES - 80, ATOMIC_BYTES + 20), 65_535]:
        reporter.text("x" * size + "\n")
        reporter.send_alone("output", "p" * size, "name", "DataProduct")
    reporter.send_alone("failed", "f" * 500_000)
    assert max(map(len, writes.made)) <= ATOMIC_BYTES
    assert len(received(writes.made).outputs) == 101


@given(
    st.lists(st.text(max_size=30).map(lambda text: text * 400), min_size=2, max_size=5), st.data()
)
def test_writers_that_alternate_are_told_apart(said: list[str], data: st.DataObject) -> None:
    by_writer = []
    for text in said:
        with pytest.MonkeyPatch.context() as monkeypatch:
            writes = Writes(monkeypatch)
            reporter = PipeReporter(-1)
            reporter._thread.name = f"7.{len(by_writer)}"
            line = text.replace("\n", " ")
            for piece in (line[: len(line) // 2], line[len(line) // 2 :], "\n"):
                reporter.text(piece)
            by_writer.append(writes.made)
    mixed = []
    while any(by_writer):
        writer = data.draw(st.sampled_from([each for each in by_writer if each]))
        mixed.append(writer.pop(0))
    expected = sorted(text.replace("\n", " ") for text in said)
    assert sorted(texts(mixed)) == [
        text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") for text in expected
    ]


def test_the_line_of_a_writer_that_was_killed_is_kept_as_far_as_it_came(writes: Writes) -> None:
    reporter = PipeReporter(-1)
    reporter.text('a"\u00e9\\' * 5_000 + "\n")
    PipeReporter(-1).text("whole\n")
    lines = texts([*writes.made[:2], writes.made[-1]])
    assert lines[0] == "whole"
    assert len(lines[1]) > 4_000
    assert ('a"\u00e9\\' * 5_000).startswith(lines[1])


def test_another_message_that_was_cut_is_no_raw_text(writes: Writes) -> None:
    PipeReporter(-1).send("provenance", {"packages": "p" * 10_000})
    assert texts(writes.made[:1]) == ["A message of the run was cut short: its writer ended"]


def test_beginnings_take_only_so_much_memory(
    writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_parts, "PARTS_LIMIT_BYTES", 20_000)
    begun = b"".join(b'<1.%d ["t","lines",1.0,"info","%b\n' % (n, b"x" * 4_000) for n in range(9))
    messages = ChildMessages()
    messages.feed_messages(begun)
    assert len(messages.assembler.take()) == 0
    assert messages._parts._size_bytes <= 20_000
    messages.end()
    assert len(messages.assembler.take()) > 0

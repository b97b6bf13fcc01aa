"""Pages and texts of logs, filtered and unfiltered, while they grow."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.records import LEVELS, State
from server.logs import pages
from server.logs.cache import Slice
from server.logs.entries import Line, encode_entries
from server.logs.reader import LinesPage
from server.logs.searching.filter import filter_of
from tests.fakes.log_fakes import PK, Reading, a_process

TEXTS = st.text(st.sampled_from('aAbB ß,"\\\n\x1b[0mé\u0130u001b'), max_size=12)


def entries_of(page: LinesPage) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(b"[%b]" % b",".join(page.entries))
    return found


@given(
    st.lists(st.tuples(st.sampled_from(LEVELS), TEXTS), min_size=1, max_size=20),
    st.sampled_from(LEVELS),
    TEXTS,
    st.integers(1, 30),
)
def test_a_filter_finds_what_looking_at_each_line_finds(
    given: list[tuple[str, str]], level: str, q: str, most: int
) -> None:
    wanted = LEVELS[LEVELS.index(level) :]
    part = Slice(1, len(given), encode_entries(1, [Line(1.5, *each) for each in given]))
    expected = [
        number
        for number, (each, text) in enumerate(given, 1)
        if each in wanted and q.casefold() in text.casefold()
    ][:most]
    found = filter_of(level, q).take(part, most)
    assert [entry[0] for entry in json.loads(b"[%b]" % found.entries)] == expected
    assert found.lines == len(expected)
    assert found.last == (expected[-1] if len(expected) == most else len(given))


def test_pages_follow_each_other_while_the_log_grows() -> None:
    async def scenario() -> list[int]:
        reading = Reading()
        numbers: list[int] = []
        cursor = 0
        for _ in range(5):
            await reading.write(25)
            for _ in range(3):
                page = await reading.reader.lines(await reading.repository.get(PK), cursor, 10)
                numbers += [entry[0] for entry in entries_of(page)]
                cursor = page.next
                assert not page.ended
        reading.repository.accept(a_process(state=State.SUCCEEDED, log_lines=125))
        while not page.ended:
            page = await reading.reader.lines(await reading.repository.get(PK), cursor, 10)
            numbers += [entry[0] for entry in entries_of(page)]
            cursor = page.next
        return numbers

    assert asyncio.run(scenario()) == list(range(1, 126))


def test_next_is_the_last_line_looked_at_whether_it_matched_or_not() -> None:
    async def scenario() -> list[tuple[int, int]]:
        reading = Reading()
        await reading.write(50)
        await reading.write(10, text="other")
        first = await reading.reader.lines(await reading.repository.get(PK), 0, 10, q="OTHER 5")
        second = await reading.reader.lines(await reading.repository.get(PK), 0, 2, q="line 4")
        return [(len(entries_of(page)), page.next) for page in (first, second)]

    assert asyncio.run(scenario()) == [(9, 60), (2, 40)]


@pytest.mark.parametrize("after", [7, 8, 10**18])
def test_a_cursor_past_the_end_counts_as_the_end(after: int) -> None:
    async def scenario() -> list[int]:
        reading = Reading()
        await reading.write(7)
        page = await reading.reader.lines(await reading.repository.get(PK), after, 10)
        await reading.write(2)
        later = await reading.reader.lines(await reading.repository.get(PK), page.next, 10)
        return [page.next, *(entry[0] for entry in entries_of(later))]

    assert asyncio.run(scenario()) == [7, 8, 9]


def test_a_page_is_cut_at_its_bounds_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", 1_000)
    monkeypatch.setattr(pages, "EXAMINED_BYTES", 1_500)

    async def scenario(q: str) -> tuple[list[int], int]:
        reading = Reading()
        for _ in range(20):
            await reading.write(20)
        reading.repository.accept(a_process(state=State.SUCCEEDED, log_lines=400))
        numbers: list[int] = []
        count, cursor, ended = 0, 0, False
        while not ended:
            page = await reading.reader.lines(await reading.repository.get(PK), cursor, 10**6, q=q)
            numbers += [entry[0] for entry in entries_of(page)]
            count, cursor, ended = count + 1, page.next, page.ended
        return numbers, count

    monkeypatch.setattr("server.logs.logs.READ_BYTES", 500)
    numbers, _ = asyncio.run(scenario("line"))
    assert numbers == list(range(1, 401))
    assert asyncio.run(scenario("line 400"))[0] == [400]


def test_the_text_is_that_of_the_lines_that_match() -> None:
    async def scenario(**wanted: str) -> bytes:
        reading = Reading()
        await reading.write(2)
        await reading.write(2, text="hot", level="warning")
        reading.repository.accept(a_process(state=State.SUCCEEDED, log_lines=4))
        return b"".join(
            [
                piece
                async for piece in reading.reader.text(await reading.repository.get(PK), **wanted)
            ]
        )

    assert asyncio.run(scenario()) == b"line 1\nline 2\nhot 3\nhot 4\n"
    assert asyncio.run(scenario(level="warning")) == b"hot 3\nhot 4\n"
    assert asyncio.run(scenario(q="E 2")) == b"line 2\n"
    assert asyncio.run(scenario(q="nowhere")) == b""


def test_a_text_is_that_of_when_it_was_asked_for() -> None:
    async def scenario() -> bytes:
        reading = Reading()
        await reading.write(3)
        pieces = reading.reader.text(await reading.repository.get(PK))
        text = await anext(pieces)
        await reading.write(3)
        return text + b"".join([piece async for piece in pieces])

    assert asyncio.run(scenario()) == b"line 1\nline 2\nline 3\n"


def test_of_an_ended_process_only_the_lines_that_its_record_counts_are_shown() -> None:
    async def scenario() -> list[int]:
        reading = Reading()
        await reading.write(10)
        reading.repository.accept(a_process(state=State.FAILED, log_lines=4))
        page = await reading.reader.lines(await reading.repository.get(PK), 0, 100)
        return [page.next, *(entry[0] for entry in entries_of(page))]

    assert asyncio.run(scenario()) == [4, 1, 2, 3, 4]

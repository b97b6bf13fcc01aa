"""One log in segments, chunks and memory: what is read does not tell where it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import DamagedFile
from server.core.records import LEVELS, ProcessRecord, State
from server.logs import pages
from server.logs.entries import Line, encode_entries, entries_text
from server.logs.reader import LinesPage
from server.logs.segments import format as segments
from tests.fakes.log_fakes import PK, Reading, a_process

TEXTS = st.one_of(
    st.text(st.sampled_from('aAbB ß,"\\\x1b[0mé\u0130k\u212a'), max_size=12),
    st.sampled_from(["", "x" * 300, "\0", "\ufffd"]),
)
LINES = st.builds(
    Line, st.floats(0, 2e9), st.sampled_from(LEVELS), TEXTS, st.sampled_from([False] * 5 + [True])
)
CHUNKS = st.lists(st.lists(LINES, min_size=1, max_size=8), min_size=1, max_size=10)


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """Have pages wait for all their matches, however slow the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PATIENT_SECONDS", 60.0)
        yield


def numbers_of(page: LinesPage) -> list[int]:
    entries = json.loads(b"[%b]" % b",".join(page.entries))
    return [entry[0] for entry in entries]


async def partly_sealed(
    chunks: Sequence[Sequence[Line]], sealed: Sequence[int], *, cached: bool, ended: bool
) -> tuple[Reading, ProcessRecord]:
    """Make a log of which the first chunks are in segments, each up to one of these chunks."""
    reading = Reading()
    ends = [0]
    for chunk in chunks:
        ends.append(await reading.logs.append(PK, 1, chunk))
    for at, end in enumerate(sorted(set(sealed))):
        # Of what was sealed last, the chunks are there still: the server was killed in between.
        reading.seal(ends[min(end, len(chunks))], drop=at % 2 == 0)
    if not cached:
        reading.logs.forget(PK)
    record = a_process(state=State.RUNNING)
    if ended:
        record = a_process(state=State.SUCCEEDED, log_lines=ends[-1])
        reading.logs.release(PK)
    return reading, record


def expected(
    lines: Sequence[Line], level: str, q: str, *, after: int = 0, before: int = 2**40
) -> list[int]:
    wanted = LEVELS[LEVELS.index(level) :]  # type: ignore[arg-type]
    return [
        number
        for number, line in enumerate(lines, 1)
        if after < number < before and line.level in wanted and q.casefold() in line.text.casefold()
    ]


@settings(deadline=None)
@given(
    CHUNKS,
    st.lists(st.integers(1, 10), max_size=4),
    st.sampled_from(LEVELS),
    TEXTS,
    st.integers(0, 80),
    st.integers(1, 30),
    st.booleans(),
    st.booleans(),
)
def test_pages_have_what_looking_at_each_line_finds(
    chunks: list[list[Line]],
    sealed: list[int],
    level: str,
    q: str,
    cursor: int,
    limit: int,
    cached: bool,
    ended: bool,
) -> None:
    lines = [line for chunk in chunks for line in chunk]

    async def scenario() -> None:
        reading, record = await partly_sealed(chunks, sealed, cached=cached, ended=ended)
        page = await reading.reader.lines(record, cursor, limit, level, q, counted=True)
        found = expected(lines, level, q, after=cursor)
        assert numbers_of(page) == found[:limit]
        end = min(max(cursor, 0), len(lines)) if cursor >= len(lines) else len(lines)
        assert page.next == (found[limit - 1] if len(found) >= limit else end)
        assert page.ended == (ended and page.next == len(lines))
        assert list(page.counts) == [sum(x.level == name for x in lines) for name in LEVELS]
        before = cursor + 1
        page = await reading.reader.lines(record, 0, limit, level, q, before=before)
        found = expected(lines, level, q, before=before)
        assert numbers_of(page) == found[-limit:]
        assert page.next == (found[-limit] if len(found) >= limit else 1)
        text = b"".join([piece async for piece in reading.reader.text(record, level, q)])
        kept = [lines[number - 1] for number in expected(lines, level, q)]
        assert text.decode() == "".join(x.text + ("" if x.unended else "\n") for x in kept)

    asyncio.run(scenario())


@settings(deadline=None)
@given(CHUNKS, st.lists(st.integers(1, 10), max_size=4), st.booleans(), st.data())
def test_entries_and_text_are_the_same_bytes_wherever_they_are(
    chunks: list[list[Line]], sealed: list[int], cached: bool, data: st.DataObject
) -> None:
    lines = [line for chunk in chunks for line in chunk]
    after = data.draw(st.integers(0, len(lines)))
    last = data.draw(st.integers(after, len(lines)))

    async def scenario() -> None:
        reading, record = await partly_sealed(chunks, sealed, cached=cached, ended=True)
        cursor, parts = after, []
        while (part := await reading.reader.read(record, cursor)) is not None:
            assert part.first == cursor + 1
            parts.append(part.entries)
            cursor = part.last
        assert b",\n".join(parts) == encode_entries(after + 1, lines[after:])
        # Both ways: as few lines are read, and as many are.
        for texts in (reading.reader.texts(record, after, last), _sealed(reading, after, last)):
            found = [each async for each in texts]
            end = found[-1].last if found else after
            wanted = encode_entries(after + 1, lines[after:end])
            assert b"".join(each.text for each in found) == (
                entries_text(wanted).encode() if found else b""
            )
        assert end <= last

    asyncio.run(scenario())


def _sealed(reading: Reading, after: int, last: int) -> Any:
    return reading.logs.sealed.texts(PK, after, last)


def test_chunks_that_go_while_they_are_read_are_found_as_segments() -> None:
    async def scenario() -> list[int]:
        reading = Reading(0)
        for _ in range(4):
            await reading.write(5)
        reading.logs.forget(PK)
        record = a_process(state=State.SUCCEEDED, log_lines=20)
        assert await reading.reader.read(record, 0) is not None
        reading.seal(15)  # this reader does not know of it
        numbers, cursor = [], 0
        reading.logs._known.forget(PK)
        while (part := await reading.reader.read(record, cursor)) is not None:
            numbers += [entry[0] for entry in json.loads(b"[%b]" % part.entries)]
            cursor = part.last
        return numbers

    assert asyncio.run(scenario()) == list(range(1, 21))


def test_a_log_whose_chunks_are_all_gone_goes_on_where_it_ended() -> None:
    async def scenario() -> tuple[int, int, list[int]]:
        reading = Reading()
        await reading.write(5)
        size = await reading.logs.size(PK)
        reading.seal(5)
        reading.logs.forget(PK)
        assert await reading.logs.size(PK) == size
        await reading.write(2, level="error")
        reading.logs.forget(PK)
        last = await reading.logs.last_line(PK)
        return last, reading.chunks.stored[PK][0].first, list(await reading.logs.levels(PK))

    assert asyncio.run(scenario()) == (7, 6, [0, 5, 0, 2])


def test_blocks_without_the_level_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "BLOCK_LINES", 10)

    async def scenario() -> tuple[list[int], int, int]:
        reading = Reading()
        for at in range(20):
            await reading.write(10, level="error" if at == 12 else "info")
        reading.seal(100)
        reading.seal(200)
        record = a_process(state=State.SUCCEEDED, log_lines=200)
        page = await reading.reader.lines(record, 0, 1_000, level="error")
        one_block = reading.segments.bytes_read
        await reading.reader.lines(record, 0, 1_000, level="warning", before=120)
        return numbers_of(page), one_block, reading.segments.bytes_read - one_block

    numbers, one_block, none = asyncio.run(scenario())
    assert numbers == list(range(121, 131))
    assert 0 < one_block < 600
    assert none == 0


def test_a_page_examines_more_lines_of_segments_than_of_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "EXAMINED_LINES", 20)

    async def scenario(sealed: bool) -> int:
        reading = Reading()
        for _ in range(30):
            await reading.write(10, text="x" * 20_000)
        for upto in range(20, 301, 20):
            if sealed:
                reading.seal(upto)
        record = a_process(state=State.SUCCEEDED, log_lines=300)
        return (await reading.reader.lines(record, 0, 10, q="nowhere")).next

    assert asyncio.run(scenario(False)) < 60
    assert asyncio.run(scenario(True)) >= 200


def test_a_page_that_has_matches_does_not_wait_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PATIENT_SECONDS", -1.0)

    async def scenario() -> list[tuple[list[int], int]]:
        reading = Reading()
        for at in range(9):
            await reading.write(10, text="seen" if at in (4, 7) else "else")
            reading.seal(10 * at + 10)
        record = a_process(state=State.SUCCEEDED, log_lines=90)
        found, after = [], 0
        while after < 90:
            page = await reading.reader.lines(record, after, 100, q="seen")
            after = page.next
            found.append((numbers_of(page), after))
        return found

    first, second = list(range(41, 51)), list(range(71, 81))
    assert asyncio.run(scenario()) == [(first, 50), (second, 80), ([], 90)]


def test_a_search_finds_what_the_eye_sees() -> None:
    def visible(text: str) -> str:
        return text.rpartition("\r")[2].replace("\x1b7", "")

    async def scenario(sealed: bool) -> list[list[int]]:
        reading = Reading()
        texts = ["\x1b[31mer\x1b[0mror", "10%\r20%", "s\x1b7een", "plain", "\x9b seen"]
        await reading.logs.append(PK, 1, [Line(1.5, "info", text) for text in texts])
        if sealed:
            reading.seal(5)
        reading.reader._visible_text = visible
        record = a_process(state=State.SUCCEEDED, log_lines=5)
        found = [
            await reading.reader.lines(record, 0, 9, q=q)
            for q in ("ERROR", "10%", "20%", "seen", "[31")
        ]
        return [numbers_of(page) for page in found]

    assert asyncio.run(scenario(True)) == [[1], [], [2], [3, 5], []]
    assert asyncio.run(scenario(False)) == [[1], [], [2], [3, 5], []]


def test_a_damaged_segment_is_an_error_and_never_other_lines() -> None:
    async def scenario() -> None:
        reading = Reading()
        await reading.write(50)
        reading.seal(50)
        ((key, data),) = reading.segments.files.items()
        reading.segments.files[key] = data[:40] + bytes([data[40] ^ 1]) + data[41:]
        reading.logs.forget(PK)
        record = a_process(state=State.SUCCEEDED, log_lines=50)
        with pytest.raises(DamagedFile, match="lines 1 to 50"):
            await reading.reader.read(record, 0)
        with pytest.raises(DamagedFile):
            await reading.reader.lines(record, 0, 10, q="line")
        with pytest.raises(DamagedFile):
            _ = [part async for part in _sealed(reading, 0, 50)]
        del reading.segments.files[key]
        with pytest.raises(DamagedFile, match="missing"):
            await reading.reader.read(record, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize("q", ["", "line"])
def test_a_text_never_ends_early_as_if_it_were_whole(q: str) -> None:
    async def scenario() -> int:
        reading = Reading()
        await reading.write(9_000)
        for end in range(1_000, 10_000, 1_000):  # more than is read ahead
            reading.seal(end)
        record = a_process(state=State.SUCCEEDED, log_lines=9_000)
        reading.logs.forget(PK)
        pieces = reading.reader.text(record, q=q)
        first = await anext(pieces)
        reading.segments.stored.clear()  # deleted while somebody reads it
        reading.segments.files.clear()
        reading.logs.forget(PK)
        with pytest.raises(DamagedFile, match="missing"):
            _ = [piece async for piece in pieces]
        return len(first)

    assert asyncio.run(scenario())

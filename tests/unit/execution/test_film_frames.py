"""What a run reports of its frames: checked, numbered, stored bit by bit."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from server.core.errors import DatabaseAway
from server.execution import film_frames as module
from server.execution.child.messages import ChildMessages, ReportedLine
from server.execution.film_frames import FilmRecorder
from server.processes.film_frames import (
    CHUNK_FRAMES,
    FRAMES_LIMIT,
    NAME_CHARACTERS,
    FilmFrame,
    LeftOutFrame,
    frames_body,
    reported_frame,
)
from server.store.processes.film_frames import FramesChunk
from tests.fakes.some_records import a_process

LINE = ["frame", 1.5, "info", "Processing frame 1/2: a.fits"]
FACTS = {"frame": 1, "product": 4, "name": "a.fits", "date": 1.5, "exposure": 30.0, "filter": "V",
         "sky": 300.5, "shift": [1.5, -2.0]}  # fmt: skip
LEFT_OUT = {"product": 5, "name": "b.fits", "reason": "has no finite pixel"}


def said(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


class Kept:
    """A store of frames in memory, away as often as it is told to be."""

    def __init__(self) -> None:
        self.chunks: dict[tuple[int, int, int], FramesChunk] = {}
        self.away = 0

    async def put(self, process: int, attempt: int, number: int, chunk: FramesChunk) -> None:
        if self.away:
            self.away -= 1
            raise DatabaseAway
        self.chunks[process, attempt, number] = chunk

    @property
    def found(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = json.loads(frames_body(self.chunks.values()))
        return found


def recorder(kept: Kept, process_type: str = "timelapse") -> FilmRecorder:
    record = a_process(7, process_type=process_type, attempt=2)
    return FilmRecorder(record, kept)  # type: ignore[arg-type]


def frame(number: int) -> FilmFrame:
    return FilmFrame(frame=number, product=number, name=f"{number}.fits")


def test_a_frame_is_a_line_of_the_log_with_its_place() -> None:
    received = ChildMessages()
    received.feed_messages(
        said(
            ["t", "log", 1.5, "info", "held, "],
            [*LINE, FACTS],
            ["t", "log", 1.5, "info", "and ended\n"],
            ["frame", 1.5, "warning", "Left out: b.fits has no finite pixel", LEFT_OUT],
        )
    )
    first, second = received.take_frames()
    assert first == ReportedLine(FilmFrame(**{**FACTS, "shift": (1.5, -2.0)}), 1)
    assert second == ReportedLine(LeftOutFrame(**LEFT_OUT), 3)
    lines = received.assembler.take()
    assert [(line.level, line.text) for line in lines] == [
        ("info", "Processing frame 1/2: a.fits"),
        ("info", "held, and ended"),
        ("warning", "Left out: b.fits has no finite pixel"),
    ]
    assert received.take_frames() == []


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"frame": 1},
        FACTS | {"frame": -1},
        FACTS | {"product": 2**64},
        FACTS | {"shift": [1]},
        FACTS | {"date": "yesterday"},
        FACTS | {"name": None},
        LEFT_OUT | {"reason": 7},
    ],
)
def test_malformed_facts_cost_themselves_and_not_the_line(facts: dict[str, Any]) -> None:
    received = ChildMessages()
    received.feed_messages(said([*LINE, facts]))
    assert received.take_frames() == []
    assert [line.text for line in received.assembler.take()] == [LINE[3]]


def test_a_malformed_message_is_shown_in_the_log() -> None:
    received = ChildMessages()
    received.feed_messages(said(["frame", 1.5, "loud", "x", FACTS], ["frame", 1.5, "info", "x"]))
    assert received.take_frames() == []
    assert [line.level for line in received.assembler.take()] == ["warning"] * 2


def test_a_run_cannot_claim_a_line_or_make_texts_long() -> None:
    found = reported_frame(FACTS | {"line": 99, "name": "n" * 9000, "filter": "f" * 9000})
    assert isinstance(found, FilmFrame)
    assert (found.line, found.filter) == (None, "f" * NAME_CHARACTERS)
    assert len(found.name) == NAME_CHARACTERS
    left_out = reported_frame(LEFT_OUT | {"reason": "r" * 9000})
    assert isinstance(left_out, LeftOutFrame)
    assert len(left_out.reason) == 500


def test_the_frames_of_an_attempt_are_bounded() -> None:
    received = ChildMessages()
    received._frames_left = 3
    received.feed_messages(said(*([*LINE, FACTS] for _ in range(5))))
    assert len(received.take_frames()) == 3
    assert len(received.assembler.take()) == 5
    assert FRAMES_LIMIT >= 10_000


def test_lines_beyond_the_limit_of_the_log_have_no_number() -> None:
    received = ChildMessages()
    left: list[str] = []
    received.divert(left.append)
    received.feed_messages(said([*LINE, FACTS]))
    [reported] = received.take_frames()
    assert reported.place is None
    assert left == [f"{LINE[3]}\n"]


async def test_frames_are_stored_in_documents_of_a_bounded_number(runner: asyncio.Runner) -> None:
    kept = Kept()
    film = recorder(kept)
    total = 2 * CHUNK_FRAMES + 7
    for start in range(0, total, 30):
        numbers = range(start + 1, min(start + 30, total) + 1)
        reported = [ReportedLine(frame(n), place) for place, n in enumerate(numbers, 1)]
        film.add(reported, start + 1000, len(reported))
        kept.away = 1
        await film.store()
        await film.store()
    assert sorted(kept.chunks) == [(7, 2, 0), (7, 2, 1), (7, 2, 2)]
    found = kept.found["frames"]
    assert [each["frame"] for each in found] == list(range(1, total + 1))
    assert [each["line"] for each in found] == list(range(1001, total + 1001))


async def test_what_is_beyond_the_stored_lines_has_none(runner: asyncio.Runner) -> None:
    kept = Kept()
    film = recorder(kept)
    film.add([ReportedLine(frame(n), n) for n in (1, 2, 3)], 10, 2)
    film.add([ReportedLine(frame(4), None)], 0, 0)
    await film.store()
    assert [each["line"] for each in kept.found["frames"]] == [11, 12, None, None]


async def test_writes_are_a_second_apart_and_only_of_timelapses(
    runner: asyncio.Runner,
) -> None:
    kept = Kept()
    film, other = recorder(kept), recorder(kept, "pipeline")
    assert film.seconds_left is None
    film.add([ReportedLine(frame(1), 1)], 0, 1)
    film._written = asyncio.get_running_loop().time() - module.WRITE_SECONDS
    assert film.seconds_left == 0
    await film.store()
    film.add([ReportedLine(LeftOutFrame(**LEFT_OUT), 1)], 1, 1)
    assert film.seconds_left is not None
    assert film.seconds_left > 0
    await film.store()
    assert kept.found["left_out"] == [LEFT_OUT]
    other.add([ReportedLine(frame(1), 1)], 0, 1)
    assert other.seconds_left is None

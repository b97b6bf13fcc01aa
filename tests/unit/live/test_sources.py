"""What is pushed: every line once, in order, to every viewer, however fast it reads."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from server.core.errors import NotFound
from server.core.records import State
from server.live.sources import LiveSources
from server.live.websocket_frames import Frame
from server.processes.repository import ProcessRepository
from server.processes.status_boards import StatusBoard
from tests.fakes.log_fakes import PK, Reading, a_process

WAIT_SECONDS = 20


def messages_of(wire: bytes) -> list[dict[str, Any]]:
    """Return the messages in bytes from the wire (RFC 6455, section 5.2)."""
    found = []
    while wire:
        assert wire[0] == 0x81
        size, start = wire[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(wire[2:start], "big")
        found.append(json.loads(wire[start : start + size]))
        wire = wire[start + size :]
    return found


class FakeViewer:
    """A viewer that takes a frame at once, or when `take` is called."""

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.frames: list[Frame] = []
        self.gone = False
        self._taken = asyncio.Event()
        self._taken.set()

    @property
    def ready(self) -> bool:
        return self._taken.is_set()

    def push(self, frame: Frame) -> None:
        assert self.ready, "a frame was pushed before the last one was taken"
        if self.gone:
            raise ConnectionAbortedError
        self.frames.append(frame)
        if not self.at_once:
            self._taken.clear()

    async def taken(self) -> None:
        await self._taken.wait()

    def take(self) -> None:
        self._taken.set()

    def has(self, lines: int) -> bool:
        return len(self.numbers) == lines

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for frame in self.frames for message in messages_of(frame.wire)]

    @property
    def numbers(self) -> list[int]:
        lines = [message["lines"] for message in self.messages if message["type"] == "lines"]
        return [entry[0] for part in lines for entry in part]


class Pushing(Reading):
    """Logs and boards with their sources."""

    def __init__(self) -> None:
        super().__init__()
        self.boards = {1: StatusBoard(1)}
        self.sources = LiveSources(
            cast(ProcessRepository, self.repository),
            self.reader,
            self.hub,
            lambda record: {"status": record.status},
            self.board,
        )
        self.tasks: list[asyncio.Task[None]] = []

    async def board(self, target: int) -> StatusBoard:
        if target not in self.boards:
            raise NotFound("target", target)
        return self.boards[target]

    def watch(self, viewer: FakeViewer, after: int = 0) -> asyncio.Task[None]:
        following = self.sources.follow(PK, after, viewer)
        self.tasks.append(asyncio.ensure_future(following))
        return self.tasks[-1]

    def end(self, lines: int) -> None:
        self.repository.accept(
            a_process(state=State.SUCCEEDED, status="created", log_lines=lines, version=99)
        )

    async def all_over(self) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.gather(*self.tasks)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0)


def test_a_viewer_gets_the_record_the_lines_and_the_end() -> None:
    async def scenario() -> list[str]:
        pushing = Pushing()
        await pushing.write(3)
        pushing.watch(viewer := FakeViewer())
        await until(lambda: len(viewer.numbers) == 3)
        await pushing.write(2)
        pushing.end(5)
        await pushing.all_over()
        assert viewer.numbers == [1, 2, 3, 4, 5]
        assert viewer.messages[-2]["process"]["status"] == "created"
        return [message["type"] for message in viewer.messages]

    assert asyncio.run(scenario()) == ["process", "lines", "lines", "process", "end"]


def test_those_who_have_caught_up_get_the_very_same_frame() -> None:
    async def scenario() -> int:
        pushing = Pushing()
        viewers = [FakeViewer() for _ in range(10)]
        for viewer in viewers:
            pushing.watch(viewer)
        await until(lambda: all(viewer.messages for viewer in viewers))
        for _ in range(5):
            await asyncio.sleep(0)
        await pushing.write(1)
        await until(lambda: all(viewer.numbers for viewer in viewers))
        pushing.end(1)
        await pushing.all_over()
        return len({id(viewer.frames[1]) for viewer in viewers})

    assert asyncio.run(scenario()) == 1


def test_one_that_stalls_holds_nobody_up_and_misses_nothing() -> None:
    async def scenario() -> None:
        pushing = Pushing()
        pushing.watch(quick := FakeViewer())
        pushing.watch(slow := FakeViewer())
        await until(lambda: quick.messages and slow.messages)
        slow.at_once = False
        for total in range(1, 21):
            await pushing.write(1)
            await until(partial(quick.has, total))
        assert len(slow.frames) == 2
        slow.at_once = True
        slow.take()
        await until(lambda: len(slow.numbers) == 20)
        pushing.end(20)
        await pushing.all_over()
        assert quick.numbers == slow.numbers == list(range(1, 21))

    asyncio.run(scenario())


def test_stalled_viewers_at_the_same_cursor_share_their_batch() -> None:
    async def scenario() -> int:
        pushing = Pushing()
        await pushing.write(100)
        viewers = [FakeViewer(at_once=False) for _ in range(20)]
        for viewer in viewers:
            pushing.watch(viewer)
        await until(lambda: all(len(viewer.frames) == 1 for viewer in viewers))
        for viewer in viewers:
            viewer.take()
        await until(lambda: all(len(viewer.frames) == 2 for viewer in viewers))
        for task in pushing.tasks:
            task.cancel()
        await asyncio.gather(*pushing.tasks, return_exceptions=True)
        return len({id(viewer.frames[1].wire) for viewer in viewers})

    assert asyncio.run(scenario()) == 1


@pytest.mark.parametrize("seed", range(5))
def test_whoever_stalls_leaves_and_comes_back_sees_every_line_once(seed: int) -> None:
    chance = random.Random(seed)

    async def one(pushing: Pushing) -> list[int]:
        numbers: list[int] = []
        while True:
            viewer = FakeViewer(at_once=False)
            task = asyncio.ensure_future(
                pushing.sources.follow(PK, numbers[-1] if numbers else 0, viewer)
            )
            for _ in range(chance.randint(1, 40)):
                await asyncio.sleep(0)
                viewer.at_once = chance.random() < 0.7
                if chance.random() < 0.8:
                    viewer.take()
                if task.done():
                    break
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            numbers += viewer.numbers
            if any(message["type"] == "end" for message in viewer.messages):
                return numbers

    async def scenario() -> None:
        pushing = Pushing()
        watching = [asyncio.ensure_future(one(pushing)) for _ in range(10)]
        total = 0
        for _ in range(100):
            count = chance.randint(1, 30)
            await pushing.write(count)
            total += count
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
        pushing.end(total)
        async with asyncio.timeout(WAIT_SECONDS):
            found = await asyncio.gather(*watching)
        assert all(numbers == list(range(1, total + 1)) for numbers in found)
        assert not pushing.hub._waiting

    asyncio.run(scenario())


def test_changes_of_a_record_that_come_fast_are_merged() -> None:
    async def scenario() -> list[str]:
        pushing = Pushing()
        pushing.watch(viewer := FakeViewer())
        await until(lambda: viewer.messages)
        for version in range(2, 50):
            pushing.repository.accept(a_process(status=f"v{version}", version=version))
            await asyncio.sleep(0)
        await until(lambda: len(viewer.messages) == 2)
        pushing.end(0)
        await pushing.all_over()
        return [each["process"]["status"] for each in viewer.messages[:-1]]

    assert asyncio.run(scenario()) == ["pending", "v49", "created"]


def test_a_deleted_process_ends_all_who_follow_it() -> None:
    async def scenario() -> list[BaseException | None]:
        pushing = Pushing()
        viewers = [FakeViewer(), FakeViewer(), FakeViewer(at_once=False)]
        for viewer in viewers:
            pushing.watch(viewer)
        await until(lambda: all(viewer.messages for viewer in viewers))
        pushing.repository.delete(PK)
        viewers[2].take()
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.gather(*pushing.tasks, return_exceptions=True)
        assert not pushing.hub._waiting
        return [task.exception() for task in pushing.tasks]

    assert all(isinstance(error, NotFound) for error in asyncio.run(scenario()))


def test_one_that_is_gone_takes_nobody_along() -> None:
    async def scenario() -> list[int]:
        pushing = Pushing()
        leaving = pushing.watch(gone := FakeViewer())
        pushing.watch(stays := FakeViewer())
        await until(lambda: gone.messages and stays.messages)
        gone.gone = True
        await pushing.write(1)
        await until(lambda: stays.numbers)
        with pytest.raises(OSError):  # noqa: PT011 - any of them says that it is gone
            await leaving
        pushing.tasks.remove(leaving)
        await pushing.write(1)
        pushing.end(2)
        await pushing.all_over()
        return stays.numbers

    assert asyncio.run(scenario()) == [1, 2]


def test_a_cursor_past_the_end_means_from_the_end() -> None:
    async def scenario() -> list[int]:
        pushing = Pushing()
        await pushing.write(5)
        pushing.watch(viewer := FakeViewer(), after=10**18)
        await until(lambda: viewer.messages)
        await pushing.write(2)
        pushing.end(7)
        await pushing.all_over()
        return viewer.numbers

    assert asyncio.run(scenario()) == [6, 7]


def test_a_slow_reader_of_the_status_gets_only_the_newest_of_each_process() -> None:
    async def scenario() -> list[list[str]]:
        pushing = Pushing()
        board = pushing.boards[1]
        viewers = [FakeViewer(), FakeViewer(at_once=False)]
        tasks = [
            asyncio.ensure_future(pushing.sources.follow_status(1, viewer)) for viewer in viewers
        ]
        await until(lambda: all(viewer.messages for viewer in viewers))
        for version in range(2, 102):
            for pk in (1, 2):
                board.put(a_process(pk, status=f"v{version}", version=version))
            pushing.hub.wake(("target", 1))
            await asyncio.sleep(0.001)
        await until(lambda: viewers[0].messages[-1]["process"]["status"] == "v101")
        viewers[1].take()
        await until(lambda: len(viewers[1].messages) > 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [len(viewer.messages) < 100 for viewer in viewers] == [True, True]
        return [[each["process"]["status"] for each in viewers[1].messages[1:]]]

    assert asyncio.run(scenario()) == [["v101", "v101"]]


def test_a_deleted_target_ends_all_who_follow_it() -> None:
    async def scenario() -> None:
        pushing = Pushing()
        viewer = FakeViewer()
        task = asyncio.ensure_future(pushing.sources.follow_status(1, viewer))
        await until(lambda: viewer.messages)
        await asyncio.sleep(0)
        del pushing.boards[1]
        pushing.hub.wake(("target", 1))
        async with asyncio.timeout(WAIT_SECONDS):
            with pytest.raises(NotFound):
                await task

    asyncio.run(scenario())


def test_a_crowd_that_opens_a_log_at_once_shares_frames_and_leaves_room_for_others() -> None:
    async def scenario() -> int:
        pushing = Pushing()
        for _ in range(10):
            await pushing.write(2_000, text="x" * 60)
        pushing.end(20_000)
        viewers = [FakeViewer() for _ in range(300)]
        for viewer in viewers:
            pushing.watch(viewer)
        before = most = 0
        async with asyncio.timeout(WAIT_SECONDS):
            while not all(task.done() for task in pushing.tasks):
                await asyncio.sleep(0)
                now = sum(len(viewer.frames) for viewer in viewers)
                most, before = max(most, now - before), now
        assert all(viewer.numbers[-1] == 20_000 for viewer in viewers[::50])
        of_lines = [frame for viewer in viewers for frame in viewer.frames if frame.last]
        assert len({id(frame.wire) for frame in of_lines}) < len(of_lines) / 20
        return most

    # A few wait for the same read of the store, and go on together.
    assert asyncio.run(scenario()) <= 10


def test_many_who_have_caught_up_are_sent_a_frame_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.live.feeds.SENDING_SECONDS", 0)

    async def scenario() -> None:
        pushing = Pushing()
        viewers = [FakeViewer() for _ in range(50)]
        for viewer in viewers:
            pushing.watch(viewer)
        await until(lambda: all(viewer.frames for viewer in viewers))
        await pushing.write(5)
        await until(lambda: any(viewer.numbers for viewer in viewers))
        late = FakeViewer()
        pushing.watch(late)  # comes while the frame is being sent
        left = viewers.pop(30)
        pushing.tasks[30].cancel()
        assert not all(viewer.numbers for viewer in viewers)
        await pushing.write(5)
        pushing.end(10)
        pushing.tasks.pop(30)
        await pushing.all_over()
        assert all(viewer.numbers == list(range(1, 11)) for viewer in [*viewers, late])
        assert left.numbers in ([], [1, 2, 3, 4, 5])

    asyncio.run(scenario())


@pytest.mark.parametrize("character", ["x", "\x01", "\N{PINCHING HAND}", '"'])
def test_a_frame_has_at_most_256_kib_or_one_line(character: str) -> None:
    async def scenario() -> FakeViewer:
        pushing = Pushing()
        await pushing.write(40, text=character * 6_000)
        await pushing.write(1, text=character * 65_000)
        await pushing.write(300, text=character * 7)
        pushing.end(341)
        pushing.watch(viewer := FakeViewer())
        await pushing.all_over()
        return viewer

    viewer = asyncio.run(scenario())
    assert viewer.numbers == list(range(1, 342))
    for frame in viewer.frames:
        [message] = messages_of(frame.wire)
        assert len(frame.wire) <= 256 * 1024 or len(message["lines"]) == 1

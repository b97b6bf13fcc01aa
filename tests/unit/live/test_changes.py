"""What changes, told by names: all at first, then merged, at most four frames a second."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from server.core.changes import GROUPS, LIGHT_CURVE, PROCESSES, PRODUCTS, TARGET
from server.core.errors import NotFound
from server.core.hub import Hub
from server.live.changes import PAUSE_SECONDS, ChangeFeeds
from server.live.feeds import Feeds
from server.live.websocket_frames import Frame
from tests.unit.live.test_sources import FakeViewer, until

ALL = ["target", "products", "groups", "lightcurve", "processes"]


class TimedViewer(FakeViewer):
    """A viewer that notes when each frame came."""

    def __init__(self, at_once: bool = True) -> None:
        super().__init__(at_once)
        self.times: list[float] = []

    def push(self, frame: Frame) -> None:
        super().push(frame)
        self.times.append(time.monotonic())

    @property
    def told(self) -> list[list[str]]:
        """The words of each message."""
        assert all(message["type"] == "changed" for message in self.messages)
        return [message["what"] for message in self.messages]


class Observed:
    """Targets 1 and 2, and who follows them."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.targets = {1, 2}
        self.feeds = ChangeFeeds(self.hub, Feeds(self.hub), self.check)
        self.checks = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def check(self, target: int) -> Any:
        self.checks += 1
        if target not in self.targets:
            raise NotFound("target", target)

    async def watched(self, target: int | None, viewer: TimedViewer) -> asyncio.Task[None]:
        """Let a viewer follow a target; return when it has been told the first time."""
        task = asyncio.ensure_future(self.feeds.follow(target, viewer))
        self.tasks.append(task)
        await until(lambda: viewer.frames or task.done())
        return task

    async def __aenter__(self) -> Observed:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def test_a_viewer_is_told_everything_and_then_only_what_changes() -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            await observed.watched(1, viewer := TimedViewer())
            await observed.watched(None, every := TimedViewer())
            assert viewer.told == [ALL]
            assert every.told == [["targets", "processes"]]
            for kind in (PRODUCTS, GROUPS, PRODUCTS):
                observed.hub.wake((kind, 1))
            observed.hub.wake((PROCESSES, 2))  # of another target
            observed.hub.wake(("log", 1))  # of nobody's concern
            await until(lambda: len(viewer.told) == 2 and len(every.told) == 2)
            assert viewer.told[1] == ["products", "groups"]
            assert every.told[1] == ["targets", "processes"]
            observed.hub.wake((LIGHT_CURVE, 2))
            await until(lambda: len(every.told) == 3)
            assert every.told[2] == ["targets"]
            assert len(viewer.told) == 2

    asyncio.run(scenario())


def test_a_thousand_changes_are_a_few_frames_and_the_last_is_told() -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            viewers = [TimedViewer() for _ in range(3)]
            for viewer in viewers:
                await observed.watched(1, viewer)
            end = time.monotonic() + 3 * PAUSE_SECONDS
            while time.monotonic() < end:
                observed.hub.wake((PRODUCTS, 1))
                await asyncio.sleep(0.001)
            observed.hub.wake((TARGET, 1))
            await until(lambda: all("target" in viewer.told[-1] for viewer in viewers))
            for viewer in viewers:
                pairs = zip(viewer.times, viewer.times[1:], strict=False)
                # The loop's clock may be a tick early.
                assert min(after - before for before, after in pairs) > PAUSE_SECONDS * 0.95
            observed.hub.wake((GROUPS, 1))
            await until(lambda: all(viewer.told[-1] == ["groups"] for viewer in viewers))

    asyncio.run(scenario())


def test_who_does_not_read_is_told_the_sum_later() -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            await observed.watched(1, slow := TimedViewer(at_once=False))
            await observed.watched(1, quick := TimedViewer())
            for kind in (PRODUCTS, LIGHT_CURVE):
                observed.hub.wake((kind, 1))
                frames = len(quick.told)
                await until(lambda frames=frames: len(quick.told) > frames)
            assert slow.told == [ALL]
            slow.take()
            await until(lambda: len(slow.told) == 2)
            assert slow.told[1] == ["products", "lightcurve"]

    asyncio.run(scenario())


@pytest.mark.parametrize("told", [True, False], ids=["at once", "after announcements were missed"])
def test_following_ends_when_the_target_is_deleted(told: bool) -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            task = await observed.watched(1, TimedViewer())
            other = await observed.watched(2, viewer := TimedViewer())
            observed.targets = {2}
            if told:
                observed.hub.wake((TARGET, 1))
            else:
                observed.hub.wake_all()
            with pytest.raises(NotFound):
                await asyncio.wait_for(task, 20)
            if not told:
                await until(lambda: len(viewer.told) == 2)
                assert viewer.told[1] == ALL
            assert not other.done()

    asyncio.run(scenario())


def test_a_target_that_goes_before_the_first_frame_is_noticed() -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            observed.targets = set()
            with pytest.raises(NotFound):
                await (await observed.watched(1, TimedViewer()))

    asyncio.run(scenario())


def test_changes_of_processes_ask_the_database_nothing() -> None:
    async def scenario() -> None:
        async with Observed() as observed:
            await observed.watched(1, viewer := TimedViewer())
            checks = observed.checks
            observed.hub.wake((PROCESSES, 1))
            await until(lambda: len(viewer.told) == 2)
            assert observed.checks == checks

    asyncio.run(scenario())

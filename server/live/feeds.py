"""Sends news to all viewers, making each frame once.

Viewers that have caught up are served by one loop per feed, which writes the same ready frame to
each of them. A viewer that falls behind is served by itself, from its own cursor, and each of its
writes is awaited, until it has caught up. So a viewer costs a cursor and one frame.

What there is to send is left to `sources`, how it is written to the viewers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from server.core.hub import Hub, Subscription
from server.core.turns import take_turn
from server.live.websocket_frames import Frame

#: How long frames are written to one viewer after the other before others have the loop.
SENDING_SECONDS = 0.005

#: Where a viewer stands: immutable, and equal for viewers that have seen the same.
Cursor = TypeVar("Cursor")
Cursor_contra = TypeVar("Cursor_contra", contravariant=True)


class Step(NamedTuple):
    """What follows a cursor: a frame and the cursor after it, or nothing yet.

    `pause` is how long to wait before the next step; without a frame, a wake-up ends it early.
    `over` marks the last frame of all.
    """

    frame: Frame | None
    cursor: Any
    pause: float | None = None
    over: bool = False


class Source(Protocol[Cursor_contra]):
    """Something to follow, from any number of cursors at once."""

    @property
    def topics(self) -> tuple[Hashable, ...]:
        """The topics of the hub that are woken when there is something new."""

    async def step(self, cursor: Cursor_contra) -> Step:
        """Return what follows a cursor. An exception ends the feed for its viewers."""


class Viewer(Protocol):
    """A connected client."""

    @property
    def ready(self) -> bool:
        """Whether it has taken the last frame."""

    def push(self, frame: Frame) -> None:
        """Begin to send a frame. Raises OSError when the viewer is gone."""

    async def taken(self) -> None:
        """Wait until the last frame is taken. Raises OSError when the viewer is gone."""


class Feed(Generic[Cursor]):
    """One source and its viewers that have caught up, all at the same cursor."""

    def __init__(self, hub: Hub, source: Source[Cursor]) -> None:
        self._hub = hub
        self._source = source
        self._viewers: dict[Viewer, asyncio.Future[Cursor | None]] = {}
        self._cursor: Cursor | None = None
        self._loop: asyncio.Task[None] | None = None
        #: set while the loop has nothing to send, or does not run
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self, viewer: Viewer, cursor: Cursor) -> None:
        """Send a viewer all that follows a cursor, to the end."""
        at: Cursor | None = cursor
        while at is not None:
            at = await self._catch_up(viewer, at)
            if at is not None:
                at = await self._stay(viewer, at)

    async def _catch_up(self, viewer: Viewer, cursor: Cursor) -> Cursor | None:
        """Serve a viewer by itself up to the cursor of the others. Return None at the end."""
        with self._hub.subscribe(*self._source.topics) as subscription:
            await viewer.taken()
            while True:
                await take_turn()
                # While `step` holds the frame, the source can give it to others at the same cursor.
                step = await self._source.step(cursor)
                cursor = step.cursor
                if step.frame is not None:
                    viewer.push(step.frame)
                    await viewer.taken()
                    if step.over:
                        return None
                    await asyncio.sleep(step.pause or 0)
                elif self._joins(cursor):
                    return cursor
                else:
                    await self._rest(subscription, step.pause)

    def _joins(self, cursor: Cursor) -> bool:
        return not self._viewers or cursor == self._cursor

    async def _rest(self, subscription: Subscription, pause: float | None) -> None:
        """Wait until the others have been sent all there is, or else for something new."""
        if self._idle.is_set():
            await subscription.wait(pause)
        else:
            await self._idle.wait()

    async def _stay(self, viewer: Viewer, cursor: Cursor) -> Cursor | None:
        """Serve a viewer with the others. Return its cursor if it falls behind, None at the end."""
        left = asyncio.get_running_loop().create_future()
        self._viewers[viewer] = left
        if self._loop is None:
            self._cursor = cursor
            self._loop = asyncio.ensure_future(self._serve_all())
        try:
            at: Cursor | None = await left
            return at
        finally:
            self._viewers.pop(viewer, None)
            if not self._viewers and self._loop is not None:
                self._stop()

    def _stop(self) -> None:
        loop, self._loop = self._loop, None
        self._idle.set()
        if loop is not None:
            loop.cancel()

    async def _serve_all(self) -> None:
        try:
            await self._send_on()
        except Exception as error:
            for left in self._viewers.values():
                if not left.done():
                    left.set_exception(error)
        if self._loop is asyncio.current_task():
            self._loop = None
            self._idle.set()

    async def _send_on(self) -> None:
        with self._hub.subscribe(*self._source.topics) as subscription:
            over = False
            while not over:
                self._idle.clear()
                step = await self._source.step(cast(Cursor, self._cursor))
                if step.frame is None:
                    self._cursor = step.cursor
                    self._idle.set()
                    await subscription.wait(step.pause)
                    continue
                behind, self._cursor, over = self._cursor, step.cursor, step.over
                await self._send(step.frame, behind)
                if not over:
                    await asyncio.sleep(step.pause or 0)
            for left in self._viewers.values():
                if not left.done():
                    left.set_result(None)

    async def _send(self, frame: Frame, before: Cursor | None) -> None:
        """Write a frame to all viewers that are ready; the others fall behind.

        `before` is the cursor that the frame follows. Whoever joins meanwhile has seen the frame.
        """
        pause_at = time.monotonic() + SENDING_SECONDS
        for viewer, left in list(self._viewers.items()):
            if time.monotonic() >= pause_at:
                await asyncio.sleep(0)
                pause_at = time.monotonic() + SENDING_SECONDS
            if not left.done():
                _push(viewer, frame, left, before)


def _push(
    viewer: Viewer, frame: Frame, left: asyncio.Future[Cursor | None], before: Cursor | None
) -> None:
    if not viewer.ready:
        left.set_result(before)
        return
    try:
        viewer.push(frame)
    except OSError as error:
        left.set_exception(error)


class Feeds:
    """The feeds that have viewers now, by what they follow."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._feeds: WeakValueDictionary[Hashable, Feed[Any]] = WeakValueDictionary()

    def of(self, key: Hashable, source: Callable[[], Source[Cursor]]) -> Feed[Cursor]:
        """Return the feed with this key, made from a new source if it has no viewers yet."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(self._hub, source())
        return feed

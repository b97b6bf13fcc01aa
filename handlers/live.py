"""The websockets: the frames of status and logs, written to one viewer each.

What is in the frames, and where a reader stands, is the business of `Processes`. Here one frame at
a time is on its way, so a viewer that does not read costs one frame.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from tornado.routing import URLSpec
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from handlers.base import BaseHandler
from handlers.live_sockets import COME_BACK, DELETED, FAILED, FINISHED, GOING_AWAY
from handlers.query import PK, pk_of, whole
from handlers.services import Services
from server.errors import DatabaseAway, InvalidInput, NotFound

log = logging.getLogger(__name__)


class LiveHandler(BaseHandler, WebSocketHandler):
    """A socket that pushes. Heirs say in `frames` what; what the client sends is ignored."""

    checks_origin_always = True
    quiet = True

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        self.writing_since: float | None = None
        self.heard_at = 0.0
        self._frames: AsyncIterator[bytes] | None = None
        self._push: asyncio.Task[None] | None = None

    @property
    def ping_interval(self) -> float:
        """Seconds between pings."""
        return self.services.config.websockets.ping_seconds

    @property
    def ping_timeout(self) -> float:
        """0, for none: Tornado would close with 1000, which is for those that have seen it all."""
        return 0

    @property
    def max_message_size(self) -> int:
        """Nothing of interest comes from clients."""
        return 4096

    def check_origin(self, origin: str) -> bool:
        """True: `prepare` has looked at it already, by our own rule."""
        return True

    async def frames(self, pk: int) -> AsyncIterator[bytes]:
        """The frames to push. Raises what shall be answered in place of the upgrade."""
        raise NotImplementedError

    async def get(self, *arguments: str, **_named: str) -> None:
        """Look at everything that can be refused, then upgrade."""
        frames = await self.frames(pk_of(arguments[0]))
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidInput(detail="Only websockets are spoken here.")
        self._frames = frames
        await super().get(*arguments)

    def open(self, *_arguments: str) -> None:
        """Begin to push."""
        if self.services.sockets.closing:
            self.close(GOING_AWAY)
            return
        self.set_nodelay(True)
        self.heard_at = asyncio.get_running_loop().time()
        self.services.sockets.add(self)
        self._push = asyncio.ensure_future(self._push_all())

    def on_pong(self, data: bytes) -> None:
        """Note that the client is there."""
        self.heard_at = asyncio.get_running_loop().time()

    def on_message(self, message: str | bytes) -> None:
        """Ignore it."""

    def on_close(self) -> None:
        """Stop pushing."""
        self.services.sockets.discard(self)
        if self._push is not None:
            self._push.cancel()

    def stop(self, code: int) -> None:
        """Push no more, and close with this code."""
        self.writing_since, self.heard_at = None, math.inf  # the sweep need not come again
        if self._push is not None:
            self._push.cancel()
        self.close(code)

    async def _push_all(self) -> None:
        try:
            code = await self._push_frames()
        except WebSocketClosedError:
            return
        except NotFound:
            code = DELETED
        except DatabaseAway:
            code = COME_BACK
        except Exception:
            log.exception("Pushing %s broke off", self.request.path)
            code = FAILED
        self._push = None
        self.close(code)

    async def _push_frames(self) -> int:
        clock = asyncio.get_running_loop().time
        async with aclosing(cast(Any, self._frames)) as frames:
            while True:
                try:
                    # No name for the frame: it shall not be held while a slow viewer reads.
                    written = self.write_message(await anext(frames))
                except StopAsyncIteration:
                    return FINISHED
                self.writing_since = clock()
                # Shielded, as Tornado's futures of writes do not like to be cancelled.
                await asyncio.shield(written)
                self.writing_since = None


class LiveStatusHandler(LiveHandler):
    """`/ws/async/status/<target PK>/`."""

    async def frames(self, pk: int) -> AsyncIterator[bytes]:
        """A snapshot, then the newest state of each process that changes."""
        await self.processes.board(pk)
        return self.processes.follow_status(pk)


class LiveLogHandler(LiveHandler):
    """`/ws/processes/<pk>/logs/`: the log of any process."""

    async def frames(self, pk: int) -> AsyncIterator[bytes]:
        """The record and the lines behind the cursor, to the end."""
        after = whole(self, "after", 0) or 0
        await self.check(pk)
        return self.processes.follow(pk, after)

    async def check(self, pk: int) -> None:
        """Raise NotFound unless there is such a process."""
        await self.processes.get(pk)


class LivePipelineLogHandler(LiveLogHandler):
    """`/ws/pipeline/logs/<pk>/`: pipelines only, as the polled URL."""

    async def check(self, pk: int) -> None:
        """Raise NotFound unless there is such a pipeline process."""
        record = await self.processes.get(pk)
        if record.view_url is None:
            raise NotFound("pipeline process", pk)


def routes(services: Services) -> list[URLSpec]:
    """The websockets."""
    kwargs = {"services": services}
    return [
        URLSpec(rf"/ws/async/status/{PK}/", LiveStatusHandler, kwargs),
        URLSpec(rf"/ws/pipeline/logs/{PK}/", LivePipelineLogHandler, kwargs),
        URLSpec(rf"/ws/processes/{PK}/logs/", LiveLogHandler, kwargs),
    ]

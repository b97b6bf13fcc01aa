"""The websockets: status and logs, pushed.

What is in the frames, and where a viewer stands, is the business of `Processes`. Here one frame at
a time is on its way to each, so a viewer that does not read costs one frame.
"""

from __future__ import annotations

import asyncio
import logging
import math
from asyncio import Future
from collections.abc import Awaitable, Callable
from functools import partial

from tornado.iostream import IOStream
from tornado.routing import URLSpec
from tornado.websocket import WebSocketHandler

from handlers.http.base import BaseHandler
from handlers.http.query import PK, integer, parse_pk
from handlers.services import Services
from handlers.socket_registry import COME_BACK, DELETED, FAILED, FINISHED, GOING_AWAY
from server.core.errors import DatabaseAway, InvalidInput, NotFound
from server.live.feeds import Viewer
from server.live.websocket_frames import Frame

log = logging.getLogger(__name__)

#: Sends a viewer all there is.
Follow = Callable[[Viewer], Awaitable[None]]


class LiveHandler(BaseHandler, WebSocketHandler):
    """A socket that pushes. Heirs say in `frames` what; what the client sends is ignored."""

    checks_origin_always = True
    quiet = True

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        self.heard_at = 0.0
        self._stream: IOStream | None = None
        self._written: Future[None] | None = None
        self._written_at = 0.0
        self._stopped = False
        self._follow: Follow | None = None
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

    async def what(self, pk: int) -> Follow:
        """What to push with. Raises what shall be answered in place of the upgrade."""
        raise NotImplementedError

    async def get(self, *arguments: str, **_named: str) -> None:
        """Look at everything that can be refused, then upgrade."""
        follow = await self.what(parse_pk(arguments[0]))
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise InvalidInput(detail="Only websockets are spoken here.")
        self._follow = follow
        await super().get(*arguments)

    def detach(self) -> IOStream:
        """Keep the stream that Tornado takes over for the websocket."""
        self._stream = super().detach()
        return self._stream

    def open(self, *_arguments: str) -> None:
        """Begin to push."""
        if self.services.sockets.closing:
            self.close(GOING_AWAY)
            return
        self.set_nodelay(True)
        self.heard_at = asyncio.get_running_loop().time()
        self.services.sockets.add(self)
        assert self._follow is not None
        self._push = asyncio.ensure_future(self._push_all(self._follow))

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

    @property
    def ready(self) -> bool:
        """Whether the last frame has left for the client."""
        return self._written is None or self._written.done()

    @property
    def writing_since(self) -> float | None:
        """Since when the last frame waits to be taken."""
        return None if self.ready or self._stopped else self._written_at

    def push(self, frame: Frame) -> None:
        """Begin to send a frame, once the last one was taken. Raises OSError when nobody is there.

        It goes to the stream itself: encoding it for each client again would cost half as much as
        sending it.
        """
        if self._stream is None or self._stopped:
            raise ConnectionAbortedError
        written = self._stream.write(frame.wire)
        if not written.done():
            self._written = written
            self._written_at = asyncio.get_running_loop().time()

    async def taken(self) -> None:
        """Wait until the last frame is taken. Raises OSError when nobody is there."""
        if self._written is not None:
            # Shielded, as Tornado's futures of writes do not like to be cancelled.
            await asyncio.shield(self._written)
            self._written = None

    def stop(self, code: int) -> None:
        """Push no more, and close with this code."""
        self._stopped, self.heard_at = True, math.inf  # the sweep need not come again
        if self._push is not None:
            self._push.cancel()
        self.close(code)

    async def _push_all(self, follow: Follow) -> None:
        try:
            await follow(self)
            code = FINISHED
        except NotFound:
            code = DELETED
        except DatabaseAway:
            code = COME_BACK
        except OSError:
            return  # the client is gone
        except Exception:
            log.exception("Pushing %s broke off", self.request.path)
            code = FAILED
        self._push = None
        self.stop(code)


class LiveStatusHandler(LiveHandler):
    """`/ws/async/status/<target PK>/`."""

    async def what(self, pk: int) -> Follow:
        """A snapshot, then the newest state of each process that changes."""
        await self.processes.board(pk)
        return partial(self.services.live.follow_status, pk)


class LiveLogHandler(LiveHandler):
    """`/ws/processes/<pk>/logs/`: the log of any process."""

    async def what(self, pk: int) -> Follow:
        """The record and the lines behind the cursor, to the end."""
        after = integer(self, "after", 0) or 0
        await self.check(pk)
        return partial(self.services.live.follow, pk, after)

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

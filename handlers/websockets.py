"""The websockets: status and logs, pushed.

What is sent to each viewer is left to `server.live`. One frame at a time is on its way to each, so
a viewer that does not read costs one frame.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from asyncio import Future
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tornado.iostream import IOStream
from tornado.routing import URLSpec
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, _WebSocketParams

from handlers.http.base import BaseHandler
from handlers.http.query import PK, integer, parse_pk
from handlers.http.routing import route
from handlers.http.websocket_protocol import StrictProtocol
from handlers.services import Services
from handlers.sharing.views import OfProcess
from handlers.socket_registry import (
    DELETED,
    GOING_AWAY,
    INTERNAL_ERROR,
    NO_LONGER_ALLOWED,
    NORMAL_CLOSURE,
    TRY_AGAIN_LATER,
)
from server.access.identity import NotIdentified
from server.access.tokens import digest_of
from server.core.errors import DatabaseAway, InvalidInput, NotFound, StorageAway
from server.core.turns import take_turn
from server.live.feeds import Viewer
from server.live.websocket_frames import Frame

log = logging.getLogger(__name__)

#: RFC 6455, section 4.2.1: 16 bytes in base64.
WEBSOCKET_KEY = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)
WEBSOCKET_VERSION = "13"

#: Sends a viewer everything, up to the end.
Follow = Callable[[Viewer], Awaitable[None]]


class LiveHandler(BaseHandler, WebSocketHandler):
    """A socket that pushes. Its heirs define `resolve`; messages from clients are ignored."""

    checks_origin_always = True
    quiet = True
    kind = "other"  #: of viewers, in the metrics

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        super().initialize(services)
        self.heard_at = 0.0
        self._stream: IOStream | None = None
        self._written: Future[None] | None = None
        self._written_at = 0.0
        self._stopped = False
        self._follow: Follow | None = None
        self._pushing: asyncio.Task[None] | None = None

    @property
    def ping_interval(self) -> float:
        """Seconds between pings."""
        return self.services.config.websockets.ping_seconds

    @property
    def ping_timeout(self) -> float:
        """0, for none: Tornado would close with 1000, which tells the client that this is all."""
        return 0

    @property
    def max_message_size(self) -> int:
        """A small limit, as messages from clients are ignored."""
        return 4096

    def prepare(self) -> Awaitable[None] | None:
        """Let in who has a ticket, or else whoever is let in elsewhere; a given ticket decides."""
        tickets = self.request.query_arguments.get("ticket")
        return super().prepare() if tickets is None else self._take_ticket(tickets[-1])

    async def _take_ticket(self, secret: bytes) -> None:
        self.check_source()
        given = secret.decode("ascii", "replace")
        ticket = await self.services.tickets.take(given)
        access = self.services.access
        identity = None if ticket is None else await access.holder_of(ticket.token)
        if identity is None:
            access.refuse(str(self.request.remote_ip), digest_of(given))
            raise NotIdentified("This ticket is not valid")
        self.let_in(identity)

    def check_origin(self, origin: str) -> bool:
        """Return True: `prepare` has checked the origin by our own rule."""
        return True

    async def resolve(self, *path: str) -> Follow:
        """Return what pushes, for the parts of the path. Raise the error to answer instead."""
        raise NotImplementedError

    async def get(self, *arguments: str, **_named: str) -> None:
        """Answer any error first, then upgrade."""
        await take_turn()  # a crowd comes at once
        follow = await self.resolve(*arguments)
        self._check_handshake()
        self._follow = follow
        await super().get(*arguments)

    def _check_handshake(self) -> None:
        """Raise InvalidInput or HTTPError 426, as Tornado's own answers are not JSON."""
        headers = self.request.headers
        options = {each.strip().lower() for each in headers.get("Connection", "").split(",")}
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in options:
            raise InvalidInput(detail="This is the URL of a websocket.")
        if headers.get("Sec-WebSocket-Version") != WEBSOCKET_VERSION:
            raise HTTPError(426)
        if not WEBSOCKET_KEY.fullmatch(headers.get("Sec-WebSocket-Key", "")):
            raise InvalidInput(detail="The Sec-WebSocket-Key is not 16 bytes in Base64.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error before the upgrade; 426 names the version that is understood."""
        if status_code == 426:
            self.set_header("Upgrade", "websocket")
            self.set_header("Connection", "Upgrade")
            self.set_header("Sec-WebSocket-Version", WEBSOCKET_VERSION)
        super().write_error(status_code, **kwargs)

    def get_websocket_protocol(self) -> WebSocketProtocol:
        """Return the protocol, strictly as the RFC has it; the version has been checked."""
        params = _WebSocketParams(
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            max_message_size=self.max_message_size,
        )
        return StrictProtocol(self, False, params)

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
        self._pushing = asyncio.ensure_future(self._push_all(self._follow))

    def on_pong(self, data: bytes) -> None:
        """Note that the client is still there."""
        self.heard_at = asyncio.get_running_loop().time()

    def on_message(self, message: str | bytes) -> None:
        """Ignore a message from the client."""

    def on_close(self) -> None:
        """Stop pushing."""
        self.services.sockets.discard(self)
        if self._pushing is not None:
            self._pushing.cancel()

    @property
    def allowed(self) -> bool:
        """Whether the token or session by which the socket was opened is still good."""
        return self._stopped or self.identity is None or self.identity.holds()

    @property
    def ready(self) -> bool:
        """Whether the last frame has been sent."""
        return self._written is None or self._written.done()

    @property
    def writing_since(self) -> float | None:
        """When the frame that is still being sent was written, None without one."""
        return None if self.ready or self._stopped else self._written_at

    def push(self, frame: Frame) -> None:
        """Begin to send a frame, once the last one was sent. Raise OSError if the client is gone.

        Write it to the stream itself: encoding it again for each client would cost half as much as
        sending it.
        """
        if self._stream is None or self._stopped:
            raise ConnectionAbortedError
        written = self._stream.write(frame.wire)
        if not written.done():
            self._written = written
            self._written_at = asyncio.get_running_loop().time()

    async def taken(self) -> None:
        """Wait until the last frame has been sent. Raise OSError if the client is gone."""
        if self._written is not None:
            # Shielded, as the futures of Tornado's writes must not be cancelled.
            await asyncio.shield(self._written)
            self._written = None

    def stop(self, code: int) -> None:
        """Stop pushing, and close with this code."""
        self._stopped, self.heard_at = True, math.inf  # so that the sweep does not stop it again
        if self._pushing is not None:
            self._pushing.cancel()
        self.close(code)

    async def _push_all(self, follow: Follow) -> None:
        try:
            await follow(self)
            code = NORMAL_CLOSURE
        except NotFound:
            code = DELETED
        except (DatabaseAway, StorageAway):
            code = TRY_AGAIN_LATER
        except OSError:
            return  # the client is gone
        except Exception:
            log.exception("Pushing %s failed", self.request.path, extra={"action": "push_failed"})
            code = INTERNAL_ERROR
        self._pushing = None
        self.stop(code)


class LiveStatusHandler(LiveHandler):
    """`/ws/async/status/<target PK>/`: a snapshot, then the newest state of what changes."""

    kind = "status"

    async def resolve(self, *path: str) -> Follow:
        """Return what pushes the status of a target. Raise NotFound without such a target."""
        pk = parse_pk(path[0])
        await self.processes.board(pk)
        return partial(self.services.live.follow_status, pk)


class LiveChangesHandler(LiveHandler):
    """`/ws/changes/?target=<pk>`: the names of what changes, of one target or of all."""

    kind = "changes"

    async def resolve(self, *path: str) -> Follow:
        """Return what pushes the changes. Raise NotFound without such a target."""
        target = integer(self, "target", 1)
        if target is not None:
            await self.archive.targets.get(parse_pk(str(target)))
        return partial(self.services.live.follow_changes, target)


class LiveLogHandler(OfProcess, LiveHandler):
    """`/ws/processes/<pk>/logs/`: any process with the lines after a cursor, to the end."""

    pipelines_only = False
    kind = "log"
    _ending: asyncio.Task[None] | None = None

    async def resolve(self, *path: str) -> Follow:
        """Return what pushes a log. Raise NotFound without such a process."""
        pk = parse_pk(path[0])
        after = integer(self, "after", 0) or 0
        record = await self.processes.get(pk)
        if self.pipelines_only and record.view_url is None:
            raise NotFound("pipeline process", pk)
        live = self.services.live
        return partial(live.follow_alone if self.guest else live.follow, pk, after)

    def open(self, *arguments: str) -> None:
        """Begin to push; to a guest for as long as the link is good."""
        super().open(*arguments)
        if self.guest:
            self._ending = asyncio.ensure_future(self._end_with_link())

    def on_close(self) -> None:
        """Stop pushing."""
        super().on_close()
        if self._ending is not None:
            self._ending.cancel()

    async def _end_with_link(self) -> None:
        await self.link_is_over()
        self.stop(NO_LONGER_ALLOWED)


class LivePipelineLogHandler(LiveLogHandler):
    """`/ws/pipeline/logs/<pk>/`: pipelines only, as at the polled URL."""

    pipelines_only = True


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the websockets."""
    return [
        route(rf"/ws/async/status/{PK}/", LiveStatusHandler, services),
        route(r"/ws/changes/", LiveChangesHandler, services),
        route(rf"/ws/pipeline/logs/{PK}/", LivePipelineLogHandler, services),
        route(rf"/ws/processes/{PK}/logs/", LiveLogHandler, services),
    ]

"""The stream of one connection, which knows since when nothing has come or gone."""

from __future__ import annotations

import enum
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from tornado.iostream import IOStream, UnsatisfiableReadError

from server.app.connections.bounds import Share

#: How long a connection stays open, what comes being dropped, so that the client reads the answer.
LINGER_SECONDS = 2.0
#: A client that takes nothing of an answer for so long holds up no end of the server.
STALLED_SECONDS = 0.5


class Phase(enum.Enum):
    """What a connection is at."""

    WAITING = enum.auto()  #: for the headers of a request
    BODY = enum.auto()  #: reading a body
    ANSWER = enum.auto()  #: making and sending an answer
    LINGERING = enum.auto()  #: answered for the last time
    UPGRADED = enum.auto()  #: a websocket, which has time-outs of its own


@dataclass(frozen=True)
class Timeouts:
    """How many seconds each may take."""

    header: float
    idle: float
    body: float

    @property
    def shortest(self) -> float:
        """The shortest of all."""
        return min(self.header, self.idle, self.body, LINGER_SECONDS)


class ClientStream(IOStream):
    """A stream that notes when bytes came and went, and says when it has closed."""

    def __init__(
        self,
        connection: socket.socket,
        released: Callable[[ClientStream], None],
        max_buffer_size: int | None = None,
        read_chunk_size: int | None = None,
    ) -> None:
        self._released = released
        self._phase = Phase.WAITING
        self._requests = 0
        self._since = self._read_at = self._written_at = time.monotonic()
        self._heard_at: float | None = None
        #: on a connection of a proxy: of whom the present request is
        self.share: Share | None = None
        super().__init__(
            connection, max_buffer_size=max_buffer_size, read_chunk_size=read_chunk_size
        )

    def enter(self, phase: Phase) -> None:
        """Begin a phase, and its time-out."""
        self._phase, self._since = phase, time.monotonic()
        if phase is Phase.WAITING:
            # Of a request that came with the one before, some may have been read already.
            self._heard_at = self._since if self._read_buffer_size else None
            self._requests += 1
            if self.share is not None:
                self.share.give_back()

    @property
    def request_at_work(self) -> int | None:
        """The number of the request that is being answered, if any.

        A client that takes nothing of its answer is not waited for.
        """
        if self._phase is not Phase.ANSWER or self.closed():
            return None
        stalled = self.writing() and time.monotonic() - self._written_at > STALLED_SECONDS
        return None if stalled else self._requests

    def overdue(self, now: float, timeouts: Timeouts) -> bool:
        """Return whether the client has taken too long. To be asked about once a second."""
        match self._phase:
            case Phase.WAITING:
                return self._waited_too_long(now, timeouts)
            case Phase.BODY:
                if not self.reading():  # we are at work, not the client
                    self._since = now
                return now - max(self._since, self._read_at) > timeouts.body
            case Phase.ANSWER:
                if not self.writing():
                    self._since = now
                return now - max(self._since, self._written_at) > timeouts.idle
            case Phase.LINGERING:
                return now - self._since > LINGER_SECONDS
        return False

    def _waited_too_long(self, now: float, timeouts: Timeouts) -> bool:
        if self._heard_at is not None:
            return now - self._heard_at > timeouts.header
        is_first = self._requests <= 1
        allowed = min(timeouts.header, timeouts.idle) if is_first else timeouts.idle
        return now - self._since > allowed

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read, and note when."""
        count = super().read_from_fd(buf)
        if count:
            self._read_at = time.monotonic()
            if self._heard_at is None:
                self._heard_at = self._read_at
        return count

    def write_to_fd(self, data: memoryview) -> int:
        """Write, and note when."""
        count = super().write_to_fd(data)
        self._written_at = time.monotonic()
        return count

    def close_fd(self) -> None:
        """Close the socket, and say so."""
        super().close_fd()
        if self.share is not None:
            self.share.give_back()
        self._released(self)

    def shut_down_writing(self) -> None:
        """Tell the client that this was all, and go on reading what it still sends."""
        self.enter(Phase.LINGERING)
        if self.socket is not None:
            try:
                self.end_writing()
            except OSError:  # the client has closed it
                self.close()

    def end_writing(self) -> None:
        """Send the end of the stream."""
        self.socket.shutdown(socket.SHUT_WR)

    def _find_read_pos(self) -> int | None:
        """Return all that was read when it exceeds a limit; Tornado would close unanswered."""
        try:
            position: int | None = super()._find_read_pos()
        except UnsatisfiableReadError:
            return self._read_buffer_size
        return position

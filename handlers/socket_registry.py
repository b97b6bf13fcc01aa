"""All open websockets: closes those that do not read or are gone, and all at shutdown."""

from __future__ import annotations

import asyncio
from typing import Protocol

#: Close codes (RFC 6455 and its registry; 4000 and up are ours).
FINISHED, GOING_AWAY, FAILED, COME_BACK, DELETED = 1000, 1001, 1011, 1013, 4404

LONGEST_SWEEP_SECONDS = 1.0
#: Pings that a peer may leave unanswered: one is late, two are nobody.
PINGS_MISSED = 2.5


class LiveSocket(Protocol):
    """What a socket must tell and do. Times are those of the event loop."""

    heard_at: float  #: when the client last showed that it is there

    @property
    def writing_since(self) -> float | None:
        """When the write that is not taken yet began."""

    def stop(self, code: int) -> None:
        """Send no more, and close with this code."""


class SocketRegistry:
    """The registry. One sweep for all is cheaper than a timer for each write."""

    def __init__(self, write_seconds: float, ping_seconds: float) -> None:
        self._write_seconds = write_seconds
        self._silence_seconds = PINGS_MISSED * ping_seconds
        self._open: set[LiveSocket] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._all_gone = asyncio.Event()
        self.closing = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: LiveSocket) -> None:
        """Watch over a socket from now on."""
        self._open.add(socket)
        self._all_gone.clear()
        if self._sweeper is None:
            self._sweeper = asyncio.ensure_future(self._sweep())

    def discard(self, socket: LiveSocket) -> None:
        """Forget a socket that is closed."""
        self._open.discard(socket)
        if not self._open:
            self._all_gone.set()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None

    async def close_all(self, patience_seconds: float = 1.0) -> None:
        """Close all with 1001, and wait a little for their goodbyes. No new ones are taken."""
        self.closing = True
        for socket in tuple(self._open):
            socket.stop(GOING_AWAY)
        if self._open:
            try:
                await asyncio.wait_for(self._all_gone.wait(), patience_seconds)
            except TimeoutError:
                return  # they go with the server

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        shortest = min(self._write_seconds, self._silence_seconds)
        while True:
            await asyncio.sleep(min(LONGEST_SWEEP_SECONDS, shortest / 4))
            for socket in tuple(self._open):
                if self._is_lost(socket, loop.time()):
                    socket.stop(COME_BACK)

    def _is_lost(self, socket: LiveSocket, now: float) -> bool:
        stalled = socket.writing_since is not None and (
            now - socket.writing_since > self._write_seconds
        )
        return stalled or now - socket.heard_at > self._silence_seconds

"""The registry of open websockets: closes those lost or no longer allowed, all at shutdown."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Protocol

#: Close codes (RFC 6455 and its registry; 4000 and up are for applications).
NORMAL_CLOSURE, GOING_AWAY, INTERNAL_ERROR, TRY_AGAIN_LATER = 1000, 1001, 1011, 1013
NO_LONGER_ALLOWED, DELETED = 4401, 4404

LONGEST_SWEEP_SECONDS = 1.0
#: How many intervals of pings may pass without an answer: one may be late, after two the client is
#: gone.
SILENT_INTERVALS = 2.5


class LiveSocket(Protocol):
    """What the registry needs of a socket. Times are those of the event loop."""

    heard_at: float  #: when the client last answered
    kind: str  #: what it shows

    @property
    def allowed(self) -> bool:
        """Whether the token or session by which the socket was opened is still good."""

    @property
    def writing_since(self) -> float | None:
        """When the write that is not finished yet began, None without one."""

    def stop(self, code: int) -> None:
        """Stop sending, and close with this code."""


class SocketRegistry:
    """All open websockets. One sweep of all is cheaper than a timer for each write."""

    def __init__(self, write_seconds: float, ping_seconds: float) -> None:
        self._write_seconds = write_seconds
        self._silence_seconds = SILENT_INTERVALS * ping_seconds
        self._open: set[LiveSocket] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._all_closed = asyncio.Event()
        self.closing = False

    def __len__(self) -> int:
        return len(self._open)

    def kinds(self) -> Counter[str]:
        """Return how many there are of each kind."""
        return Counter(socket.kind for socket in self._open)

    def add(self, socket: LiveSocket) -> None:
        """Register a socket that has opened."""
        self._open.add(socket)
        self._all_closed.clear()
        if self._sweeper is None:
            self._sweeper = asyncio.ensure_future(self._sweep())

    def discard(self, socket: LiveSocket) -> None:
        """Forget a socket that has closed."""
        self._open.discard(socket)
        if not self._open:
            self._all_closed.set()
            if self._sweeper is not None:
                self._sweeper.cancel()
                self._sweeper = None

    async def close_all(self, wait_seconds: float = 1.0) -> None:
        """Close all with 1001, and wait a little for the clients' close frames.

        From now on `closing` is true: a new socket must close at once.
        """
        self.closing = True
        for socket in tuple(self._open):
            socket.stop(GOING_AWAY)
        if self._open:
            try:
                await asyncio.wait_for(self._all_closed.wait(), wait_seconds)
            except TimeoutError:
                return  # the rest close with the server

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        shortest = min(self._write_seconds, self._silence_seconds)
        while True:
            await asyncio.sleep(min(LONGEST_SWEEP_SECONDS, shortest / 4))
            for socket in tuple(self._open):
                if self._is_lost(socket, loop.time()):
                    socket.stop(TRY_AGAIN_LATER)
                elif not socket.allowed:
                    socket.stop(NO_LONGER_ALLOWED)

    def _is_lost(self, socket: LiveSocket, now: float) -> bool:
        stalled = socket.writing_since is not None and (
            now - socket.writing_since > self._write_seconds
        )
        return stalled or now - socket.heard_at > self._silence_seconds

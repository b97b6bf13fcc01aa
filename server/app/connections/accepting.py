"""Accepting connections, which pauses while no more files can be opened."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable

from tornado.ioloop import IOLoop

log = logging.getLogger(__name__)

#: Accepted before other work has its turn.
AT_ONCE = 128
PAUSE_SECONDS = 0.25
#: Between two lines in the log about a pause.
REPORT_SECONDS = 60.0
#: The machine, or this process, has no room for another connection.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

#: Takes a connection and the address of its other end.
Take = Callable[[socket.socket, object], None]


class Acceptor:
    """Accepts the connections of one listening socket until `stop`."""

    def __init__(self, listener: socket.socket, take: Take) -> None:
        self._listener, self._take = listener, take
        self._loop = IOLoop.current()
        self._stopped = False
        self._resuming: asyncio.TimerHandle | None = None
        self._reported_at = -REPORT_SECONDS
        self._resume()

    def stop(self) -> None:
        """Accept no more."""
        self._stopped = True
        if self._resuming is None:
            self._loop.remove_handler(self._listener)
        else:
            self._resuming.cancel()

    def _resume(self) -> None:
        self._resuming = None
        self._loop.add_handler(self._listener, self._accept, IOLoop.READ)

    def _accept(self, _listener: socket.socket, _events: int) -> None:
        for _ in range(AT_ONCE):
            if self._stopped:
                return
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._pause(error)
                    return
                continue  # it was gone before it was accepted
            self._take(connection, address)

    def _pause(self, error: OSError) -> None:
        """Leave connections waiting, as the listener would else be readable without end."""
        self._loop.remove_handler(self._listener)
        self._resuming = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._resume)
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS:
            log.error(
                "No connection can be accepted for now: %s",
                error.strerror,
                extra={"action": "accepting_paused"},
            )
            self._reported_at = now

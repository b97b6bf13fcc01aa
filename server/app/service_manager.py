"""Telling systemd how the server is: `Type=notify` and `WatchdogSec=`, as in sd_notify(3).

Messages are texts sent to a Unix socket that the service manager names. Without one, nothing is
done. Runs never learn of the socket, so that none of them can speak for the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, MutableMapping

log = logging.getLogger(__name__)

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class ServiceManager:
    """The service manager that has started this process, if one has."""

    def __init__(self, address: str | None = None, watchdog_seconds: float | None = None) -> None:
        self._address = address
        self._watchdog_seconds = watchdog_seconds if address else None

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """Take what the environment says of the service manager out of it."""
        address, microseconds, pid = (environ.pop(name, "") for name in VARIABLES)
        if not address.startswith(("/", "@")):
            return cls()
        mine = pid in ("", str(os.getpid()))
        return cls(address, _seconds(microseconds) if mine else None)

    def tell(self, message: str) -> None:
        """Send a message such as `READY=1`; never raise or wait."""
        if self._address is None:
            return
        # An @ stands for the zero byte of an abstract address.
        address = self._address.replace("@", "\0", 1)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), address)
        except OSError as error:
            log.warning(
                "The service manager cannot be told %s: %s",
                message,
                error.strerror or error,
                extra={"action": "notify_failed"},
            )

    def ready(self, address: str) -> None:
        """Say that the server takes requests, and where."""
        self.tell(f"READY=1\nSTATUS=Ready at {address}")

    def stopping(self) -> None:
        """Say that the server has been asked to stop."""
        self.tell("STOPPING=1\nSTATUS=Stopping")

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Say twice in each of the watchdog's intervals that the event loop runs."""
        watching = asyncio.ensure_future(self._keep_alive())
        try:
            yield
        finally:
            watching.cancel()

    async def _keep_alive(self) -> None:
        while self._watchdog_seconds is not None:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_seconds / 2)


def _seconds(microseconds: str) -> float | None:
    """Return the watchdog's interval in seconds, None if there is none."""
    digits = microseconds.isascii() and microseconds.isdigit() and len(microseconds) < 20
    return int(microseconds) / 1e6 or None if digits else None

"""How many connections there may be, in all and from one address."""

from __future__ import annotations

import logging
import time
from collections import Counter

from server.core.addresses import client_network

log = logging.getLogger(__name__)

#: Between two lines in the log about connections that were closed at once.
REPORT_SECONDS = 60.0


class Bounds:
    """Counts the open connections. Each that is admitted is released once, when it has closed."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most, self._most_per_address = most, most_per_address
        self._of: Counter[str] = Counter()
        self.open = 0
        self._refused = 0
        #: how many were not admitted, since the start
        self.refused = 0
        self._reported_at = -REPORT_SECONDS

    def admit(self, client: str | None) -> bool:
        """Return whether one more connection of this client fits, and count it if so.

        None is a proxy, whose connections count in all only; see `Share`.
        """
        if self.open >= self._most:
            self._refuse()
            return False
        if client is not None and not self.claim(client):
            return False
        self.open += 1
        return True

    def release(self, client: str | None) -> None:
        """Forget a connection that has closed."""
        self.open -= 1
        if client is not None:
            self.give_back(client)

    def claim(self, client: str) -> bool:
        """Return whether one more connection fits those of this client, and count it if so."""
        if self._of[client] >= self._most_per_address:
            self._refuse()
            return False
        self._of[client] += 1
        return True

    def give_back(self, client: str) -> None:
        """Count one connection of this client less."""
        self._of[client] -= 1
        if not self._of[client]:
            del self._of[client]

    def _refuse(self) -> None:
        self._refused += 1
        self.refused += 1
        self.report()

    def report(self) -> None:
        """Log how many connections were closed at once, at most once a minute."""
        now = time.monotonic()
        if self._refused and now - self._reported_at >= REPORT_SECONDS:
            log.warning(
                "%d connections over the bounds were closed at once; %d are open",
                self._refused,
                self.open,
                extra={"action": "connections_refused"},
            )
            self._refused, self._reported_at = 0, now


class Share:
    """Whose request is under way on a connection of a proxy: it counts as that client's own."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._client: str | None = None

    def take(self, client: str) -> bool:
        """Return whether one more connection of this client fits, and count this one if so."""
        if not self._bounds.claim(client):
            return False
        self._client = client
        return True

    def give_back(self) -> None:
        """End the client's use of the connection. Calling it twice is fine."""
        if self._client is not None:
            self._bounds.give_back(self._client)
            self._client = None


def client_of(address: object) -> str:
    """Return what the connections of one client have in common in the address of a socket."""
    host = address[0] if isinstance(address, tuple) and address else ""
    return client_network(str(host))

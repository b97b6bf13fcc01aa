"""Wrong secrets, counted by address: after ten in a minute there are no more answers for a while.

The right ones are still served, or whoever shares an address with an attacker (behind a NAT, or a
proxy that is not trusted) could be kept out: those that Heliograph made, as nobody can guess them,
and others that came from that address before.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from server.core.addresses import client_network
from server.core.errors import HeliographError

MOST_WRONG = 10
WINDOW_SECONDS = 60.0
#: How many addresses are remembered, those of the latest guesses; about 10 MB at most.
KNOWN_ADDRESSES = 20_000
KNOWN_PROOFS = 20_000
#: How many are told to other servers at once, the latest ones.
MOST_NEWS = 1_000


class TooManyGuesses(HeliographError):
    """Too many wrong secrets came from an address."""

    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"Too many wrong tokens came from your address, wait {retry_seconds} s")
        self.retry_seconds = retry_seconds


class Guesses:
    """What is known of the addresses that sent secrets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: by address: when the latest wrong ones came, and their digests
        self._wrong: OrderedDict[str, deque[tuple[float, str]]] = OrderedDict()
        #: the wrong ones that other servers have not heard of, by client and digest; unused by one
        #: that is alone
        self._news: deque[tuple[str, str]] = deque(maxlen=MOST_NEWS)
        self._proved: OrderedDict[tuple[str, str], None] = OrderedDict()

    def add(self, address: str, digest: str) -> bool:
        """Count a wrong secret, and return whether it was the last one that is answered for now.

        Raise TooManyGuesses, and count nothing, where there were too many already.
        """
        self.check(address)
        client = client_network(address)
        self._note(client, digest)
        self._news.append((client, digest))
        return self._wait_seconds(address) > 0

    def take_news(self) -> list[tuple[str, str]]:
        """Return the wrong ones since the last call, by client and digest."""
        news = list(self._news)
        self._news.clear()
        return news

    def learn(self, wrong: Iterable[tuple[str, str]]) -> None:
        """Count wrong ones that came to other servers just now."""
        for client, digest in wrong:
            self._note(client, digest)

    def _note(self, client: str, digest: str) -> None:
        latest = self._wrong.setdefault(client, deque(maxlen=MOST_WRONG))
        latest.append((self._clock(), digest))
        self._wrong.move_to_end(client)
        if len(self._wrong) > KNOWN_ADDRESSES:
            self._wrong.popitem(last=False)

    def check(self, address: str) -> None:
        """Raise TooManyGuesses after too many wrong secrets from this address."""
        if self._wrong and (seconds := self._wait_seconds(address)) > 0:
            raise TooManyGuesses(math.ceil(seconds))

    def check_right(self, address: str, digest: str) -> None:
        """Raise TooManyGuesses for a right secret that may have been found by guessing.

        One that this address sent before, when it was not right yet, is no further guess.
        """
        proof = (client_network(address), digest)
        if proof in self._proved:
            return
        if all(digest != each for _, each in self._wrong.get(proof[0], ())):
            self.check(address)
        self._proved[proof] = None
        if len(self._proved) > KNOWN_PROOFS:
            self._proved.popitem(last=False)

    def _wait_seconds(self, address: str) -> float:
        latest = self._wrong.get(client_network(address))
        if latest is None or len(latest) < MOST_WRONG:
            return 0
        return latest[0][0] + WINDOW_SECONDS - self._clock()

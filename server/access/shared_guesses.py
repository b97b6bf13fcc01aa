"""Tells the other servers of the wrong secrets that came here, and learns of theirs."""

from __future__ import annotations

import secrets

from server.access.guesses import Guesses
from server.store.access.wrong_secrets import WrongSecrets

#: For how many rounds a number that is missing may still be stored by a slower server.
LATE_ROUNDS = 4


class SharedGuesses:
    """The guesses of this server, kept as those of all."""

    def __init__(self, store: WrongSecrets, guesses: Guesses) -> None:
        self._store = store
        self._guesses = guesses
        self._name = f"g{secrets.token_hex(8)}"
        #: up to which number all are known; None before the first round
        self._read: int | None = None
        #: the numbers behind that which are known
        self._ahead: set[int] = set()
        self._rounds_with_gap = 0

    async def refresh(self) -> None:
        """Tell and learn. To be called often, by one caller at a time."""
        if self._read is None:
            self._read = await self._store.last()
        if news := self._guesses.take_news():
            await self._store.add(self._name, news)
        found = await self._store.after(self._read)
        new = [each for each in found if each.pk not in self._ahead]
        self._guesses.learn((each.client, each.digest) for each in new if each.server != self._name)
        self._ahead |= {each.pk for each in new}
        self._advance()

    def _advance(self) -> None:
        """Go on to behind what is known without a gap, or over a gap that stays one."""
        assert self._read is not None
        while self._read + 1 in self._ahead:
            self._read += 1
            self._ahead.remove(self._read)
            self._rounds_with_gap = 0
        if self._ahead:
            self._rounds_with_gap += 1
        if self._rounds_with_gap > LATE_ROUNDS and self._ahead:
            self._read = max(self._ahead)
            self._ahead.clear()
            self._rounds_with_gap = 0

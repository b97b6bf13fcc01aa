"""Turns on the event loop, so that a crowd with much to do holds nobody up.

Whoever reads or sends a great deal takes a turn before each step. One turn is given in each round
of the loop; everything else that is ready is served in between.
"""

from __future__ import annotations

import asyncio
from collections import deque
from weakref import WeakKeyDictionary


class Turns:
    """The turns of one loop, first come, first served."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._given = False

    async def take(self) -> None:
        """Wait for a turn; nothing to wait for if this round of the loop has given none yet."""
        if not self._given:
            self._given = True
            self._loop.call_soon(self._give_next)
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        await turn

    def _give_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # not cancelled
                turn.set_result(None)
                # Runs after the step of whoever was given the turn, and so in the round after it.
                self._loop.call_soon(self._give_next)
                return
        self._given = False


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


async def take_turn() -> None:
    """Wait for a turn on the running loop."""
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = Turns(loop)
    await turns.take()

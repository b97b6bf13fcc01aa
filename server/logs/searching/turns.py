"""Searches take turns: a small number of steps run at once, fair by client.

A step scans one segment, in a thread, and takes some milliseconds. Whoever has many searches gets
no more steps than whoever has one, and a search that is cancelled takes none any more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

#: Steps that run at once: more would only take the interpreter from each other and from the loop.
STEPS_AT_ONCE = 2


class SearchTurns:
    """The steps of all searches; clients with steps to do are served one after the other."""

    def __init__(self, at_once: int = STEPS_AT_ONCE) -> None:
        self._free = at_once
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, client: str, step: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a step, once it was the client's turn."""
        await self._take(client)
        # A thread that scans cannot be stopped: it keeps its turn to its end even if nobody waits.
        running = asyncio.ensure_future(step())
        running.add_done_callback(self._done)
        return await asyncio.shield(running)

    async def _take(self, client: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_next()  # it came at the same moment
            raise

    def _done(self, step: asyncio.Future[T]) -> None:
        if not step.cancelled():
            step.exception()  # for whoever waits, if anybody does
        self._give_next()

    def _give_next(self) -> None:
        """Give the turn to the client whose last one is longest ago."""
        while self._waiting:
            client, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns
            if not turn.done():  # not cancelled
                turn.set_result(None)
                return
        self._free += 1

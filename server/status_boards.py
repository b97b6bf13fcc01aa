"""Which status boards are in memory: each is filled when somebody asks, and kept for a while.

Which processes there are, and when they change, is left to `ledger`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from server.records import ProcessRecord
from server.status_board import StatusBoard

#: Boards in memory, and processes on all of them together.
BOARDS = 1_000
PROCESSES = 200_000


class StatusBoards:
    """The boards in memory. The least recently read are dropped first.

    `records_of` reads all records of a target, less what is deleted meanwhile.
    """

    def __init__(self, records_of: Callable[[int], Awaitable[list[ProcessRecord]]]) -> None:
        self._records_of = records_of
        self._boards: OrderedDict[int, StatusBoard] = OrderedDict()
        self._unfilled: list[StatusBoard] = []
        self._loading: dict[int, asyncio.Future[StatusBoard]] = {}

    def known(self, target: int) -> StatusBoard | None:
        """The board of a target, if it is in memory."""
        board = self._boards.get(target)
        if board is not None:
            self._boards.move_to_end(target)
        return board

    async def get(self, target: int) -> StatusBoard:
        """The board of a target, filled once for all who ask for it meanwhile."""
        board = self.known(target)
        if board is not None:
            return board
        loading = self._loading.get(target)
        if loading is None:
            loading = self._loading[target] = asyncio.ensure_future(self._load(target))
            loading.add_done_callback(lambda _: self._loading.pop(target, None))
        return await asyncio.shield(loading)

    def put(self, record: ProcessRecord) -> None:
        """Take a record onto the board of its target, also onto one that is being filled."""
        ready = self.known(record.target)
        for board in self._unfilled if ready is None else [*self._unfilled, ready]:
            if board.target == record.target:
                board.put(record)

    def remove(self, pk: int) -> list[int]:
        """Forget a process for good; the targets on whose boards it was."""
        boards = [*self._boards.values(), *self._unfilled]
        return [board.target for board in boards if board.remove(pk)]

    def clear(self) -> None:
        """Forget all boards."""
        self._boards.clear()

    def drop(self, target: int) -> None:
        """Forget a board."""
        self._boards.pop(target, None)

    async def _load(self, target: int) -> StatusBoard:
        # Kept before it is filled: what is written meanwhile reaches it, and is never older than
        # what the store gives.
        board = StatusBoard(target)
        self._unfilled.append(board)
        try:
            for record in await self._records_of(target):
                board.put(record)
        finally:
            self._unfilled.remove(board)
        self._keep(board)
        return board

    def _keep(self, board: StatusBoard) -> None:
        """Keep a board, and make room for it."""
        self._boards[board.target] = board
        while len(self._boards) > 1 and (
            len(self._boards) > BOARDS or sum(map(len, self._boards.values())) > PROCESSES
        ):
            self._boards.popitem(last=False)

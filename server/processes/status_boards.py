"""The specified status of each target's processes, ready to be sent.

A board is written through by the repository, and encodes each process once per change. When it is
loaded, and for how long it is kept, is left to `status_boards`.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from bisect import insort
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from server.core.gzip_body import Deflated
from server.core.records import ProcessRecord

#: Bodies of different limits that are kept of one board.
LIMITS = 8

_encode = msgspec.json.Encoder().encode
#: One for all boards, so that a board loaded anew is newer than the one it replaces. It starts
#: anywhere, so that no version of before a restart comes again.
_versions = itertools.count(secrets.randbits(60))


class StatusBoard:
    """All processes of a target, newest first, each encoded; `version` changes with any of them."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.version = next(_versions)
        self._order: list[tuple[float, int]] = []
        #: by PK: the version of the record, when it was created, and its ready JSON
        self._entries: dict[int, tuple[int, float, bytes]] = {}
        self._deleted: set[int] = set()
        self._tails: dict[int | None, bytes] = {}
        self._packed: dict[int | None, asyncio.Future[Deflated]] = {}
        #: the version of the board at each process's last change, in the order of the changes
        self._changed: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, record: ProcessRecord) -> None:
        """Take a record, unless it is older than what is here."""
        known = self._entries.get(record.pk)
        if record.pk in self._deleted or (known and known[0] >= record.version):
            return
        if known is None:
            # Negative, so that the newest comes first and a tie goes to the higher PK.
            insort(self._order, (-record.created, -record.pk))
        entry = _encode(record.status_fields())
        self._entries[record.pk] = (record.version, record.created, entry)
        self._touch(record.pk)

    def remove(self, pk: int) -> bool:
        """Forget a process for good; whether it was here."""
        self._deleted.add(pk)
        known = self._entries.pop(pk, None)
        if known is None:
            return False
        self._order.remove((-known[1], -pk))
        self._touch(pk)
        del self._changed[pk]
        return True

    def _touch(self, pk: int) -> None:
        self.version = next(_versions)
        self._forget_bodies()
        self._changed[pk] = self.version
        self._changed.move_to_end(pk)

    def body(self, timestamp: float, limit: int | None = None) -> bytes:
        """The whole answer of the status API, with the newest `limit` processes or all."""
        return b"".join(self.pieces(timestamp, limit))

    def pieces(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        """The same in two pieces, of which only the short one is new each time."""
        return [_head(timestamp), self._tail(limit)]

    async def compressed(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        """The same as gzip; all but the time stamp is compressed once per change."""
        packing = self._packed.get(limit)
        if packing is None:
            packing = self._packed[limit] = asyncio.ensure_future(_packed(self._tail(limit)))
        packed = await asyncio.shield(packing)
        return packed.body(_head(timestamp), b"")

    def _tail(self, limit: int | None) -> bytes:
        """What stands behind the time stamp."""
        tail = self._tails.get(limit)
        if tail is None:
            if len(self._tails) >= LIMITS:
                self._forget_bodies()
            pks = (-pk for _, pk in self._order[:limit])
            entries = b",".join([self._entries[pk][2] for pk in pks])
            tail = self._tails[limit] = b',"processes":[%b]}' % entries
        return tail

    def _forget_bodies(self) -> None:
        self._tails.clear()
        self._packed.clear()

    def changes(self, since: int) -> Iterable[bytes]:
        """The newest state of each process that changed behind a version, oldest change first."""
        changed = []
        for pk in reversed(self._changed):
            if self._changed[pk] <= since:
                break
            changed.append(self._entries[pk][2])
        return reversed(changed)


def _head(timestamp: float) -> bytes:
    return b'{"timestamp":%b' % _encode(timestamp)


async def _packed(tail: bytes) -> Deflated:
    deflated = Deflated()
    await deflated.add(tail)
    deflated.end()
    return deflated


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

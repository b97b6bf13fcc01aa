"""The specified status of each target's processes, ready to be sent.

A board is written through by the repository, and encodes each process once per change.
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

#: Bodies of different limits that one board keeps.
LIMITS = 8
#: Boards in memory, and processes on all of them together.
BOARDS = 1_000
PROCESSES = 200_000

_encode = msgspec.json.Encoder().encode
#: Shared by all boards, so that a board loaded anew is newer than the one it replaces. It starts
#: at a random number, so that no version from before a restart comes again.
_versions = itertools.count(secrets.randbits(60))


class StatusBoard:
    """All processes of a target, newest first, each encoded; `version` changes with any of them."""

    def __init__(self, target: int, prefix: str = "") -> None:
        self.target = target
        self._prefix = prefix
        self.version = next(_versions)
        self._order: list[tuple[float, int]] = []
        #: by PK: the version of the record, when it was created, and its JSON
        self._entries: dict[int, tuple[int, float, bytes]] = {}
        self._tails: dict[int | None, bytes] = {}
        self._packed: dict[int | None, asyncio.Future[Deflated]] = {}
        #: the version of the board at each process's last change, in the order of the changes
        self._changed: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, record: ProcessRecord) -> None:
        """Take a record, unless it is older than the one on the board."""
        known = self._entries.get(record.pk)
        if known is not None and known[0] >= record.version:
            return
        if known is None:
            # Negative, so that the newest comes first and a tie goes to the higher PK.
            insort(self._order, (-record.created, -record.pk))
        entry = _encode(record.status_fields(self._prefix))
        self._entries[record.pk] = (record.version, record.created, entry)
        self._touch(record.pk)

    def remove(self, pk: int) -> bool:
        """Take a process off the board. Return whether it was on it."""
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
        """Return the whole answer of the status API, with the newest `limit` processes or all."""
        return b"".join(self.pieces(timestamp, limit))

    def pieces(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        """Return the answer in two pieces, of which only the short first one is new each time."""
        return [_head(timestamp), self._tail(limit)]

    async def compressed(self, timestamp: float, limit: int | None = None) -> list[bytes]:
        """Return the answer as gzip; all but the time stamp is compressed once per change."""
        packing = self._packed.get(limit)
        if packing is None:
            packing = self._packed[limit] = asyncio.ensure_future(_pack(self._tail(limit)))
        packed = await asyncio.shield(packing)
        return packed.body(_head(timestamp), b"")

    def _tail(self, limit: int | None) -> bytes:
        """Return what follows the time stamp."""
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
        """Return the newest state of each process changed after a version, oldest change first."""
        changed = []
        for pk in reversed(self._changed):
            if self._changed[pk] <= since:
                break
            changed.append(self._entries[pk][2])
        return reversed(changed)


def _head(timestamp: float) -> bytes:
    return b'{"timestamp":%b' % _encode(timestamp)


async def _pack(tail: bytes) -> Deflated:
    deflated = Deflated()
    await deflated.add(tail)
    deflated.end()
    return deflated


class StatusBoards:
    """The boards in memory; the least recently read are dropped first.

    `read_records` returns all records of a target but those deleted in the meantime. Whoever calls
    `put` offers no record that was deleted before: a board does not remember deletions.
    """

    def __init__(
        self, read_records: Callable[[int], Awaitable[list[ProcessRecord]]], prefix: str = ""
    ) -> None:
        self._read_records = read_records
        self._prefix = prefix
        self._boards: OrderedDict[int, StatusBoard] = OrderedDict()
        self._unfilled: list[StatusBoard] = []
        self._loading: dict[int, asyncio.Future[StatusBoard]] = {}

    def known(self, target: int) -> StatusBoard | None:
        """Return the board of a target, if it is in memory."""
        board = self._boards.get(target)
        if board is not None:
            self._boards.move_to_end(target)
        return board

    async def get(self, target: int) -> StatusBoard:
        """Return the board of a target, loaded once for all who ask for it at the same time."""
        board = self.known(target)
        if board is not None:
            return board
        loading = self._loading.get(target)
        if loading is None:
            loading = self._loading[target] = asyncio.ensure_future(self._load(target))
            loading.add_done_callback(lambda _: self._loading.pop(target, None))
        return await asyncio.shield(loading)

    def put(self, record: ProcessRecord) -> None:
        """Put a record on the board of its target, even if that is still being filled."""
        ready = self.known(record.target)
        for board in self._unfilled if ready is None else [*self._unfilled, ready]:
            if board.target == record.target:
                board.put(record)

    def remove(self, pk: int) -> list[int]:
        """Take a process off all boards. Return the targets on whose boards it was."""
        boards = [*self._boards.values(), *self._unfilled]
        return [board.target for board in boards if board.remove(pk)]

    def clear(self) -> None:
        """Drop all boards."""
        self._boards.clear()

    def drop(self, target: int) -> None:
        """Drop the board of a target."""
        self._boards.pop(target, None)

    async def _load(self, target: int) -> StatusBoard:
        # Known before it is filled: what is written in the meantime reaches it, and is never older
        # than what the store returns.
        board = StatusBoard(target, self._prefix)
        self._unfilled.append(board)
        try:
            for record in await self._read_records(target):
                board.put(record)
        finally:
            self._unfilled.remove(board)
        self._keep(board)
        return board

    def _keep(self, board: StatusBoard) -> None:
        """Keep a board, and drop others to make room for it."""
        self._boards[board.target] = board
        while len(self._boards) > 1 and (
            len(self._boards) > BOARDS or sum(map(len, self._boards.values())) > PROCESSES
        ):
            self._boards.popitem(last=False)

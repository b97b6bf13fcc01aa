"""The specified status of each target's processes, ready to be sent.

A board is written through by the ledger, and encodes each process once per change. When it is
loaded, and for how long it is kept, is left to `status_boards`.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from server.deflated import Deflated
from server.records import ProcessRecord

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

"""What the websockets send: the log of a process, and the status of a target's processes.

A cursor is the cursor of somebody who watches. Subscribe, then read behind it; a wake-up carries no
data, so nothing is sent that is not stored.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from server.core.hub import Hub
from server.core.records import ProcessRecord
from server.live.feeds import Feeds, Step, Viewer
from server.live.websocket_frames import Frame, message
from server.logs.reader import LogReader
from server.processes.repository import ProcessRepository
from server.processes.status_boards import StatusBoard

#: Changes of a record that follow each other faster are merged into one frame.
MERGE_SECONDS = 0.05
#: The same for the changes of a target's processes; a few after a quiet time go at once.
STATUS_SECONDS = 0.01
STATUS_BURST = 8

_encode = msgspec.json.Encoder().encode
_END = Frame(message(b'{"type":"end"}'))


class LiveSources:
    """Everybody who follows something on this server."""

    def __init__(
        self,
        repository: ProcessRepository,
        reader: LogReader,
        hub: Hub,
        fields: Callable[[ProcessRecord], dict[str, Any]],
        board: Callable[[int], Awaitable[StatusBoard]],
    ) -> None:
        self._repository = repository
        self._reader = reader
        self._fields = fields
        self._board = board
        self._feeds = Feeds(hub)

    async def follow(self, pk: int, after: int, viewer: Viewer) -> None:
        """Send a process: its record, all lines behind the cursor, the live ones, and the end.

        Raises NotFound for an unknown process, also when it is deleted meanwhile, and OSError when
        the viewer is gone.
        """
        record = await self._repository.get(pk)
        cursor = min(after, await self._reader.last_line(record))
        feed = self._feeds.of(
            ("log", pk), lambda: _Log(pk, self._repository, self._reader, self._fields)
        )
        await feed.serve(viewer, _LogCursor(cursor))

    async def follow_status(self, target: int, viewer: Viewer) -> None:
        """Send a target's processes: a snapshot, then what changed, in its newest state only.

        Raises as `follow` does.
        """
        feed = self._feeds.of(("status", target), lambda: _Status(target, self._board))
        await feed.serve(viewer, _SNAPSHOT)


@dataclasses.dataclass(frozen=True, slots=True)
class _LogCursor:
    """The last line sent, the version of the record sent last, and when the next may be sent."""

    cursor: int
    shown: int = 0
    due: float = dataclasses.field(default=0.0, compare=False)


class _Log:
    """One process with its log."""

    def __init__(
        self,
        pk: int,
        repository: ProcessRepository,
        reader: LogReader,
        fields: Callable[[ProcessRecord], dict[str, Any]],
    ) -> None:
        self._pk = pk
        self._repository = repository
        self._reader = reader
        self._fields = fields
        #: frames that are on their way to somebody, by the line they come behind
        self._sending: WeakValueDictionary[int, Frame] = WeakValueDictionary()

    @property
    def topics(self) -> tuple[Hashable, ...]:
        """The record and the log."""
        return ("process", self._pk), ("log", self._pk)

    async def step(self, cursor: _LogCursor) -> Step:
        """The record when it is time for it, else the next lines; last the record and the end."""
        record = await self._repository.get(self._pk)
        news = record.version != cursor.shown
        if news and not (cursor.shown and record.state.ended) and cursor.due <= time.monotonic():
            return self._process(record, cursor)
        frame = await self._lines(record, cursor.cursor)
        if frame is not None:
            return Step(frame, dataclasses.replace(cursor, cursor=frame.last))
        if not record.state.ended:
            return Step(None, cursor, cursor.due - time.monotonic() if news else None)
        # Whoever is told of the end has all lines by then.
        return self._process(record, cursor) if news else Step(_END, cursor, over=True)

    def _process(self, record: ProcessRecord, cursor: _LogCursor) -> Step:
        frame = Frame(message(b'{"type":"process","process":', _encode(self._fields(record)), b"}"))
        due = time.monotonic() + MERGE_SECONDS
        return Step(frame, _LogCursor(cursor.cursor, record.version, due))

    async def _lines(self, record: ProcessRecord, cursor: int) -> Frame | None:
        sending = self._sending.get(cursor)
        if sending is not None:
            return sending
        part = await self._reader.read(record, cursor)
        if part is None:
            return None
        wire = message(b'{"type":"lines","lines":[', part.entries, b"]}")
        frame = self._sending[cursor] = Frame(wire, part.last)
        return frame


@dataclasses.dataclass(frozen=True, slots=True)
class _StatusCursor:
    """The version of the board that was sent last, and until when its frames are paid for.

    Each takes `STATUS_SECONDS` of that time, which may be `STATUS_BURST` of them ahead.
    """

    version: int
    paid: float = dataclasses.field(default=0.0, compare=False)

    def behind(self, version: int) -> tuple[_StatusCursor, float]:
        """The cursor behind one more frame, and how long to wait before the next."""
        now = time.monotonic()
        paid = max(self.paid, now) + STATUS_SECONDS
        return _StatusCursor(version, paid), max(0.0, paid - now - STATUS_BURST * STATUS_SECONDS)


#: The cursor of somebody who has seen nothing yet.
_SNAPSHOT = _StatusCursor(-1)


class _Status:
    """The processes of a target."""

    def __init__(self, target: int, board: Callable[[int], Awaitable[StatusBoard]]) -> None:
        self._target = target
        self._board = board

    @property
    def topics(self) -> tuple[Hashable, ...]:
        """The target."""
        return (("target", self._target),)

    async def step(self, cursor: _StatusCursor) -> Step:
        """The snapshot, or what changed behind a version, all in one frame."""
        board = await self._board(self._target)
        now = time.time()
        if cursor == _SNAPSHOT:
            body = message(b'{"type":"snapshot",', board.body(now)[1:])
            return Step(Frame(body), _StatusCursor(board.version))
        stamp = b'{"type":"status","timestamp":%b,"process":' % _encode(now)
        changed = [message(stamp, entry, b"}") for entry in board.changes(cursor.version)]
        if not changed:
            return Step(None, dataclasses.replace(cursor, version=board.version))
        return Step(Frame(b"".join(changed)), *cursor.behind(board.version))

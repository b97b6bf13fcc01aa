"""What the websockets send: the log of a process, and the status of a target's processes.

A cursor tells what a viewer has seen. Each feed subscribes first and then reads what follows its
cursor; as a wake-up carries no data, nothing is sent that is not stored.
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
from server.live.changes import ChangeFeeds
from server.live.feeds import Feeds, Step, Viewer
from server.live.websocket_frames import Frame, message
from server.logs.reader import LogReader
from server.processes.repository import ProcessRepository
from server.processes.status_boards import StatusBoard

#: Changes of a record that come faster than this are merged into one frame.
MERGE_SECONDS = 0.05
#: The same for the changes of a target's processes; after a quiet time, a few are sent at once.
STATUS_SECONDS = 0.01
STATUS_BURST = 8

_encode = msgspec.json.Encoder().encode
_END = Frame(message(b'{"type":"end"}'))


class LiveSources:
    """All that is followed on this server.

    `fields` makes the record of a process as the API shows it, `fields_alone` the same without a
    word of other processes. `board` returns the status board of a target, and raises NotFound when
    there is no such target; `check` only does the latter.
    """

    def __init__(
        self,
        repository: ProcessRepository,
        reader: LogReader,
        hub: Hub,
        fields: Callable[[ProcessRecord], dict[str, Any]],
        board: Callable[[int], Awaitable[StatusBoard]],
        fields_alone: Callable[[ProcessRecord], dict[str, Any]] | None = None,
        check: Callable[[int], Awaitable[object]] | None = None,
    ) -> None:
        self._repository = repository
        self._reader = reader
        self._fields = {False: fields, True: fields_alone or fields}
        self._board = board
        self._feeds = Feeds(hub)
        self._changes = ChangeFeeds(hub, self._feeds, check or board)

    async def follow(self, pk: int, after: int, viewer: Viewer) -> None:
        """Send a process: its record, the lines after number `after`, new lines, and the end.

        Raises NotFound for an unknown process, also when it is deleted in the meantime, and OSError
        when the viewer is gone.
        """
        await self._follow(pk, after, viewer, alone=False)

    async def follow_alone(self, pk: int, after: int, viewer: Viewer) -> None:
        """Send the same without a word of other processes."""
        await self._follow(pk, after, viewer, alone=True)

    async def _follow(self, pk: int, after: int, viewer: Viewer, *, alone: bool) -> None:
        record = await self._repository.get(pk)
        line = min(after, await self._reader.last_line(record))
        feed = self._feeds.of(
            ("log", pk, alone),
            lambda: _Log(pk, self._repository, self._reader, self._fields[alone]),
        )
        await feed.serve(viewer, _LogCursor(line))

    async def follow_status(self, target: int, viewer: Viewer) -> None:
        """Send a target's processes: a snapshot, then the newest state of each that changes.

        Raises the same errors as `follow`.
        """
        feed = self._feeds.of(("status", target), lambda: _Status(target, self._board))
        await feed.serve(viewer, _SNAPSHOT)

    async def follow_changes(self, target: int | None, viewer: Viewer) -> None:
        """Send what changes about a target, or about all of them if it is None.

        Raises the same errors as `follow`.
        """
        await self._changes.follow(target, viewer)


@dataclasses.dataclass(frozen=True, slots=True)
class _LogCursor:
    """The last line sent, the version of the record sent last, and when the next may be sent."""

    line: int
    version: int = 0
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
        #: frames that are being sent to some viewer, by the line that they follow
        self._sending: WeakValueDictionary[int, Frame] = WeakValueDictionary()

    @property
    def topics(self) -> tuple[Hashable, ...]:
        """The record and the log."""
        return ("process", self._pk), ("log", self._pk)

    async def step(self, cursor: _LogCursor) -> Step:
        """Return the record when it is due, else the next lines; at last the record and the end."""
        record = await self._repository.get(self._pk)
        changed = record.version != cursor.version
        # The end of a process that the viewer knows comes after all lines.
        last = record.state.ended and cursor.version != 0
        if changed and not last and cursor.due <= time.monotonic():
            return self._process(record, cursor)
        frame = await self._lines(record, cursor.line)
        if frame is not None:
            return Step(frame, dataclasses.replace(cursor, line=frame.last))
        if not record.state.ended:
            return Step(None, cursor, cursor.due - time.monotonic() if changed else None)
        return self._process(record, cursor) if changed else Step(_END, cursor, over=True)

    def _process(self, record: ProcessRecord, cursor: _LogCursor) -> Step:
        frame = Frame(message(b'{"type":"process","process":', _encode(self._fields(record)), b"}"))
        due = time.monotonic() + MERGE_SECONDS
        return Step(frame, _LogCursor(cursor.line, record.version, due))

    async def _lines(self, record: ProcessRecord, after: int) -> Frame | None:
        sending = self._sending.get(after)
        if sending is not None:
            return sending
        part = await self._reader.read(record, after)
        if part is None:
            return None
        wire = message(b'{"type":"lines","lines":[', part.entries, b"]}")
        frame = self._sending[after] = Frame(wire, part.last)
        return frame


@dataclasses.dataclass(frozen=True, slots=True)
class _StatusCursor:
    """The version of the board sent last, and the time that its frames have used up.

    Each frame uses `STATUS_SECONDS`, and may be sent `STATUS_BURST` frames ahead of that time.
    """

    version: int
    used_until: float = dataclasses.field(default=0.0, compare=False)

    def after_frame(self, version: int) -> tuple[_StatusCursor, float]:
        """Return the cursor after one more frame, and how long to wait before the next."""
        now = time.monotonic()
        until = max(self.used_until, now) + STATUS_SECONDS
        return _StatusCursor(version, until), max(0.0, until - now - STATUS_BURST * STATUS_SECONDS)


#: The cursor of a viewer that has seen nothing yet.
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
        """Return the snapshot, or all that changed after a version, in one frame."""
        board = await self._board(self._target)
        now = time.time()
        if cursor == _SNAPSHOT:
            body = message(b'{"type":"snapshot",', board.body(now)[1:])
            return Step(Frame(body), _StatusCursor(board.version))
        stamp = b'{"type":"status","timestamp":%b,"process":' % _encode(now)
        changed = [message(stamp, entry, b"}") for entry in board.changes(cursor.version)]
        if not changed:
            return Step(None, dataclasses.replace(cursor, version=board.version))
        return Step(Frame(b"".join(changed)), *cursor.after_frame(board.version))

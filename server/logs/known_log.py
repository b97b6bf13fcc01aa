"""What this server knows about one log: where it ends, and whether that is still true.

`logs` reports what happens to a log and asks; which logs stay in memory is left to `known_logs`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from server.logs.cache import CachedSlices
from server.store.processes.log_chunks import LogEnd


class KnownLog:
    """The end of a log as last seen, who writes to it, and its cached slices.

    One server at a time writes to a log. While that is this server, it knows the end. Otherwise it
    relies on notifications: the end is current until another server may have written.
    """

    def __init__(
        self,
        last: int,
        log_bytes: int = 0,
        text_bytes: int | None = 0,
        levels: Sequence[int] | None = None,
    ) -> None:
        self.slices = CachedSlices()
        #: held by whoever appends
        self.lock = asyncio.Lock()
        self._last = last
        self._log_bytes = log_bytes
        self._text_bytes = text_bytes
        self._levels = levels
        #: the line up to which the levels are counted
        self._counted = last if levels is not None else 0
        self._written_here = False
        # Counted, as more notifications may arrive while the end is read. A new log is not current:
        # notifications that arrived before it was known were lost.
        self._notifications, self._heeded = 1, 0

    @property
    def last(self) -> int:
        """The number of the last line known to be stored."""
        return self._last

    @property
    def log_bytes(self) -> int:
        """The size of all entries, as far as the writer knows."""
        return self._log_bytes

    @property
    def text_bytes(self) -> int | None:
        """The size of the text, as far as the writer knows; None if it was not always counted."""
        return self._text_bytes

    @property
    def levels(self) -> Sequence[int] | None:
        """How many lines there are of each level, None while that has not been counted."""
        return self._levels if self._counted == self._last else None

    @property
    def counted(self) -> tuple[int, Sequence[int] | None]:
        """How many lines there are of each level up to which line, as far as was counted."""
        return self._counted, self._levels

    @property
    def written_here(self) -> bool:
        """Whether this server is the one that writes to it."""
        return self._written_here

    def is_current(self, notified: bool) -> bool:
        """Tell whether the end cannot have moved; `notified` says that notifications arrive."""
        return self._written_here or (notified and self._heeded == self._notifications)

    def start_writing(self) -> None:
        """Note that this server is the one that writes from now on."""
        self._written_here = True

    def stop_writing(self) -> None:
        """Note that another server may write from now on."""
        self._written_here = False
        self.outdate()

    def outdate(self) -> None:
        """Note that another server may have written."""
        self._notifications += 1

    def move_end(
        self,
        last: int,
        log_bytes: int,
        text_bytes: int | None,
        levels: Sequence[int] | None = None,
    ) -> None:
        """Take over the end that this server has just stored, or read as the writer."""
        self._last, self._log_bytes, self._text_bytes = last, log_bytes, text_bytes
        self._levels, self._counted = levels, 0 if levels is None else last

    def count(self, line: int, levels: Sequence[int]) -> None:
        """Take over how many lines there are of each level up to a line."""
        if line >= self._counted:
            self._levels, self._counted = levels, line

    def reach(self, line: int) -> None:
        """Note that at least the lines up to this one are stored."""
        if line > self._last:
            self._last = line

    async def refresh(self, stored: Awaitable[LogEnd]) -> None:
        """Take over the end in the store. If that fails, the end is as outdated as before."""
        heeded = self._notifications  # those that arrive during the read stay unheeded
        end = await stored
        self.reach(end.line)
        if end.levels is not None:
            self.count(end.line, end.levels)
        self._heeded = max(self._heeded, heeded)

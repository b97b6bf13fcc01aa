"""Room on the disk of the data folder that is kept for deleting, cancelling and restarting.

All of these write to the database before they free anything, so that a full disk would forbid them.
A file takes up a little room; it is given up when the disk is full and made again when there is
room. Until then, `full` says that nothing may be stored that only makes the disk fuller.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path

from server.core.errors import NoRoom

log = logging.getLogger(__name__)

#: Its size is this part of the disk, within these bounds.
DISK_PART = 16
LEAST_BYTES = 1 << 20
MOST_BYTES = 16 << 20
CHECK_SECONDS = 1.0
_PIECE_BYTES = 1 << 20


class DiskReserve:
    """The file, and whether it had to be given up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: whether the disk is full
        self.full = False

    @property
    def problem(self) -> str | None:
        """What a person should know and do, None as long as there is room."""
        if not self.full:
            return None
        return (
            "The server's disk is full: nothing new can be stored or run until something is deleted"
        )

    def check(self) -> None:
        """Raise NoRoom while the disk is full."""
        if self.full:
            raise NoRoom()

    def keep(self) -> None:
        """Give the reserve up if the disk is full, or make it if there is room. Blocks briefly."""
        try:
            disk = shutil.disk_usage(self._path.parent)
        except OSError:
            return
        size = max(LEAST_BYTES, min(disk.total // DISK_PART, MOST_BYTES))
        if self._is_made():
            if disk.free < size // 4:
                self.give_up()
        elif disk.free >= size + size // 2:
            self._make(size)
        else:
            self._say_full()

    def give_up(self) -> None:
        """Free the room of the reserve, as the disk is full."""
        self._path.unlink(missing_ok=True)
        self._say_full()

    def _is_made(self) -> bool:
        return self._path.exists()

    def _say_full(self) -> None:
        if not self.full:
            self.full = True
            log.error(
                "The disk is full: nothing new is stored or run until there is room",
                extra={"action": "disk_full"},
            )

    def _make(self, size: int) -> None:
        """Write the file, as a hole would take up no room; a kill leaves only its partial one."""
        partial = self._path.with_suffix(".new")
        try:
            with partial.open("wb") as file:
                for start in range(0, size, _PIECE_BYTES):
                    file.write(os.urandom(min(_PIECE_BYTES, size - start)))
            partial.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()
            self._say_full()
            return
        if self.full:
            self.full = False
            log.info("There is room on the disk again", extra={"action": "disk_has_room"})

"""Stores what a run reports of the frames of its film, bit by bit, while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

import msgspec

from server.core.concurrency import retry_while_unavailable
from server.core.records import ProcessRecord
from server.execution.child.messages import ReportedLine
from server.processes.film_frames import CHUNK_FRAMES, FilmFrame, Reported, chunk_of
from server.store.processes.film_frames import FilmFrames

#: The shortest time between two writes, as the last document is written anew each time.
WRITE_SECONDS = 1.0
TIMELAPSE = "timelapse"


class FilmRecorder:
    """The frames of an attempt that are not stored yet, and those of the last document."""

    def __init__(self, record: ProcessRecord, store: FilmFrames) -> None:
        self._pk, self._attempt = record.pk, record.attempt
        self._is_film = record.process_type == TIMELAPSE
        self._store = store
        self._last: list[Reported] = []
        self._number = 0
        self._new: list[Reported] = []
        self._written = 0.0

    def add(self, reported: Iterable[ReportedLine], line_before: int, stored_lines: int) -> None:
        """Take frames; their lines are among those after `line_before` as far as these are stored.

        Whatever is no timelapse has no frames.
        """
        if not self._is_film:
            return
        for each in reported:
            frame = each.frame
            if isinstance(frame, FilmFrame) and each.place and each.place <= stored_lines:
                frame = msgspec.structs.replace(frame, line=line_before + each.place)
            self._new.append(frame)

    @property
    def seconds_left(self) -> float | None:
        """The time until a write is due, None if there is nothing to write."""
        if not self._new:
            return None
        return max(0.0, self._written + WRITE_SECONDS - asyncio.get_running_loop().time())

    async def store(self) -> None:
        """Write what is new. May be repeated, also after an error."""
        self._written = asyncio.get_running_loop().time()
        while self._new:
            room = CHUNK_FRAMES - len(self._last)
            last = self._last + self._new[:room]
            put = partial(self._store.put, self._pk, self._attempt, self._number, chunk_of(last))
            await retry_while_unavailable(put)
            self._last, self._new = last, self._new[room:]
            if len(last) == CHUNK_FRAMES:
                self._last, self._number = [], self._number + 1
